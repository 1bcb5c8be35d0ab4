// Package luaconfig evaluates Prosody's configuration file, which is a program
// in Lua, as Prosody's core/configmanager.lua does, of 0.12 and of 13. The
// program gets Lua's pure library and may read files; it writes nothing, runs
// nothing and connects to nothing. Its steps and its memory are limited.
package luaconfig

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"active_users_exporter/collector/prosody/lua"
)

// Config is what a configuration file says.
type Config struct {
	// Global are the options of the global section.
	Global map[string]any
	// Hosts are the virtual hosts, in the order of the file; disabled ones too.
	Hosts []Section
	// Components are the components, the same.
	Components []Section
	// Older is what Prosody 0.12 and before read from the same file, if that is
	// something else: they do not give back options that are used as variables.
	Older *Config
	// Unset are the names of environment variables that were asked for and are
	// not set, sorted. Prosody's environment may have them.
	Unset []string
	// Places say where options were given, the last time, as FILE:LINE:COLUMN.
	Places map[Place]string
}

// Place is an option of a section, "*" for the global one.
type Place struct{ Section, Option string }

// Section is a virtual host or component with its own options.
type Section struct {
	// Name is the domain as Prosody uses it: in small letters and normal form.
	Name string
	// Module is that of a component: "component" for an external one.
	Module  string
	Options map[string]any
}

// Values are strings, int64, float64, bool, Table or Opaque.

// A Table is a table of Lua's: what it holds under 1, 2, 3 … up to the first that is
// missing, and what it holds under names.
type Table struct {
	List   []any
	Fields map[string]any
}

// Opaque is a value that no option of ours can be: "function", or what else it
// is. A table in which it lies itself, or which lies in more than a hundred others,
// is "table".
type Opaque string

// Surroundings are what a configuration sees of the machine and the process.
type Surroundings struct {
	// LookupEnv gives the values of ENV_NAME and of os.getenv.
	LookupEnv func(string) (string, bool)
	// Now is the clock of os.time and os.date.
	Now func() time.Time
	// Hostname is what util.pposix.uname gives as nodename.
	Hostname func() (string, error)
}

const (
	maxSteps    = 2_000_000
	maxMemory   = 64 << 20 // bytes, in sum
	maxSize     = 1 << 20  // of a file, in bytes
	maxFiles    = 10_000   // that are included
	maxIncludes = 50       // within one another
	maxNesting  = 100      // of tables
)

// edition is the way in which Prosody of certain versions reads.
type edition int

const (
	before13 edition = iota
	from13
)

// Read evaluates the file at path. An error names file, line and column, and
// quotes no value of the program.
func Read(path string, around Surroundings) (*Config, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	newer, err := read(path, around, from13)
	older, olderErr := read(path, around, before13)
	if err == nil {
		if olderErr == nil && !reflect.DeepEqual(newer, older) {
			newer.Older = older
		}
		return newer, nil
	}
	if refusal := (*lua.RefusalError)(nil); olderErr != nil || errors.As(err, &refusal) {
		return nil, err
	}
	return older, nil
}

func read(path string, around Surroundings, edition edition) (*Config, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, err
	}
	e := newEvaluation(around, edition, filepath.Dir(path))
	// A first line for the shell is allowed.
	if len(content) > 1 && content[:2] == "#!" {
		content = "--" + content
	}
	chunk, err := e.Load(path, content, e.environment(path))
	if err != nil {
		return nil, err
	}
	if _, err := e.Run(chunk); err != nil {
		return nil, err
	}
	c := e.result()
	c.Unset = slices.Sorted(maps.Keys(e.unset))
	c.Places = make(map[Place]string, len(e.places))
	for place, at := range e.places {
		c.Places[place] = at.String()
	}
	return c, nil
}

// result converts what was collected.
func (e *evaluation) result() *Config {
	convert := converter{tables: make(map[*lua.Table]*Table), proxies: e.proxies}
	c := &Config{Global: convert.options(e.sections[global])}
	for _, name := range e.order {
		options := e.sections[name]
		s := Section{Name: name, Options: convert.options(options)}
		module, component := options.Get("component_module").(string)
		for _, own := range []string{"defined", "component_module", "load_global_modules"} {
			delete(s.Options, own)
		}
		if component {
			s.Module = module
			c.Components = append(c.Components, s)
		} else {
			c.Hosts = append(c.Hosts, s)
		}
	}
	return c
}

// converter turns values of Lua's into ours.
type converter struct {
	tables  map[*lua.Table]*Table // nil while it is being converted
	proxies map[*lua.Table]bool
	depth   int
}

func (c *converter) options(t *lua.Table) map[string]any {
	options := make(map[string]any)
	for key, value, _ := t.Next(nil); key != nil; key, value, _ = t.Next(key) {
		if name, ok := key.(string); ok {
			options[name] = c.value(value)
		}
	}
	return options
}

func (c *converter) value(v lua.Value) any {
	switch v := v.(type) {
	case string, int64, float64, bool:
		return v
	case *lua.Table:
		if c.proxies[v] {
			return Opaque("option")
		}
		if c.depth == maxNesting {
			return Opaque("table")
		}
		return c.table(v)
	}
	return Opaque(lua.TypeOf(v))
}

func (c *converter) table(t *lua.Table) any {
	if made, known := c.tables[t]; known {
		if made == nil {
			return Opaque("table")
		}
		return *made
	}
	c.tables[t] = nil
	c.depth++
	defer func() { c.depth-- }()
	made := Table{}
	for i := int64(1); t.Get(i) != nil; i++ {
		made.List = append(made.List, c.value(t.Get(i)))
	}
	if fields := c.options(t); len(fields) > 0 {
		made.Fields = fields
	}
	c.tables[t] = &made
	return made
}

// fileError says why a file cannot be read, and what to do.
func fileError(path string, reason string) error {
	return fmt.Errorf("%s: %s", path, reason)
}
