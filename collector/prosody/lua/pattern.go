package lua

import "strings"

const (
	maxCaptures    = 32
	maxMatchDepth  = 200
	captureOpen    = -1
	capturePlace   = -2
	specialLetters = "^$*+?.([%-"
)

// matcher matches a pattern of Lua's, which is not a regular expression, as
// lstrlib.c of Lua 5.4 does. Every look at a character is a step, so a pattern
// that runs away ends.
type matcher struct {
	*Call
	text, pattern string
	captures      []matchCapture
	depth         int
	// lastEnd is where the last match of gsub ended, -1 before the first.
	lastEnd int
}

// matchCapture is a part of the text, still open or a mere place if length is
// negative.
type matchCapture struct{ start, length int }

// match matches the pattern from p on with the text from s on. It returns the
// end of the match, or -1.
func (m *matcher) match(s, p int) int {
	if m.depth++; m.depth > maxMatchDepth {
		m.Raise("pattern too complex")
	}
	defer func() { m.depth-- }()
	for p < len(m.pattern) {
		m.step(m.At, 1)
		switch m.pattern[p] {
		case '(':
			return m.open(s, p)
		case ')':
			return m.close(s, p+1)
		case '$':
			if p+1 == len(m.pattern) {
				if s == len(m.text) {
					return s
				}
				return -1
			}
		case '%':
			if end, next, ok := m.special(s, p); ok {
				if end < 0 {
					return -1
				}
				s, p = end, next
				continue
			}
		}
		end, next, finished := m.item(s, p)
		if finished {
			return end
		}
		s, p = end, next
	}
	return s
}

// open begins a capture.
func (m *matcher) open(s, p int) int {
	if len(m.captures) >= maxCaptures {
		m.Raise("too many captures")
	}
	length, next := captureOpen, p+1
	if next < len(m.pattern) && m.pattern[next] == ')' {
		length, next = capturePlace, next+1
	}
	m.captures = append(m.captures, matchCapture{s, length})
	known := len(m.captures) - 1
	end := m.match(s, next)
	if end < 0 {
		m.captures = m.captures[:known]
	}
	return end
}

// close ends the innermost capture that is open.
func (m *matcher) close(s, p int) int {
	for i := len(m.captures) - 1; i >= 0; i-- {
		if m.captures[i].length == captureOpen {
			m.captures[i].length = s - m.captures[i].start
			end := m.match(s, p)
			if end < 0 {
				m.captures[i].length = captureOpen
			}
			return end
		}
	}
	m.Raise("invalid pattern capture")
	return -1
}

// special matches %b, %f and %1; ok is false if it is none of them.
func (m *matcher) special(s, p int) (end, next int, ok bool) {
	if p+1 >= len(m.pattern) {
		return 0, 0, false // item raises the error
	}
	switch c := m.pattern[p+1]; {
	case c == 'b':
		return m.balanced(s, p+2), p + 4, true
	case c == 'f':
		return m.frontier(s, p+2)
	case digit(c):
		return m.reference(s, c), p + 2, true
	}
	return 0, 0, false
}

func (m *matcher) balanced(s, p int) int {
	if p+1 >= len(m.pattern) {
		m.Raise("malformed pattern (missing arguments to '%%b')")
	}
	if s >= len(m.text) || m.text[s] != m.pattern[p] {
		return -1
	}
	opens, closes, depth := m.pattern[p], m.pattern[p+1], 1
	for i := s + 1; i < len(m.text); i++ {
		m.step(m.At, 1)
		switch m.text[i] {
		case closes:
			if depth--; depth == 0 {
				return i + 1
			}
		case opens:
			depth++
		}
	}
	return -1
}

func (m *matcher) frontier(s, p int) (end, next int, ok bool) {
	if p >= len(m.pattern) || m.pattern[p] != '[' {
		m.Raise("missing '[' after '%%f' in pattern")
	}
	next = m.classEnd(p)
	var before, here byte
	if s > 0 {
		before = m.text[s-1]
	}
	if s < len(m.text) {
		here = m.text[s]
	}
	if m.inSet(before, p, next-1) || !m.inSet(here, p, next-1) {
		return -1, next, true
	}
	return s, next, true
}

