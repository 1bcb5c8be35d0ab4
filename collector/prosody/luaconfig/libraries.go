package luaconfig

import (
	"maps"
	"math"
	"slices"
	"strings"

	"active_users_exporter/collector/prosody/lua"
)

// addLibraries adds what Prosody's programs find beside Lua's pure library.
func (e *evaluation) addLibraries() {
	globals := e.Globals()
	e.library("os", e.osFunctions(), "execute", "exit", "remove", "rename", "tmpname")
	files := e.library("io", e.ioFunctions(), "popen", "output", "input", "read", "close", "tmpfile")
	terminal := e.newLibrary("io", map[string]func(*lua.Call) []lua.Value{
		"write": func(c *lua.Call) []lua.Value { return []lua.Value{c.Arg(1)} },
		"flush": func(*lua.Call) []lua.Value { return nil }, "setvbuf": func(*lua.Call) []lua.Value { return nil },
	})
	files.Set("stdout", terminal)
	files.Set("stderr", terminal)
	e.library("coroutine", nil)
	e.library("debug", nil)
	text, _ := globals.Get("string").(*lua.Table)
	refuse(text, "string", "dump", "pack", "packsize", "unpack")
	globals.Set("dofile", lua.NewFunction("dofile", func(c *lua.Call) []lua.Value {
		path := c.Text(1)
		absolute(c, path)
		return c.Run(path, e.read(c, path), globals)
	}))
	refuse(globals, "", "loadfile")
	e.addOlderNames()

	loaded := lua.NewTable()
	for _, name := range []string{"string", "table", "math", "utf8", "os", "io", "coroutine", "debug"} {
		loaded.Set(name, globals.Get(name))
	}
	loaded.Set("_G", globals)
	searched := lua.NewTable()
	for name, value := range map[string]lua.Value{"loaded": loaded, "path": "", "cpath": "", "config": "/\n;\n?\n!\n-\n", "preload": lua.NewTable()} {
		searched.Set(name, value)
	}
	globals.Set("package", searched)
	globals.Set("require", lua.NewFunction("require", func(c *lua.Call) []lua.Value { return e.require(c, loaded) }))

	// The state of a server that reads its configuration again.
	server, paths := lua.NewTable(), lua.NewTable()
	paths.Set("config", e.folder)
	server.Set("process_type", "prosody")
	server.Set("config_loaded", true)
	server.Set("platform", "posix")
	server.Set("paths", paths)
	for _, name := range []string{"lock_globals", "unlock_globals"} {
		server.Set(name, lua.NewFunction(name, func(*lua.Call) []lua.Value { return nil }))
	}
	globals.Set("prosody", server)
	globals.Set("arg", lua.NewTable())
}

// addOlderNames adds what Lua 5.1 called otherwise: Prosody still runs with it.
func (e *evaluation) addOlderNames() {
	globals := e.Globals()
	list, _ := globals.Get("table").(*lua.Table)
	globals.Set("unpack", list.Get("unpack"))
	globals.Set("loadstring", globals.Get("load"))
	list.Set("getn", globals.Get("rawlen"))
	numbers, _ := globals.Get("math").(*lua.Table)
	numbers.Set("pow", lua.NewFunction("math.pow", func(c *lua.Call) []lua.Value {
		return []lua.Value{math.Pow(c.Float(1), c.Float(2))}
	}))
}

// library adds a library to the globals. What of it is refused, and if nothing
// of it is there everything, ends the reading when it is called.
func (e *evaluation) library(name string, functions map[string]func(*lua.Call) []lua.Value, refused ...string) *lua.Table {
	library := e.newLibrary(name, functions)
	refuse(library, name, refused...)
	if functions == nil {
		meta := lua.NewTable()
		meta.Set("__index", lua.NewFunction(name, func(c *lua.Call) []lua.Value {
			c.Refuse("the library %s is not there: it is not needed to say where records are", name)
			return nil
		}))
		library.SetMeta(meta)
	}
	e.Globals().Set(name, library)
	return library
}

func (e *evaluation) newLibrary(prefix string, functions map[string]func(*lua.Call) []lua.Value) *lua.Table {
	library := lua.NewTable()
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		library.Set(name, lua.NewFunction(prefix+"."+name, functions[name]))
	}
	return library
}

// refuse adds functions that end the reading. They are impure: what they do
// cannot be done here, and without it the program may go another way.
func refuse(library *lua.Table, prefix string, names ...string) {
	for _, name := range names {
		full := strings.TrimPrefix(prefix+"."+name, ".")
		library.Set(name, lua.NewFunction(full, func(c *lua.Call) []lua.Value {
			c.Refuse("the configuration calls %s, which the exporter does not do for it", full)
			return nil
		}))
	}
}

