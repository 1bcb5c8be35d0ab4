package luadata

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"
)

var (
	errEscape   = errors.New("an escape in a string that Lua does not know")
	errLineEnd  = errors.New("a line ends within a string")
	errNoString = errors.New("a string does not end")
)

// quoted reads a string in quotes. Without escapes its text is part of the
// file; with escapes it is put together in the scratch buffer.
func (s *scanner) quoted() (Value, error) {
	quote := s.data[s.at]
	s.at++
	start := s.at
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case quote:
			s.at++
			return Value{Kind: String, Text: s.data[start : s.at-1]}, nil
		case '\n', '\r':
			return Value{}, errLineEnd
		case '\\':
			return s.escaped(quote, start)
		}
		s.at++
	}
	return Value{}, errNoString
}

// escaped reads on a string whose first escape is next.
func (s *scanner) escaped(quote byte, start int) (Value, error) {
	s.scratch = append(s.scratch[:0], s.data[start:s.at]...)
	for s.at < len(s.data) {
		switch c := s.data[s.at]; c {
		case quote:
			s.at++
			return Value{Kind: String, Text: s.scratch}, nil
		case '\n', '\r':
			return Value{}, errLineEnd
		case '\\':
			s.at++
			if err := s.escape(); err != nil {
				return Value{}, err
			}
		default:
			s.scratch = append(s.scratch, c)
			s.at++
		}
	}
	return Value{}, errNoString
}

// escape reads what follows a backslash.
func (s *scanner) escape() error {
	c := s.peek()
	switch c {
	case 'x', 'u', 'z':
		s.at++
		return s.longEscape(c)
	case '\r', '\n':
		s.newline()
		s.scratch = append(s.scratch, '\n')
		return nil
	}
	if isDigit(c) {
		return s.decimalEscape()
	}
	const letters, meanings = "abfnrtv\\\"'", "\a\b\f\n\r\t\v\\\"'"
	i := strings.IndexByte(letters, c)
	if i < 0 || s.at >= len(s.data) {
		return s.or(errEscape)
	}
	s.scratch = append(s.scratch, meanings[i])
	s.at++
	return nil
}

// decimalEscape reads \d, \dd or \ddd.
func (s *scanner) decimalEscape() error {
	n := 0
	for range 3 {
		if !isDigit(s.peek()) {
			break
		}
		n = n*10 + int(s.peek()-'0')
		s.at++
	}
	if n > 255 {
		return errEscape
	}
	s.scratch = append(s.scratch, byte(n))
	return nil
}

// longEscape reads \xXX, \u{X…} and \z.
func (s *scanner) longEscape(kind byte) error {
	switch kind {
	case 'x':
		high, ok1 := hexDigit(s.peek())
		low, ok2 := hexDigit(s.peekAt(1))
		if !ok1 || !ok2 {
			return errEscape
		}
		s.at += 2
		s.scratch = append(s.scratch, high<<4|low)
		return nil
	case 'u':
		return s.runeEscape()
	}
	for s.at < len(s.data) { // \z skips white space
		switch s.data[s.at] {
		case '\r', '\n':
			s.newline()
		case ' ', '\t', '\v', '\f':
			s.at++
		default:
			return nil
		}
	}
	return errNoString
}

// runeEscape reads {X…} of \u{X…}.
func (s *scanner) runeEscape() error {
	if s.peek() != '{' {
		return errEscape
	}
	s.at++
	var r rune
	digits := 0
	for ; ; digits++ {
		d, ok := hexDigit(s.peek())
		if !ok {
			break
		}
		if r = r<<4 | rune(d); r > utf8.MaxRune {
			return errEscape
		}
		s.at++
	}
	if digits == 0 || s.peek() != '}' {
		return errEscape
	}
	s.at++
	s.scratch = utf8.AppendRune(s.scratch, r)
	return nil
}

// newline skips one line end, which may be of two bytes.
func (s *scanner) newline() {
	c := s.data[s.at]
	s.at++
	if next := s.peek(); (next == '\n' || next == '\r') && next != c {
		s.at++
	}
	s.line++
}

// longBracketAhead says whether [[ or [=[ and so on is next.
func (s *scanner) longBracketAhead() bool {
	if s.peek() != '[' {
		return false
	}
	i := 1
	for s.peekAt(i) == '=' {
		i++
	}
	return s.peekAt(i) == '['
}

// longString reads [[…]] or [=[…]=], whose opening is next.
func (s *scanner) longString() ([]byte, error) {
	level := bytes.IndexByte(s.data[s.at+1:], '[')
	s.at += level + 2
	if c := s.peek(); c == '\r' || c == '\n' {
		s.newline() // the first line end is no part of the text
	}
	closing := append(append([]byte{']'}, bytes.Repeat([]byte{'='}, level)...), ']')
	end := bytes.Index(s.data[s.at:], closing)
	if end < 0 {
		return nil, errNoString
	}
	text := s.data[s.at : s.at+end]
	s.line += bytes.Count(text, []byte{'\n'})
	s.at += end + len(closing)
	return text, nil
}
