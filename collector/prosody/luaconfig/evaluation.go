package luaconfig

import (
	"errors"
	"strings"

	"active_users_exporter/collector/prosody/lua"
)

// global is the name of the global section.
const global = "*"

// evaluation is the reading of one configuration.
type evaluation struct {
	*lua.Interpreter
	around   Surroundings
	edition  edition
	folder   string // of the file that was named
	sections map[string]*lua.Table
	order    []string // of the sections, without the global one
	proxies  map[*lua.Table]bool
	unset    map[string]bool // environment variables
	places   map[Place]lua.Position
	files    int // included so far
	depth    int // of files that include one another
}

func newEvaluation(around Surroundings, edition edition, folder string) *evaluation {
	e := &evaluation{
		Interpreter: lua.New(lua.Limits{Steps: maxSteps, Memory: maxMemory}),
		around:      around, edition: edition, folder: folder,
		sections: map[string]*lua.Table{global: lua.NewTable()},
		proxies:  make(map[*lua.Table]bool),
		unset:    make(map[string]bool),
		places:   make(map[Place]lua.Position),
	}
	e.addLibraries()
	return e
}

// environment is the table in which a file assigns its options. Each file has
// its own, which begins in the global section.
func (e *evaluation) environment(path string) *lua.Table {
	f := &file{evaluation: e, path: path, folder: path[:strings.LastIndexByte(path, '/')+1], section: global}
	env, meta := lua.NewTable(), lua.NewTable()
	host := lua.NewFunction("VirtualHost", f.virtualHost)
	component := lua.NewFunction("Component", f.component)
	include := lua.NewFunction("Include", f.include)
	for name, function := range map[string]*lua.Function{
		"VirtualHost": host, "Host": host, "host": host, "Component": component, "component": component,
		"Include": include, "include": include, "RunScript": lua.NewFunction("RunScript", f.runScript),
	} {
		env.Set(name, function)
	}
	if e.edition == from13 {
		f.addReaders(env)
	}
	meta.Set("__index", lua.NewFunction("option", f.lookup))
	meta.Set("__newindex", lua.NewFunction("option", func(c *lua.Call) []lua.Value {
		f.set(c, f.section, c.Arg(2), c.Arg(3))
		return nil
	}))
	env.SetMeta(meta)
	return env
}

// file is a file under way.
type file struct {
	*evaluation
	path    string
	folder  string // with a slash at its end
	section string // where assignments go
}

// lookup gives the value of a name that is no function of the configuration's.
func (f *file) lookup(c *lua.Call) []lua.Value {
	name, _ := c.Arg(2).(string)
	if variable, ok := strings.CutPrefix(name, "ENV_"); ok {
		return []lua.Value{f.variable(variable)}
	}
	known := f.Globals().Get(c.Arg(2))
	if f.edition == before13 {
		return []lua.Value{known}
	}
	if name == "Lua" {
		return []lua.Value{f.Globals()}
	}
	option := f.sections[f.section].Get(c.Arg(2))
	switch option.(type) {
	case nil:
		return []lua.Value{known}
	case *lua.Table:
		c.Allocate(2048)
		return []lua.Value{f.proxy(f.section, name)}
	}
	return []lua.Value{option}
}

func (e *evaluation) variable(name string) lua.Value {
	if value, set := e.around.LookupEnv(name); set {
		return value
	}
	e.unset[name] = true
	return nil
}

// name returns the domain that a section is called by.
func (f *file) name(c *lua.Call, kind string) string {
	if !isTrue(c.Arg(1)) {
		c.Raise("%s must have a name", kind)
	}
	name, ok := nameprep(c.Text(1))
	if !ok {
		c.Raise("the name of this %s contains characters that no domain has", kind)
	}
	return name
}

func isTrue(v lua.Value) bool { return v != nil && v != false }

// begin makes a section the one where assignments go.
func (f *file) begin(c *lua.Call, name string) *lua.Table {
	options := f.sections[name]
	if options == nil {
		c.Allocate(1024)
		options = lua.NewTable()
		f.sections[name] = options
		f.order = append(f.order, name)
	}
	f.section = name
	return options
}

// virtualHost is VirtualHost "name", perhaps with { options } behind, after
// which the global section goes on.
func (f *file) virtualHost(c *lua.Call) []lua.Value {
	name := f.name(c, "Host")
	if known := f.sections[name]; known != nil && isTrue(known.Get("component_module")) {
		c.Raise("the VirtualHost has the name of a Component further up")
	}
	options := f.begin(c, name)
	options.Set("defined", true)
	return []lua.Value{lua.NewFunction("VirtualHost", func(c *lua.Call) []lua.Value {
		f.section = global
		switch given := c.Arg(1).(type) {
		case string:
			c.Raise("VirtualHost entries do not accept a module name")
		case *lua.Table:
			f.copyOptions(c, name, given)
		default:
			c.Raise("options expected behind VirtualHost, got a %s", lua.TypeOf(given))
		}
		return nil
	})}
}

