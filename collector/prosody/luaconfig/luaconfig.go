// Package luaconfig evaluates Prosody's configuration file, which is a program
// in Lua, in a sandbox: no libraries, a limited number of steps and amount of
// memory, and no files but those below the folder of the configuration.
package luaconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// Config is what a configuration file says.
type Config struct {
	// Global are the options of the global section.
	Global map[string]any
	// Hosts are the virtual hosts, in the order of the file.
	Hosts []Section
	// Components are the components, the same.
	Components []Section
}

// Section is a virtual host or component with its own options.
type Section struct {
	Name    string
	Options map[string]any
}

const (
	maxSteps   = 1_000_000
	maxMemory  = 64 << 20 // bytes, above what the process had before
	maxSize    = 1 << 20  // of a file, in bytes
	maxInclude = 100      // files
	maxNesting = 20       // of tables
)

// Values are strings, float64, bool, or Table.

// A Table is a table of Lua's: what it holds under 1, 2, 3 … and the rest.
type Table struct {
	List   []any
	Fields map[string]any
}

// evaluation is the reading of one configuration.
type evaluation struct {
	*lua.LState
	folder    string
	lookupEnv func(string) (string, bool)
	config    Config
	section   map[string]any // where assignments go
	included  int
	chunks    []string // files under way
}

// Read evaluates the file at path as Prosody does (util.configmanager of 0.12
// and 13). lookupEnv gives the values of ENV_NAME and of os.getenv. An error
// names file and line, and quotes nothing.
func Read(path string, lookupEnv func(string) (string, bool)) (*Config, error) {
	e := &evaluation{
		LState:    lua.NewState(lua.Options{SkipOpenLibs: true, CallStackSize: 128, RegistrySize: 16 << 10}),
		folder:    filepath.Dir(path),
		lookupEnv: lookupEnv,
	}
	defer e.Close()
	e.config.Global = make(map[string]any)
	e.section = e.config.Global
	e.SetContext(newBudget())
	if err := e.run(path); err != nil {
		return nil, err
	}
	return &e.config, nil
}

// run evaluates one file.
func (e *evaluation) run(path string) error {
	content, err := readFile(path)
	if err != nil {
		return err
	}
	// A first line for the shell is allowed.
	if bytes.HasPrefix(content, []byte("#!")) {
		content = append([]byte("--"), content...)
	}
	chunk, err := parse.Parse(bytes.NewReader(content), path)
	if err != nil {
		if syntax, ok := errors.AsType[*parse.Error](err); ok {
			return fmt.Errorf("%s:%d: no valid Lua", path, syntax.Pos.Line)
		}
		return fmt.Errorf("%s: no valid Lua", path)
	}
	function, err := lua.Compile(chunk, path)
	if err != nil {
		return fmt.Errorf("%s: no valid Lua", path)
	}
	e.Push(e.NewFunctionFromProto(function))
	e.Get(-1).(*lua.LFunction).Env = e.environment()
	e.chunks = append(e.chunks, path)
	defer func() { e.chunks = e.chunks[:len(e.chunks)-1] }()
	if err := e.PCall(0, 0, nil); err != nil {
		return e.explain(path, err)
	}
	return nil
}

// explain makes an error of Lua's one that quotes no value: a password may be
// what could not be added.
func (e *evaluation) explain(path string, err error) error {
	if failed, ok := errors.AsType[*lua.ApiError](err); ok {
		text := failed.Object.String()
		for _, known := range []string{errSteps.Error(), errMemory.Error()} {
			if strings.Contains(text, known) {
				return fmt.Errorf("%s: %s", path, known)
			}
		}
		if place, rest, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(place, path+":") {
			if said, ok := strings.CutPrefix(rest, ours); ok {
				return fmt.Errorf("%s: %s", place, said)
			}
			return fmt.Errorf("%s: an error of Lua's", place)
		}
	}
	return fmt.Errorf("%s: an error of Lua's", path)
}

