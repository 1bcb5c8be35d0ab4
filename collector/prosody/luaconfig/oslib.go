package luaconfig

import (
	"os"
	"time"

	"github.com/ncruces/go-strftime"

	"active_users_exporter/collector/prosody/lua"
)

func (e *evaluation) osFunctions() map[string]func(*lua.Call) []lua.Value {
	return map[string]func(*lua.Call) []lua.Value{
		"getenv": func(c *lua.Call) []lua.Value { return []lua.Value{e.variable(c.Text(1))} },
		"time":   e.time,
		"date":   e.date,
		"clock":  func(*lua.Call) []lua.Value { return []lua.Value{0.0} },
		"difftime": func(c *lua.Call) []lua.Value {
			return []lua.Value{c.Float(1) - c.Float(2)}
		},
		"setlocale": func(*lua.Call) []lua.Value { return []lua.Value{"C"} },
	}
}

func (e *evaluation) time(c *lua.Call) []lua.Value {
	if c.Arg(1) == nil {
		return []lua.Value{e.around.Now().Unix()}
	}
	t := c.Table(1)
	field := func(name string, otherwise int64) int {
		v := t.Get(name)
		if text, ok := v.(string); ok {
			v = lua.ToNumber(text)
		}
		switch n := v.(type) {
		case int64:
			otherwise = n
		case float64:
			if n != float64(int64(n)) {
				c.Raise("field '%s' is not an integer", name)
			}
			otherwise = int64(n)
		default:
			if otherwise < 0 {
				c.Raise("field '%s' missing in date table", name)
			}
		}
		return int(max(-1<<31, min(otherwise, 1<<31)))
	}
	year, month, day := field("year", -1), field("month", -1), field("day", -1)
	at := time.Date(year, time.Month(month), day, field("hour", 12), field("min", 0), field("sec", 0), 0, e.around.Now().Location())
	setDate(c, t, at)
	return []lua.Value{at.Unix()}
}

func setDate(c *lua.Call, t *lua.Table, at time.Time) {
	c.Allocate(9 * 64)
	for name, n := range map[string]int{
		"year": at.Year(), "month": int(at.Month()), "day": at.Day(), "hour": at.Hour(), "min": at.Minute(), "sec": at.Second(),
		"wday": int(at.Weekday()) + 1, "yday": at.YearDay(),
	} {
		t.Set(name, int64(n))
	}
	t.Set("isdst", at.IsDST())
}

func (e *evaluation) date(c *lua.Call) []lua.Value {
	format, at := c.OptText(1, "%c"), e.around.Now()
	if c.Arg(2) != nil {
		at = time.Unix(c.Int(2), 0).In(at.Location())
	}
	if len(format) > 0 && format[0] == '!' {
		format, at = format[1:], at.UTC()
	}
	if len(format) > 1 && format[:2] == "*t" {
		t := lua.NewTable()
		setDate(c, t, at)
		return []lua.Value{t}
	}
	text := strftime.Format(format, at)
	c.Allocate(len(text))
	return []lua.Value{text}
}

// lfsFunctions are those of LuaFileSystem that only look.
func lfsFunctions() map[string]func(*lua.Call) []lua.Value {
	return map[string]func(*lua.Call) []lua.Value{
		"attributes": func(c *lua.Call) []lua.Value {
			path := c.Text(1)
			absolute(c, path)
			info, err := os.Stat(path)
			if os.IsNotExist(err) {
				return []lua.Value{nil, "cannot obtain information from file: No such file or directory", int64(2)}
			}
			if err != nil {
				c.Refuse("the exporter may not look at the file %s: give it the right (the group prosody)", path)
			}
			t := lua.NewTable()
			t.Set("mode", "file")
			if info.IsDir() {
				t.Set("mode", "directory")
			}
			t.Set("size", info.Size())
			t.Set("modification", info.ModTime().Unix())
			if name, ok := c.Arg(2).(string); ok {
				return []lua.Value{t.Get(name)}
			}
			return []lua.Value{t}
		},
		"dir": func(c *lua.Call) []lua.Value {
			path := c.Text(1)
			absolute(c, path)
			entries, err := os.ReadDir(path)
			if os.IsNotExist(err) {
				c.Raise("cannot open %s: No such file or directory", path)
			}
			if err != nil {
				c.Refuse("the exporter may not list the folder %s: give it the right (the group prosody)", path)
			}
			names := []string{".", ".."}
			for _, entry := range entries {
				names = append(names, entry.Name())
			}
			c.Allocate(64 * len(names))
			return []lua.Value{lua.NewFunction("dir_iterator", func(*lua.Call) []lua.Value {
				if len(names) == 0 {
					return []lua.Value{nil}
				}
				name := names[0]
				names = names[1:]
				return []lua.Value{name}
			})}
		},
	}
}
