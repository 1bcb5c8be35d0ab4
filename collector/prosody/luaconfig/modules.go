package luaconfig

import (
	_ "embed" // for the modules that are written in Lua
	"strings"

	"active_users_exporter/collector/prosody/lua"
)

// Modules of Prosody's that only compute, as far as configurations use them.
var (
	//go:embed modules/iterators.lua
	iteratorsProgram string
	//go:embed modules/array.lua
	arrayProgram string
	//go:embed modules/set.lua
	setProgram string
)

func list(c *lua.Call, items []string) *lua.Table {
	c.Allocate(64 * (len(items) + 1))
	t := lua.NewTable()
	for i, item := range items {
		t.Set(int64(i)+1, item)
	}
	return t
}

// stringyFunctions are those of the Lua module stringy, which some images of
// Prosody bring along.
func stringyFunctions() map[string]func(*lua.Call) []lua.Value {
	text := func(f func(a, b string) lua.Value) func(*lua.Call) []lua.Value {
		return func(c *lua.Call) []lua.Value { return []lua.Value{f(c.Text(1), c.Text(2))} }
	}
	return map[string]func(*lua.Call) []lua.Value{
		"split": func(c *lua.Call) []lua.Value {
			separator := c.Text(2)
			if separator == "" {
				return []lua.Value{list(c, []string{c.Text(1)})}
			}
			return []lua.Value{list(c, strings.Split(c.Text(1), separator))}
		},
		"strip": func(c *lua.Call) []lua.Value {
			return []lua.Value{strings.Trim(c.Text(1), c.OptText(2, " \t\n\r\v\f"))}
		},
		"join": func(c *lua.Call) []lua.Value {
			joined := c.Call(tableFunction(c, "concat"), c.Arg(2), c.Text(1))
			return joined
		},
		"count":      text(func(a, b string) lua.Value { return int64(strings.Count(a, b)) }),
		"startswith": text(func(a, b string) lua.Value { return strings.HasPrefix(a, b) }),
		"endswith":   text(func(a, b string) lua.Value { return strings.HasSuffix(a, b) }),
		"find": text(func(a, b string) lua.Value {
			if i := strings.Index(a, b); i >= 0 {
				return int64(i) + 1
			}
			return nil
		}),
	}
}

func tableFunction(c *lua.Call, name string) lua.Value {
	library, _ := c.Globals().Get("table").(*lua.Table)
	return library.Get(name)
}

// jidFunctions are those of util.jid that take addresses apart.
func jidFunctions() map[string]func(*lua.Call) []lua.Value {
	part := func(choose func(node, host, resource lua.Value) []lua.Value) func(*lua.Call) []lua.Value {
		return func(c *lua.Call) []lua.Value {
			if c.Arg(1) == nil {
				return nil
			}
			return choose(splitJID(c.Text(1)))
		}
	}
	return map[string]func(*lua.Call) []lua.Value{
		"split":    part(func(node, host, resource lua.Value) []lua.Value { return []lua.Value{node, host, resource} }),
		"node":     part(func(node, _, _ lua.Value) []lua.Value { return []lua.Value{node} }),
		"host":     part(func(_, host, _ lua.Value) []lua.Value { return []lua.Value{host} }),
		"resource": part(func(_, _, resource lua.Value) []lua.Value { return []lua.Value{resource} }),
		"bare": part(func(node, host, _ lua.Value) []lua.Value {
			name, _ := node.(string)
			domain, _ := host.(string)
			switch {
			case host == nil:
				return []lua.Value{nil}
			case node == nil:
				return []lua.Value{domain}
			}
			return []lua.Value{name + "@" + domain}
		}),
	}
}

func splitJID(jid string) (node, host, resource lua.Value) {
	bare, rest, full := strings.Cut(jid, "/")
	name, domain, named := strings.Cut(bare, "@")
	if !named {
		name, domain = "", bare
	}
	if domain == "" || full && rest == "" || named && name == "" || strings.ContainsRune(domain, '@') {
		return nil, nil, nil
	}
	if named {
		node = name
	}
	if full {
		resource = rest
	}
	return node, domain, resource
}
