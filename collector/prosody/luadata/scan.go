// Package luadata reads the files in which Prosody stores tables: Lua source
// of the form "return { … };". It reads data and runs nothing. What is not a
// literal (a call, a variable, arithmetic, a function) is an error, except for
// the three divisions by zero by which Lua writes infinities and NaN.
//
// The language is what util.serialization of Prosody 0.10 to 13 writes, and
// also the literals of Lua 5.1 to 5.4 that it does not write but its reader,
// which is Lua itself, accepts: files may come from migrators and editors.
package luadata

import "fmt"

// A Kind is the type of a Value.
type Kind uint8

// The kinds of value. A table is never a Value: its values are visited one by
// one, an empty one as EmptyTable.
const (
	Nil Kind = iota
	Bool
	Integer
	Float
	String
	EmptyTable
)

// A Value is a literal of a file, as a key or as a value.
type Value struct {
	Kind    Kind
	Bool    bool
	Integer int64
	Float   float64
	// Text is the content of a string, valid until the visit returns.
	Text []byte
}

// Number returns the value of an Integer or Float.
func (v Value) Number() (n float64, ok bool) {
	switch v.Kind {
	case Integer:
		return float64(v.Integer), true
	case Float:
		return v.Float, true
	default:
		return 0, false
	}
}

// Is says whether the value is the given string.
func (v Value) Is(text string) bool { return v.Kind == String && string(v.Text) == text }

// Limits, far above anything that Prosody writes for a user.
const (
	maxDepth = 100
	maxSize  = 8 << 20
)

// Scan reads a file and calls visit for each value in it that is no table
// (except empty ones), in the order of the file, with the keys that lead to
// it: none for a file that returns a single value. Entries without a key have
// the keys 1, 2, 3 and so on. Where a key is there twice both are visited; for
// Lua the later one counts. Values under a key that is itself a table are
// read but not visited.
//
// Scan allocates nothing for files as Prosody writes them. Its errors name the
// line and never repeat what is in the file. After an error, what has been
// visited must not be used: Lua refuses such a file as a whole.
func Scan(data []byte, visit func(path []Value, v Value)) error {
	if len(data) > maxSize {
		return fmt.Errorf("larger than %d bytes", maxSize)
	}
	s := scanner{data: data, line: 1, visit: visit}
	err := s.file()
	if err != nil {
		return fmt.Errorf("line %d: %w", s.line, err)
	}
	return nil
}
