package luaconfig

import (
	"maps"
	"os"
	"path/filepath"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// functions are those that Prosody's configuration files may call.
func (e *evaluation) functions() map[string]lua.LValue {
	host, component := e.sectionFunction(&e.config.Hosts), e.sectionFunction(&e.config.Components)
	include := e.NewFunction(func(*lua.LState) int {
		e.include(e.CheckString(1))
		return 0
	})
	getenv := e.NewTable()
	getenv.RawSetString("getenv", e.NewFunction(func(*lua.LState) int {
		e.Push(e.variable(e.CheckString(1)))
		return 1
	}))
	libraries := e.NewTable()
	libraries.RawSetString("os", getenv)
	return map[string]lua.LValue{
		"VirtualHost": host, "Host": host, "host": host,
		"Component": component, "component": component,
		"Include": include, "include": include, "RunScript": include,
		"os": getenv, "Lua": libraries,
		"FileContents": e.reader(func(content string) lua.LValue { return lua.LString(content) }),
		"FileLine": e.reader(func(content string) lua.LValue {
			line, _, _ := strings.Cut(content, "\n")
			return lua.LString(line)
		}),
		"FileLines": e.reader(func(content string) lua.LValue {
			lines := e.NewTable()
			for line := range strings.SplitSeq(strings.TrimSuffix(content, "\n"), "\n") {
				lines.Append(lua.LString(line))
			}
			return lines
		}),
		"Credential": e.NewFunction(func(*lua.LState) int {
			folder, set := e.lookupEnv("CREDENTIALS_DIRECTORY")
			name := e.CheckString(1)
			if !set || name != filepath.Base(name) {
				e.raise("Credential needs the folder CREDENTIALS_DIRECTORY, and the name of a file in it")
			}
			content, err := readFile(filepath.Join(folder, name))
			if err != nil {
				e.raise("the credential %q cannot be read", name)
			}
			e.Push(lua.LString(content))
			return 1
		}),
	}
}

// sectionFunction begins a section: VirtualHost "name", Component "name" "module",
// both perhaps with { options } behind.
func (e *evaluation) sectionFunction(sections *[]Section) lua.LValue {
	return e.NewFunction(func(*lua.LState) int {
		s := Section{Name: e.CheckString(1), Options: make(map[string]any)}
		*sections = append(*sections, s)
		e.section = s.Options
		e.Push(e.NewFunction(func(*lua.LState) int {
			e.options(s.Options, e.Get(1))
			return 0
		}))
		return 1
	})
}

func (e *evaluation) options(section map[string]any, given lua.LValue) {
	if t, ok := e.value(given, 0).(Table); ok {
		maps.Copy(section, t.Fields)
	}
}

// within returns the path of a file below the folder of the configuration;
// others are none of our business.
func (e *evaluation) within(name string) string {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(e.folder, path)
	}
	relative, err := filepath.Rel(e.folder, path)
	if err != nil || !filepath.IsLocal(relative) {
		e.raise("%q is outside the folder of the configuration", name)
	}
	return path
}

// include evaluates further files: one, or all that a pattern matches.
func (e *evaluation) include(pattern string) {
	path := e.within(pattern)
	files := []string{path}
	if strings.ContainsAny(pattern, "*?") {
		var err error
		if files, err = filepath.Glob(path); err != nil {
			e.raise("%q is no pattern", pattern)
		}
	}
	for _, file := range files {
		if e.included++; e.included > maxInclude {
			e.raise("too many files are included")
		}
		before := e.section
		e.section = e.config.Global
		if err := e.run(file); err != nil {
			e.raise("%s", strings.TrimPrefix(err.Error(), file+": "))
		}
		e.section = before
	}
}

// reader is a function that returns what is in a file, which is relative to the
// folder of the configuration but may be anywhere: secrets often are.
func (e *evaluation) reader(value func(content string) lua.LValue) lua.LValue {
	return e.NewFunction(func(*lua.LState) int {
		path := e.CheckString(1)
		if !filepath.IsAbs(path) {
			path = filepath.Join(e.folder, path)
		}
		content, err := readFile(path)
		if os.IsNotExist(err) {
			e.raise("the file %s does not exist", path)
		}
		if err != nil {
			e.raise("the file %s cannot be read", path)
		}
		e.Push(value(string(content)))
		return 1
	})
}
