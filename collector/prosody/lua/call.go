package lua

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// A Call is a call of a function that is written in Go.
type Call struct {
	*Interpreter
	Args []Value
	// At is where the program calls it.
	At   Position
	name string
}

// Arg returns an argument, from 1 on; nil if it was not given.
func (c *Call) Arg(i int) Value {
	if i <= len(c.Args) {
		return c.Args[i-1]
	}
	return nil
}

// Raise raises an error at the place of the call, which pcall catches. The
// text must not quote a value.
func (c *Call) Raise(format string, args ...any) { c.raise(c.At, format, args...) }

// Refuse ends the program for a reason that it cannot catch.
func (c *Call) Refuse(format string, args ...any) {
	panic(&RefusalError{c.At, fmt.Sprintf(format, args...)})
}

// Call calls a value.
func (c *Call) Call(f Value, args ...Value) []Value { return c.call(f, args, c.inside()) }

// inside is the place of what the function itself does.
func (c *Call) inside() Position {
	at := c.At
	at.native = true
	return at
}

// Run loads a program and calls it.
func (c *Call) Run(chunk, source string, env Value) []Value {
	return c.call(c.load(chunk, source, env), nil, c.inside())
}

// Compile reads a program, as the function load does. A program that is too large
// ends the one that calls.
func (c *Call) Compile(chunk, source string, env Value) (*Function, *Error) {
	f, err := c.Load(chunk, source, env)
	if failure, ok := errors.AsType[*Error](err); ok {
		return nil, failure
	}
	if err != nil {
		panic(err)
	}
	return f, nil
}

// Allocate counts memory that a function takes.
func (c *Call) Allocate(bytes int) { c.allocate(c.At, bytes) }

// BadArg raises the error of an argument that does not fit.
func (c *Call) BadArg(i int, text string) {
	name := c.name
	if !c.At.native {
		name = lastPart(name)
	}
	c.Raise("bad argument #%d to '%s' (%s)", i, name, text)
}

func lastPart(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func (c *Call) wrongType(i int, expected string) {
	found := "no value"
	if i <= len(c.Args) {
		found = c.typeName(c.Args[i-1])
	}
	c.BadArg(i, expected+" expected, got "+found)
}

// Any demands an argument.
func (c *Call) Any(i int) Value {
	if i > len(c.Args) {
		c.BadArg(i, "value expected")
	}
	return c.Arg(i)
}

// Text returns an argument that is a string, or a number.
func (c *Call) Text(i int) string {
	text, ok := concatenable(c.Arg(i))
	if !ok {
		c.wrongType(i, "string")
	}
	return text
}

// OptText is Text with what is returned for nil.
func (c *Call) OptText(i int, otherwise string) string {
	if c.Arg(i) == nil {
		return otherwise
	}
	return c.Text(i)
}

// Int returns an argument that is an integer, or can be converted to one.
func (c *Call) Int(i int) int64 {
	v := c.Arg(i)
	n, ok := integer(v)
	if !ok {
		if _, isNumber := float(v); isNumber {
			c.BadArg(i, "number has no integer representation")
		}
		c.wrongType(i, "number")
	}
	return n
}

// OptInt is Int with what is returned for nil.
func (c *Call) OptInt(i int, otherwise int64) int64 {
	if c.Arg(i) == nil {
		return otherwise
	}
	return c.Int(i)
}

// Float returns an argument that is a number, or can be converted to one.
func (c *Call) Float(i int) float64 {
	f, ok := float(c.Arg(i))
	if !ok {
		c.wrongType(i, "number")
	}
	return f
}

// Number returns an argument that is a number as integer or float. What is
// converted from a text is a float, as in Lua's own library.
func (c *Call) Number(i int) Value {
	if n, ok := c.Arg(i).(int64); ok {
		return n
	}
	return c.Float(i)
}

// Table returns an argument that is a table.
func (c *Call) Table(i int) *Table {
	t, ok := c.Arg(i).(*Table)
	if !ok {
		c.wrongType(i, "table")
	}
	return t
}

// tableLength returns the length of a table, with metamethods.
func (c *Call) tableLength(t *Table) int64 {
	n, ok := c.length(t, c.inside(), nothing).(int64)
	if !ok {
		c.Raise("object length is not an integer")
	}
	return n
}

// size returns a count as int, bounded so that sums do not overflow.
func size(n int64) int { return int(max(math.MinInt32, min(n, math.MaxInt32))) }

func (c *Call) get(v Value, key Value) Value { return c.index(v, key, c.inside(), nothing) }

func (c *Call) set(v Value, key, value Value) { c.setIndex(v, key, value, c.inside(), nothing) }

// Tostring is the function of that name.
func (in *Interpreter) tostring(v Value, at Position) string {
	if handler := in.metamethod(v, "__tostring"); handler != nil {
		text, ok := in.first(handler, at, v).(string)
		if !ok {
			in.raise(at, "'__tostring' must return a string")
		}
		return text
	}
	return plainText(v)
}
