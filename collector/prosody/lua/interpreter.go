// Package lua interprets programs in Lua 5.4, the language of Prosody's
// configuration file, within limits: a number of steps, an amount of memory, a
// depth of calls. What a program could do to the machine is not there, and is
// refused with a reason; the caller gives the program what it may use.
//
// It is a tree-walking interpreter, made for small programs that run once. It
// has no coroutines, no debug library, no weak tables and no finalizers.
// Values, their text and the errors of operations are those of Lua 5.4, which
// the tests ask.
package lua

import (
	"errors"
	"fmt"
)

// Position is a place in a program. Lines and columns (of bytes) begin at 1.
type Position struct {
	Chunk        string
	Line, Column int
	// native: within a function that is written in Go, whose own errors have no
	// place in the program.
	native bool
}

// String returns CHUNK:LINE:COLUMN.
func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.Chunk, p.Line, p.Column) }

// prefix is how Lua puts a place in front of a message.
func (p Position) prefix() string {
	if p.native || p.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d: ", p.Chunk, p.Line)
}

// An Error is what ended a program: a mistake in its text, an operation that
// failed, or an error that the program itself raised.
type Error struct {
	Position Position
	// Reason says what went wrong without quoting a value that the program
	// computed. For an error that the program raised it is empty, unless its
	// message stands in the program as it is.
	Reason string
	// Value is the value of Lua's that pcall returns.
	Value Value
	// Syntax: the program could not be read.
	Syntax bool
}

// Error implements error. It does not print Value, which may be a secret.
func (e *Error) Error() string {
	if e.Reason == "" {
		return e.Position.String() + ": the program raises an error of its own"
	}
	return e.Position.String() + ": " + e.Reason
}

// A RefusalError is an end that the program cannot catch: a limit was reached, or
// it asked for something that it may not have.
type RefusalError struct {
	Position Position
	Reason   string
}

// Error implements error.
func (r *RefusalError) Error() string { return r.Position.String() + ": " + r.Reason }

// Limits bound what a program may use.
type Limits struct {
	// Steps are statements, calls, and characters that patterns look at.
	Steps int
	// Memory is the sum of all that is ever allocated, in bytes.
	Memory int
}

const (
	tokenSize  = 96   // bytes that a token takes once it is read, about
	maxCalls   = 1000 // calls within one another
	maxNesting = 200  // of what is written, as in Lua
)

// Interpreter runs programs. It is not safe for concurrent use.
type Interpreter struct {
	left    Limits
	calls   []Position // where the calls under way are
	globals *Table
	strings *Table // the metatable of strings
}

// New returns an interpreter with the basic functions and the libraries string,
// table, math and utf8 in its globals.
func New(limits Limits) *Interpreter {
	in := &Interpreter{left: limits, globals: NewTable()}
	in.globals.Set("_G", in.globals)
	in.globals.Set("_VERSION", "Lua 5.4")
	addAll(in.globals, baseFunctions())
	library := in.addLibrary("string", stringFunctions())
	in.strings = NewTable()
	in.strings.Set("__index", library)
	in.addLibrary("table", tableFunctions())
	addMath(in.addLibrary("math", mathFunctions()))
	addUTF8(in.addLibrary("utf8", utf8Functions()))
	return in
}

// Globals returns the table _G.
func (in *Interpreter) Globals() *Table { return in.globals }

func (in *Interpreter) addLibrary(name string, functions []*Function) *Table {
	library := NewTable()
	addAll(library, functions)
	in.globals.Set(name, library)
	return library
}

// addAll adds functions under the last part of their names.
func addAll(library *Table, functions []*Function) {
	for _, f := range functions {
		library.Set(lastPart(f.name), f)
	}
}

// Load reads a program whose global variables are in env. Errors are *Error, or
// *RefusalError if it is too large, and name chunk as the place.
func (in *Interpreter) Load(chunk, source string, env Value) (f *Function, err error) {
	defer recovered(&err)
	return in.load(chunk, source, env), nil
}