func (f *file) copyOptions(c *lua.Call, section string, given *lua.Table) {
	for key, value, _ := given.Next(nil); key != nil; key, value, _ = given.Next(key) {
		f.set(c, section, key, value)
	}
}

// set gives an option a value.
func (f *file) set(c *lua.Call, section string, key, value lua.Value) {
	if f.sections[section].Get(key) == nil {
		c.Allocate(320)
	}
	f.sections[section].Set(key, value)
	if option, ok := key.(string); ok {
		f.places[Place{section, option}] = c.At
	}
}

// component is Component "name" "module" { options }, the latter two as wanted.
func (f *file) component(c *lua.Call) []lua.Value {
	name := f.name(c, "Component")
	if known := f.sections[name]; known != nil && isTrue(known.Get("defined")) && !isTrue(known.Get("component_module")) {
		c.Raise("the Component has the name of a VirtualHost further up")
	}
	options := f.begin(c, name)
	options.Set("component_module", "component")
	options.Set("load_global_modules", false)
	takeOptions := lua.NewFunction("Component", func(c *lua.Call) []lua.Value {
		f.section = global
		f.copyOptions(c, name, c.Table(1))
		return nil
	})
	return []lua.Value{lua.NewFunction("Component", func(c *lua.Call) []lua.Value {
		if module, ok := c.Arg(1).(string); ok {
			options.Set("component_module", module)
			return []lua.Value{takeOptions}
		}
		return c.Call(takeOptions, c.Args...)
	})}
}

// include evaluates further files: one, or all that a pattern matches.
func (f *file) include(c *lua.Call) []lua.Value {
	name := c.Text(1)
	if !strings.ContainsAny(name, "*?") {
		f.includeFile(c, resolve(f.folder, name))
		return nil
	}
	at := strings.LastIndexByte(name, '/') + 1
	if at == len(name) {
		c.Raise("Include of a pattern that ends in a slash")
	}
	folder := f.folder
	if at > 1 {
		folder = resolve(f.folder, name[:at-1])
	}
	paths, err := matching(strings.TrimRight(folder, "/"), name[at:])
	if errors.Is(err, errMissing) {
		c.Raise("the folder %s does not exist", strings.TrimRight(folder, "/"))
	}
	if err != nil {
		c.Refuse("%s", err)
	}
	for _, path := range paths {
		f.includeFile(c, path)
	}
	return nil
}

func (f *file) includeFile(c *lua.Call, path string) {
	content := f.read(c, path)
	if f.files++; f.files > maxFiles {
		c.Refuse("more than %d files are included", maxFiles)
	}
	if f.depth++; f.depth > maxIncludes {
		c.Refuse("the files include one another without end")
	}
	c.Run(path, content, f.environment(path))
	f.depth--
}

// read returns the content of a file. One that is missing is an error of the
// program; what else is wrong ends the reading.
func (e *evaluation) read(c *lua.Call, path string) string {
	content, err := readFile(path)
	if errors.Is(err, errMissing) {
		c.Raise("the file %s does not exist", path)
	}
	if err != nil {
		c.Refuse("%s", err)
	}
	c.Allocate(len(content))
	return content
}

// runScript runs a file outside of the configuration: what it assigns are
// variables, not options.
func (f *file) runScript(c *lua.Call) []lua.Value {
	path := resolve(f.folder, c.Text(1))
	return c.Run(path, f.read(c, path), f.Globals())
}

// addReaders adds the functions of Prosody 13 that read files. Secrets are often
// outside of the configuration's folder.
func (f *file) addReaders(env *lua.Table) {
	reader := func(name, mode string) {
		env.Set(name, lua.NewFunction(name, func(c *lua.Call) []lua.Value {
			content := f.read(c, resolve(f.folder, c.Text(1)))
			part := (&openFile{rest: content}).read(c, c.OptText(2, mode))
			if part == nil {
				c.Raise("there is nothing in the file")
			}
			return []lua.Value{part}
		}))
	}
	reader("FileContents", "a")
	reader("FileLine", "l")
	env.Set("FileLines", lua.NewFunction("FileLines", func(c *lua.Call) []lua.Value {
		opened := &openFile{rest: f.read(c, resolve(f.folder, c.Text(1)))}
		lines := lua.NewTable()
		for {
			line := opened.read(c, "l")
			if line == nil {
				return []lua.Value{lines}
			}
			c.Allocate(160)
			lines.Set(lines.Len()+1, line)
		}
	}))
	env.Set("Credential", lua.NewFunction("Credential", func(c *lua.Call) []lua.Value {
		folder, set := f.around.LookupEnv("CREDENTIALS_DIRECTORY")
		name := c.Text(1)
		if !set || folder == "" || name == "" || name == ".." || strings.ContainsRune(name, '/') {
			c.Refuse("Credential needs the environment variable CREDENTIALS_DIRECTORY, as systemd sets it for Prosody (LoadCredential= in the exporter's unit), and the name of a file in it")
		}
		return []lua.Value{f.read(c, folder+"/"+name)}
	}))
}