// ours begins the errors that this package raises, which may be shown.
const ours = "configuration: "

// raise raises an error in Lua.
func (e *evaluation) raise(format string, args ...any) {
	e.RaiseError("%s", ours+fmt.Sprintf(format, args...))
}

// environment is the table in which a file assigns its options.
func (e *evaluation) environment() *lua.LTable {
	environment := e.NewTable()
	functions := e.functions()
	e.SetMetatable(environment, e.SetFuncs(e.NewTable(), map[string]lua.LGFunction{
		"__newindex": func(*lua.LState) int {
			e.section[e.CheckString(2)] = e.value(e.Get(3), 0)
			return 0
		},
		"__index": func(*lua.LState) int {
			name := e.CheckString(2)
			if variable, ok := strings.CutPrefix(name, "ENV_"); ok {
				e.Push(e.variable(variable))
				return 1
			}
			if f, ok := functions[name]; ok {
				e.Push(f)
				return 1
			}
			e.Push(e.back(e.section[name]))
			return 1
		},
	}))
	return environment
}

func (e *evaluation) variable(name string) lua.LValue {
	if value, set := e.lookupEnv(name); set {
		return lua.LString(value)
	}
	return lua.LNil
}

// value turns a value of Lua's into one of ours.
func (e *evaluation) value(v lua.LValue, depth int) any {
	switch v := v.(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return float64(v)
	case lua.LBool:
		return bool(v)
	case *lua.LTable:
		if depth > maxNesting {
			e.raise("tables lie too deep in one another")
		}
		var t Table
		for i := 1; i <= v.Len(); i++ {
			t.List = append(t.List, e.value(v.RawGetInt(i), depth+1))
		}
		v.ForEach(func(key, value lua.LValue) {
			if name, ok := key.(lua.LString); ok {
				if t.Fields == nil {
					t.Fields = make(map[string]any)
				}
				t.Fields[string(name)] = e.value(value, depth+1)
			}
		})
		return t
	}
	return nil
}

// back is the way back, for options that are used again further down.
func (e *evaluation) back(v any) lua.LValue {
	switch v := v.(type) {
	case string:
		return lua.LString(v)
	case float64:
		return lua.LNumber(v)
	case bool:
		return lua.LBool(v)
	case Table:
		t := e.NewTable()
		for i, item := range v.List {
			t.RawSetInt(i+1, e.back(item))
		}
		for name, item := range v.Fields {
			t.RawSetString(name, e.back(item))
		}
		return t
	}
	return lua.LNil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSize {
		return nil, fmt.Errorf("%s: not a file, or larger than a configuration may be", path)
	}
	return os.ReadFile(path)
}

var (
	errSteps  = errors.New("the configuration does not come to an end")
	errMemory = errors.New("the configuration takes too much memory")
)

// budget is a context that ends after a number of steps: the interpreter asks
// for Done before each. Now and then it looks at the memory as well.
type budget struct {
	steps  int
	before uint64
	done   chan struct{}
	err    error
}

func newBudget() *budget { return &budget{before: heap(), done: make(chan struct{})} }

// Done implements context.Context.
func (b *budget) Done() <-chan struct{} {
	const look = 8 // a string can double at every third step
	b.steps++
	switch {
	case b.err != nil:
	case b.steps > maxSteps:
		b.err = errSteps
		close(b.done)
	case b.steps%look == 0 && heap() > b.before+maxMemory:
		b.err = errMemory
		close(b.done)
	}
	return b.done
}

// Err implements context.Context.
func (b *budget) Err() error { return b.err }

// Deadline implements context.Context.
func (b *budget) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (b *budget) Value(any) any { return nil }

var _ context.Context = (*budget)(nil)

// heap is the memory in use, in bytes.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return math.MaxUint64 / 2
	}
	return sample[0].Value.Uint64()
}
