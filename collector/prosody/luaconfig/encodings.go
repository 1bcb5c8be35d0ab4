package luaconfig

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"

	"active_users_exporter/collector/prosody/lua"
)

// encodings is util.encodings: base64, and names of domains.
func (e *evaluation) encodings(*lua.Call) lua.Value {
	module := lua.NewTable()
	module.Set("base64", e.newLibrary("base64", map[string]func(*lua.Call) []lua.Value{
		"encode": func(c *lua.Call) []lua.Value {
			return []lua.Value{base64.StdEncoding.EncodeToString([]byte(c.Text(1)))}
		},
		"decode": func(c *lua.Call) []lua.Value {
			decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(c.Text(1)))
			if err != nil {
				return []lua.Value{nil}
			}
			return []lua.Value{string(decoded)}
		},
	}))
	module.Set("stringprep", e.newLibrary("stringprep", map[string]func(*lua.Call) []lua.Value{
		"nameprep": func(c *lua.Call) []lua.Value {
			name, ok := nameprep(c.Text(1))
			if !ok {
				return []lua.Value{nil}
			}
			return []lua.Value{name}
		},
	}))
	return module
}

// hexFunctions are those of util.hex, with their names of 0.12 and of 13.
func hexFunctions() map[string]func(*lua.Call) []lua.Value {
	encode := func(c *lua.Call) []lua.Value { return []lua.Value{hex.EncodeToString([]byte(c.Text(1)))} }
	decode := func(c *lua.Call) []lua.Value {
		decoded, err := hex.DecodeString(strings.Join(strings.Fields(c.Text(1)), ""))
		if err != nil {
			return []lua.Value{nil}
		}
		return []lua.Value{string(decoded)}
	}
	return map[string]func(*lua.Call) []lua.Value{"to": encode, "encode": encode, "from": decode, "decode": decode}
}

// decodeJSON is util.json.decode.
func decodeJSON(c *lua.Call) []lua.Value {
	text := c.Text(1)
	c.Allocate(16 * len(text))
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil || decoder.More() {
		return []lua.Value{nil, "invalid JSON"}
	}
	return []lua.Value{fromJSON(value)}
}

func fromJSON(value any) lua.Value {
	switch v := value.(type) {
	case json.Number:
		return lua.ToNumber(v.String())
	case []any:
		t := lua.NewTable()
		for i, item := range v {
			t.Set(int64(i)+1, fromJSON(item))
		}
		return t
	case map[string]any:
		t := lua.NewTable()
		for name, item := range v {
			t.Set(name, fromJSON(item))
		}
		return t
	}
	return value
}
