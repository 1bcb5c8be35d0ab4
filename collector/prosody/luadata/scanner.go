package luadata

import "errors"

// scanner goes through a file once, from front to back.
type scanner struct {
	data  []byte
	at    int // offset of the next byte
	line  int
	visit func([]Value, Value)

	path    []Value
	pathMem [8]Value
	muted   int // how many of the tables around are keys or stand under such keys
	scratch []byte
}

var (
	errNoReturn  = errors.New(`no "return" of a value`)
	errNotData   = errors.New("not a literal: only data is read, nothing is run")
	errUnclosed  = errors.New("the file ends in the middle")
	errTrailing  = errors.New("something follows the returned value")
	errSeparator = errors.New("no , or ; between the entries of a table")
	errTooDeep   = errors.New("tables are nested too deep")
	errKey       = errors.New("a key is nil, or no = follows it")
)

// file reads: return VALUE [;]
func (s *scanner) file() error {
	s.path = s.pathMem[:0]
	s.skipShebang()
	if err := s.space(); err != nil {
		return err
	}
	if string(s.name()) != "return" {
		return errNoReturn
	}
	if err := s.value(true); err != nil {
		return err
	}
	if err := s.space(); err != nil {
		return err
	}
	if s.peek() == ';' {
		s.at++
	}
	if err := s.space(); err != nil {
		return err
	}
	if s.at < len(s.data) {
		return errTrailing
	}
	return nil
}

// value reads one value and visits it, or what is in it.
func (s *scanner) value(visited bool) error {
	if err := s.space(); err != nil {
		return err
	}
	if s.peek() == '{' {
		return s.table(visited)
	}
	v, err := s.literal()
	if err == nil && visited && s.muted == 0 {
		s.visit(s.path, v)
	}
	return err
}

// table reads: { [ENTRY {SEPARATOR ENTRY} [SEPARATOR]] }
func (s *scanner) table(visited bool) error {
	if len(s.path)+s.muted >= maxDepth {
		return errTooDeep
	}
	s.at++ // {
	if !visited {
		s.muted++
		defer func() { s.muted-- }()
	}
	for next, entries := int64(1), 0; ; entries++ {
		if err := s.space(); err != nil {
			return err
		}
		if s.peek() == '}' {
			s.at++
			if entries == 0 && s.muted == 0 {
				s.visit(s.path, Value{Kind: EmptyTable})
			}
			return nil
		}
		if err := s.entry(&next); err != nil {
			return err
		}
		if err := s.space(); err != nil {
			return err
		}
		switch s.peek() {
		case ',', ';':
			s.at++
		case '}':
		default:
			return s.or(errSeparator)
		}
	}
}

// entry reads: [KEY] = VALUE, NAME = VALUE, or VALUE, whose key is next.
func (s *scanner) entry(next *int64) error {
	key, keyed := s.nameKey()
	visited := true
	if s.peek() == '[' && !keyed && !s.longBracketAhead() {
		var err error
		if key, visited, err = s.bracketKey(); err != nil {
			return err
		}
		keyed = true
	}
	if keyed {
		if err := s.space(); err != nil {
			return err
		}
		if s.peek() != '=' {
			return s.or(errKey)
		}
		s.at++
	} else {
		key = Value{Kind: Integer, Integer: *next}
		*next++
	}
	// The key's text may lie in the scratch buffer, which the value may need.
	if len(s.scratch) > 0 && key.Kind == String {
		key.Text = append([]byte(nil), key.Text...)
	}
	s.path = append(s.path, key)
	err := s.entryValue(visited)
	s.path = s.path[:len(s.path)-1]
	return err
}

// entryValue reads the value of an entry; under a key that is a table it is
// not visited, and neither is what is in it.
func (s *scanner) entryValue(visited bool) error {
	if !visited {
		s.muted++
		defer func() { s.muted-- }()
	}
	return s.value(true)
}

// bracketKey reads [KEY]. visited is false for a key that is a table.
func (s *scanner) bracketKey() (key Value, visited bool, err error) {
	s.at++ // [
	if err := s.space(); err != nil {
		return key, false, err
	}
	if s.peek() == '{' {
		err = s.value(false)
	} else {
		visited = true
		if key, err = s.literal(); err == nil && key.Kind == Nil {
			err = errKey
		}
	}
	if err != nil {
		return key, false, err
	}
	if err := s.space(); err != nil {
		return key, false, err
	}
	if s.peek() != ']' {
		return key, false, s.or(errKey)
	}
	s.at++
	return key, visited, nil
}

// nameKey reads NAME where = follows it; else it reads nothing.
func (s *scanner) nameKey() (key Value, ok bool) {
	at, line := s.at, s.line
	name := s.name()
	if len(name) == 0 || reserved(name) || s.space() != nil || s.peek() != '=' {
		s.at, s.line = at, line
		return key, false
	}
	return Value{Kind: String, Text: name}, true
}

// or returns err, or that the file ends here.
func (s *scanner) or(err error) error {
	if s.at >= len(s.data) {
		return errUnclosed
	}
	return err
}

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte { return s.peekAt(0) }

func (s *scanner) peekAt(offset int) byte {
	if s.at+offset < len(s.data) {
		return s.data[s.at+offset]
	}
	return 0
}