func (m *matcher) reference(s int, c byte) int {
	i := int(c) - '1'
	if i < 0 || i >= len(m.captures) || m.captures[i].length == captureOpen {
		m.Raise("invalid capture index %%%d", i+1)
	}
	captured := m.text[m.captures[i].start:]
	if length := m.captures[i].length; length >= 0 {
		captured = captured[:length]
	} else {
		captured = ""
	}
	if !strings.HasPrefix(m.text[s:], captured) {
		return -1
	}
	return s + len(captured)
}

// item matches a single character with what may follow it: * + - ?. If finished,
// end is the end of the whole match.
func (m *matcher) item(s, p int) (end, next int, finished bool) {
	next = m.classEnd(p)
	var suffix byte
	if next < len(m.pattern) {
		suffix = m.pattern[next]
	}
	switch suffix {
	case '?':
		if m.single(s, p, next) {
			if end := m.match(s+1, next+1); end >= 0 {
				return end, 0, true
			}
		}
		return s, next + 1, false
	case '+':
		if !m.single(s, p, next) {
			return -1, 0, true
		}
		return m.longest(s+1, p, next), 0, true
	case '*':
		return m.longest(s, p, next), 0, true
	case '-':
		return m.shortest(s, p, next), 0, true
	}
	if !m.single(s, p, next) {
		return -1, 0, true
	}
	return s + 1, next, false
}

func (m *matcher) longest(s, p, next int) int {
	n := 0
	for m.single(s+n, p, next) {
		n++
	}
	for ; n >= 0; n-- {
		if end := m.match(s+n, next+1); end >= 0 {
			return end
		}
	}
	return -1
}

func (m *matcher) shortest(s, p, next int) int {
	for {
		if end := m.match(s, next+1); end >= 0 {
			return end
		}
		if !m.single(s, p, next) {
			return -1
		}
		s++
	}
}

// classEnd returns where the single character that begins at p ends.
func (m *matcher) classEnd(p int) int {
	c := m.pattern[p]
	p++
	switch c {
	case '%':
		if p >= len(m.pattern) {
			m.Raise("malformed pattern (ends with '%%')")
		}
		return p + 1
	case '[':
		if p < len(m.pattern) && m.pattern[p] == '^' {
			p++
		}
		for first := true; first || p >= len(m.pattern) || m.pattern[p] != ']'; first = false {
			if p >= len(m.pattern) {
				m.Raise("malformed pattern (missing ']')")
			}
			p++
			if m.pattern[p-1] == '%' {
				p++
			}
		}
		return p + 1
	}
	return p
}

// single says whether the character at s is the one that the pattern describes
// from p to next.
func (m *matcher) single(s, p, next int) bool {
	m.step(m.At, 1)
	if s >= len(m.text) {
		return false
	}
	c := m.text[s]
	switch m.pattern[p] {
	case '.':
		return true
	case '%':
		return inClass(c, m.pattern[p+1])
	case '[':
		return m.inSet(c, p, next-1)
	}
	return m.pattern[p] == c
}

// inSet says whether a character is in the set [ … ] from p to its last
// bracket.
func (m *matcher) inSet(c byte, p, last int) bool {
	found := true
	if p++; m.pattern[p] == '^' {
		found = false
		p++
	}
	for ; p < last; p++ {
		switch {
		case m.pattern[p] == '%':
			p++
			if inClass(c, m.pattern[p]) {
				return found
			}
		case p+2 < last && m.pattern[p+1] == '-':
			if m.pattern[p] <= c && c <= m.pattern[p+2] {
				return found
			}
			p += 2
		case m.pattern[p] == c:
			return found
		}
	}
	return !found
}

// captured returns a capture as a value; the whole match if there are none.
func (m *matcher) captured(i, start, end int) Value {
	if i >= len(m.captures) {
		if i > 0 {
			m.Raise("invalid capture index %%%d", i+1)
		}
		return m.text[start:end]
	}
	switch c := m.captures[i]; c.length {
	case captureOpen:
		m.Raise("unfinished capture")
		return nil
	case capturePlace:
		return int64(c.start) + 1
	default:
		return m.text[c.start : c.start+c.length]
	}
}

// all returns all captures, or the whole match if there are none.
func (m *matcher) all(start, end int) []Value {
	count := max(1, len(m.captures))
	values := make([]Value, count)
	for i := range values {
		values[i] = m.captured(i, start, end)
	}
	m.Allocate(16 * count)
	return values
}