func (in *Interpreter) load(chunk, source string, env Value) *Function {
	code, tokens := parse(chunk, source, in.left.Memory/tokenSize)
	in.left.Memory -= tokens * tokenSize
	return &Function{name: "main chunk", code: code, upvalues: []*cell{{value: env}}}
}

// Run calls a function. Errors are *Error or *RefusalError.
func (in *Interpreter) Run(f *Function, args ...Value) (results []Value, err error) {
	depth := len(in.calls)
	defer func() { in.calls = in.calls[:depth] }()
	defer recovered(&err)
	return in.call(f, args, Position{}), nil
}

// recovered makes an error of a panic that is one of ours.
func recovered(err *error) {
	switch failure := recover().(type) {
	case nil:
	case *Error:
		*err = failure
	case *RefusalError:
		*err = failure
	default:
		panic(failure)
	}
}

// step counts steps.
func (in *Interpreter) step(at Position, n int) {
	if in.left.Steps -= n; in.left.Steps < 0 {
		panic(&RefusalError{at, "the program does not come to an end: it takes too many steps"})
	}
}

// allocate counts memory before it is taken.
func (in *Interpreter) allocate(at Position, bytes int) {
	if in.left.Memory -= bytes; in.left.Memory < 0 || bytes < 0 {
		in.left.Memory = -1
		panic(&RefusalError{at, "the program takes too much memory"})
	}
}

// raise raises an error of an operation, as Lua words it. The text must not
// quote a value.
func (in *Interpreter) raise(at Position, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	panic(&Error{Position: at, Reason: text, Value: at.prefix() + text})
}

// call calls a value.
func (in *Interpreter) call(callee Value, args []Value, at Position) []Value {
	f, ok := callee.(*Function)
	for range maxNesting {
		if ok {
			break
		}
		handler := in.metamethod(callee, "__call")
		if handler == nil {
			in.raise(at, "attempt to call a %s value", in.typeName(callee))
		}
		args = append([]Value{callee}, args...)
		callee = handler
		f, ok = callee.(*Function)
	}
	if len(in.calls) >= maxCalls {
		panic(&RefusalError{at, fmt.Sprintf("more than %d calls lie in one another", maxCalls)})
	}
	in.step(at, 1)
	in.calls = append(in.calls, at)
	var results []Value
	if f.native != nil {
		results = f.native(&Call{Interpreter: in, Args: args, At: at, name: f.name})
	} else {
		results = f.code.run(in, f.upvalues, args)
	}
	in.calls = in.calls[:len(in.calls)-1]
	return results
}

// first calls a value and returns its first result.
func (in *Interpreter) first(callee Value, at Position, args ...Value) Value {
	if results := in.call(callee, args, at); len(results) > 0 {
		return results[0]
	}
	return nil
}

// protected calls a value and returns an error instead of raising it. Refusals
// are not caught.
func (in *Interpreter) protected(callee Value, args []Value, at Position) (results []Value, failure *Error) {
	depth := len(in.calls)
	defer func() {
		if caught := recover(); caught != nil {
			err, ok := caught.(error)
			if !ok || !errors.As(err, &failure) {
				panic(caught)
			}
			in.calls = in.calls[:depth]
		}
	}()
	return in.call(callee, args, at), nil
}

func (in *Interpreter) metatable(v Value) *Table {
	switch v := v.(type) {
	case *Table:
		return v.meta
	case *Object:
		return v.Meta
	case string:
		return in.strings
	}
	return nil
}

func (in *Interpreter) metamethod(v Value, event string) Value {
	if meta := in.metatable(v); meta != nil {
		return meta.Get(event)
	}
	return nil
}

// typeName is the name of a value's type in errors.
func (in *Interpreter) typeName(v Value) string {
	if name, ok := in.metamethod(v, "__name").(string); ok && v != nil {
		if _, text := v.(string); !text {
			return name
		}
	}
	return TypeOf(v)
}