// require gives a module of those that only compute. Others end the reading:
// whether the server has them is not known here.
func (e *evaluation) require(c *lua.Call, loaded *lua.Table) []lua.Value {
	name := strings.TrimPrefix(c.Text(1), "prosody.")
	if module := loaded.Get(name); module != nil {
		return []lua.Value{module}
	}
	load, known := e.modules()[name]
	if !known {
		c.Refuse("the configuration needs the module %q, which is not there: the exporter has the modules %s",
			name, strings.Join(slices.Sorted(maps.Keys(e.modules())), ", "))
	}
	module := load(c)
	loaded.Set(name, module)
	return []lua.Value{module}
}

// modules are those that require gives.
func (e *evaluation) modules() map[string]func(*lua.Call) lua.Value {
	library := func(functions map[string]func(*lua.Call) []lua.Value) func(*lua.Call) lua.Value {
		return func(*lua.Call) lua.Value { return e.newLibrary("", functions) }
	}
	return map[string]func(*lua.Call) lua.Value{
		"stringy":         library(stringyFunctions()),
		"util.pposix":     library(map[string]func(*lua.Call) []lua.Value{"uname": e.uname}),
		"util.jid":        library(jidFunctions()),
		"util.json":       library(map[string]func(*lua.Call) []lua.Value{"decode": decodeJSON}),
		"util.hex":        library(hexFunctions()),
		"util.encodings":  e.encodings,
		"util.uuid":       library(map[string]func(*lua.Call) []lua.Value{"generate": anything("00000000-0000-4000-8000-000000000000")}),
		"util.id":         library(map[string]func(*lua.Call) []lua.Value{"short": anything("AAAAAAAAAAAA"), "medium": anything("AAAAAAAAAAAAAAAAAA"), "long": anything("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")}),
		"socket":          e.socket,
		"util.envload":    library(map[string]func(*lua.Call) []lua.Value{"envload": e.envload}),
		"util.iterators":  e.program("iterators", iteratorsProgram),
		"util.array":      e.program("array", arrayProgram),
		"util.set":        e.program("set", setProgram),
		"lfs":             library(lfsFunctions()),
		"luarocks.loader": func(*lua.Call) lua.Value { return true },
	}
}

// anything stands for a random text: Prosody has another one each time.
func anything(text string) func(*lua.Call) []lua.Value {
	return func(*lua.Call) []lua.Value { return []lua.Value{text} }
}

// socket is LuaSocket without the network: the time, and the name of the machine.
func (e *evaluation) socket(*lua.Call) lua.Value {
	module := e.newLibrary("socket", map[string]func(*lua.Call) []lua.Value{
		"gettime": func(*lua.Call) []lua.Value { return []lua.Value{float64(e.around.Now().UnixMicro()) / 1e6} },
		"sleep":   func(*lua.Call) []lua.Value { return nil },
	})
	names := e.newLibrary("socket.dns", map[string]func(*lua.Call) []lua.Value{
		"gethostname": func(c *lua.Call) []lua.Value { return []lua.Value{e.hostname(c)} },
	})
	module.Set("dns", names)
	for _, t := range []*lua.Table{module, names} {
		meta := lua.NewTable()
		meta.Set("__index", lua.NewFunction("socket", func(c *lua.Call) []lua.Value {
			c.Refuse("the configuration uses the network, which the exporter does not do for it")
			return nil
		}))
		t.SetMeta(meta)
	}
	return module
}

// program is a module that is written in Lua.
func (e *evaluation) program(name, source string) func(*lua.Call) lua.Value {
	return func(c *lua.Call) lua.Value {
		results := c.Run("util."+name, source, e.Globals())
		return results[0]
	}
}

func (e *evaluation) envload(c *lua.Call) []lua.Value {
	f, err := c.Compile(strings.TrimLeft(c.OptText(2, "chunk"), "=@"), c.Text(1), c.Arg(3))
	if err != nil {
		return []lua.Value{nil, err.Error()}
	}
	return []lua.Value{f}
}

// uname gives the name of this machine, which is Prosody's if the exporter runs
// beside it.
func (e *evaluation) uname(c *lua.Call) []lua.Value {
	t := lua.NewTable()
	t.Set("sysname", "Linux")
	t.Set("nodename", e.hostname(c))
	return []lua.Value{t}
}

func (e *evaluation) hostname(c *lua.Call) string {
	name, err := e.around.Hostname()
	if err != nil {
		c.Refuse("the name of this machine is not known: %s", err)
	}
	return name
}
