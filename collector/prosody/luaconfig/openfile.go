package luaconfig

import (
	"errors"
	"strings"

	"active_users_exporter/collector/prosody/lua"
)

// openFile is a file of io.open, whose content is in memory.
type openFile struct {
	rest   string
	closed bool
}

// read reads a part as f:read does: "l" a line, "L" with its end, "a" all, "n" a
// number. It returns nil at the end.
func (o *openFile) read(c *lua.Call, format string) lua.Value {
	switch strings.TrimPrefix(format, "*") {
	case "a":
		all := o.rest
		o.rest = ""
		return all
	case "l", "L":
		if o.rest == "" {
			return nil
		}
		line, rest, found := strings.Cut(o.rest, "\n")
		o.rest = rest
		if found && strings.HasSuffix(format, "L") {
			line += "\n"
		}
		return line
	case "n":
		trimmed := strings.TrimLeft(o.rest, " \t\n\r\v\f")
		end := strings.IndexFunc(trimmed, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEFxXpP.+-", r) })
		if end < 0 {
			end = len(trimmed)
		}
		o.rest = trimmed[end:]
		return lua.ToNumber(trimmed[:end])
	}
	c.BadArg(2, "invalid format")
	return nil
}

// readAll reads the parts that the arguments from i on ask for.
func (o *openFile) readAll(c *lua.Call, i int) []lua.Value {
	if len(c.Args) < i {
		return []lua.Value{o.read(c, "l")}
	}
	var parts []lua.Value
	for ; i <= len(c.Args); i++ {
		var part lua.Value
		if n, ok := c.Arg(i).(int64); ok {
			if o.rest != "" && n >= 0 {
				taken := o.rest[:min(int(n), len(o.rest))]
				part, o.rest = taken, o.rest[len(taken):]
			}
		} else {
			part = o.read(c, c.Text(i))
		}
		parts = append(parts, part)
		if part == nil {
			break
		}
	}
	return parts
}

// ioFunctions are those of the library io that only read.
func (e *evaluation) ioFunctions() map[string]func(*lua.Call) []lua.Value {
	meta := fileMeta()
	return map[string]func(*lua.Call) []lua.Value{
		"open": func(c *lua.Call) []lua.Value {
			path, mode := c.Text(1), c.OptText(2, "r")
			if mode != "r" && mode != "rb" {
				c.Refuse("io.open for writing: a configuration that changes files cannot be read")
			}
			absolute(c, path)
			content, err := readFile(path)
			if errors.Is(err, errMissing) {
				return []lua.Value{nil, path + ": No such file or directory", int64(2)}
			}
			if err != nil {
				c.Refuse("%s", err)
			}
			c.Allocate(len(content))
			return []lua.Value{&lua.Object{Data: &openFile{rest: content}, Meta: meta}}
		},
		"lines": func(c *lua.Call) []lua.Value {
			path := c.Text(1)
			absolute(c, path)
			return []lua.Value{lineIterator(&openFile{rest: e.read(c, path)})}
		},
		"type": func(c *lua.Call) []lua.Value {
			switch o := opened(c.Arg(1)); {
			case o == nil:
				return []lua.Value{nil}
			case o.closed:
				return []lua.Value{"closed file"}
			}
			return []lua.Value{"file"}
		},
		// Nobody sees what is written to the terminal.
		"write": func(*lua.Call) []lua.Value { return nil },
	}
}

// absolute refuses a path that hangs on where Prosody was started.
func absolute(c *lua.Call, path string) {
	if !strings.HasPrefix(path, "/") {
		c.Refuse("a file with a relative path: it would be looked for in the folder in which Prosody was started, which is not known here")
	}
}

func lineIterator(o *openFile) *lua.Function {
	return lua.NewFunction("lines_iterator", func(c *lua.Call) []lua.Value {
		return []lua.Value{o.read(c, "l")}
	})
}

func opened(v lua.Value) *openFile {
	if object, ok := v.(*lua.Object); ok {
		if o, ok := object.Data.(*openFile); ok {
			return o
		}
	}
	return nil
}

// fileMeta is the metatable of files, with their methods.
func fileMeta() *lua.Table {
	methods, meta := lua.NewTable(), lua.NewTable()
	method := func(name string, f func(*lua.Call, *openFile) []lua.Value) {
		methods.Set(name, lua.NewFunction(name, func(c *lua.Call) []lua.Value {
			o := opened(c.Arg(1))
			if o == nil {
				c.BadArg(1, "FILE* expected")
			}
			if o.closed {
				c.Raise("attempt to use a closed file")
			}
			return f(c, o)
		}))
	}
	method("read", func(c *lua.Call, o *openFile) []lua.Value { return o.readAll(c, 2) })
	method("lines", func(_ *lua.Call, o *openFile) []lua.Value { return []lua.Value{lineIterator(o)} })
	method("close", func(_ *lua.Call, o *openFile) []lua.Value {
		o.closed = true
		return []lua.Value{true}
	})
	meta.Set("__index", methods)
	meta.Set("__name", "FILE*")
	meta.Set("__close", lua.NewFunction("close", func(c *lua.Call) []lua.Value {
		if o := opened(c.Arg(1)); o != nil {
			o.closed = true
		}
		return nil
	}))
	return meta
}
