package lua

import "strings"

func stringFunctions() []*Function {
	return []*Function{
		NewFunction("string.byte", stringByte),
		NewFunction("string.char", func(c *Call) []Value {
			text := make([]byte, len(c.Args))
			for i := range c.Args {
				n := c.Int(i + 1)
				if n < 0 || n > 255 {
					c.BadArg(i+1, "value out of range")
				}
				text[i] = byte(n)
			}
			return []Value{string(text)}
		}),
		NewFunction("string.find", func(c *Call) []Value { return find(c, true) }),
		NewFunction("string.format", stringFormat),
		NewFunction("string.gmatch", stringGmatch),
		NewFunction("string.gsub", stringGsub),
		NewFunction("string.len", func(c *Call) []Value { return []Value{int64(len(c.Text(1)))} }),
		NewFunction("string.lower", func(c *Call) []Value { return []Value{mapASCII(c, 'A', 'Z', 'a'-'A')} }),
		NewFunction("string.match", func(c *Call) []Value { return find(c, false) }),
		NewFunction("string.rep", stringRep),
		NewFunction("string.reverse", func(c *Call) []Value {
			text := []byte(c.Text(1))
			c.Allocate(len(text))
			for i, j := 0, len(text)-1; i < j; i, j = i+1, j-1 {
				text[i], text[j] = text[j], text[i]
			}
			return []Value{string(text)}
		}),
		NewFunction("string.sub", func(c *Call) []Value {
			text := c.Text(1)
			from, to := span(len(text), c.Int(2), c.OptInt(3, -1))
			return []Value{text[from:to]}
		}),
		NewFunction("string.upper", func(c *Call) []Value { return []Value{mapASCII(c, 'a', 'z', 'A'-'a')} }),
	}
}

// mapASCII shifts the letters between two, as in the C locale.
func mapASCII(c *Call, from, to byte, by int) string {
	text := []byte(c.Text(1))
	c.Allocate(len(text))
	for i, b := range text {
		if b >= from && b <= to {
			text[i] = byte(int(b) + by)
		}
	}
	return string(text)
}

// span converts positions, from 1 on or from the end if negative, to the part
// of a text of that length. It is empty if they lie outside.
func span(length int, from, to int64) (int, int) {
	n := int64(length)
	if from < 0 {
		from = max(n+from+1, 1)
	}
	if to < 0 {
		to = n + to + 1
	}
	from, to = max(from, 1), min(to, n)
	if from > to {
		return 0, 0
	}
	return int(from - 1), int(to)
}

func stringByte(c *Call) []Value {
	text := c.Text(1)
	first := c.OptInt(2, 1)
	from, to := span(len(text), first, c.OptInt(3, first))
	c.Allocate(16 * (to - from))
	values := make([]Value, 0, to-from)
	for _, b := range []byte(text[from:to]) {
		values = append(values, int64(b))
	}
	return values
}

func stringRep(c *Call) []Value {
	text, n, separator := c.Text(1), c.Int(2), c.OptText(3, "")
	if n <= 0 {
		return []Value{""}
	}
	each := int64(len(text) + len(separator))
	if each > 0 && n > int64(c.left.Memory)/each+1 {
		c.Allocate(c.left.Memory + 1)
	}
	if each == 0 {
		return []Value{""}
	}
	c.Allocate(size(n * each))
	return []Value{strings.Repeat(text+separator, int(n-1)) + text}
}

// start returns where a search begins, from 0 on; ok is false behind the end.
func start(c *Call, length int, i int) (from int, ok bool) {
	init := c.OptInt(i, 1)
	n := int64(length)
	switch {
	case init < 0:
		init = max(n+init+1, 1)
	case init == 0:
		init = 1
	}
	if init > n+1 {
		return 0, false
	}
	return int(init - 1), true
}

// find is string.find and string.match.
func find(c *Call, positions bool) []Value {
	text, pattern := c.Text(1), c.Text(2)
	from, ok := start(c, len(text), 3)
	if !ok {
		return []Value{nil}
	}
	if positions && (truthy(c.Arg(4)) || !strings.ContainsAny(pattern, specialLetters)) {
		c.step(c.At, len(text)/64)
		at := strings.Index(text[from:], pattern)
		if at < 0 {
			return []Value{nil}
		}
		return []Value{int64(from+at) + 1, int64(from + at + len(pattern))}
	}
	m := &matcher{Call: c, text: text, pattern: pattern}
	s, end := m.search(from)
	switch {
	case end < 0:
		return []Value{nil}
	case !positions:
		return m.all(s, end)
	}
	values := []Value{int64(s) + 1, int64(end)}
	if len(m.captures) > 0 {
		values = append(values, m.all(s, end)...)
	}
	return values
}

// search returns the first match from a position on. The end is negative if
// there is none.
func (m *matcher) search(from int) (s, end int) {
	p := 0
	if strings.HasPrefix(m.pattern, "^") {
		p = 1
	}
	for s = from; s <= len(m.text); s++ {
		m.captures = m.captures[:0]
		if end = m.match(s, p); end >= 0 {
			return s, end
		}
		if p == 1 {
			break
		}
	}
	return s, -1
}

func stringGmatch(c *Call) []Value {
	text, pattern := c.Text(1), c.Text(2)
	from, ok := start(c, len(text), 3)
	if !ok {
		from = len(text) + 1
	}
	lastEnd := -1
	return []Value{NewFunction("gmatch_iterator", func(round *Call) []Value {
		m := &matcher{Call: round, text: text, pattern: pattern}
		for ; from <= len(text); from++ {
			m.captures = m.captures[:0]
			// Here ^ has no meaning of its own.
			if end := m.match(from, 0); end >= 0 && end != lastEnd {
				s := from
				from, lastEnd = end, end
				return m.all(s, end)
			}
		}
		return []Value{nil}
	})}
}

func stringGsub(c *Call) []Value {
	text, pattern := c.Text(1), c.Text(2)
	switch c.Arg(3).(type) {
	case string, int64, float64, *Table, *Function:
	default:
		c.wrongType(3, "string/function/table")
	}
	limit := c.OptInt(4, int64(len(text))+1)
	m := &matcher{Call: c, text: text, pattern: pattern, lastEnd: -1}
	p := 0
	if strings.HasPrefix(pattern, "^") {
		p = 1
	}
	var made strings.Builder
	s, count := 0, int64(0)
	for count < limit {
		m.captures = m.captures[:0]
		end := m.match(s, p)
		switch {
		case end >= 0 && (end > s || !m.emptyAgain(s, end)):
			count++
			m.replace(&made, s, end)
			s, m.lastEnd = end, end
		case s < len(text):
			made.WriteByte(text[s])
			s++
		default:
			s = len(text) + 1
		}
		if s > len(text) || p == 1 {
			break
		}
	}
	if s < len(text) {
		made.WriteString(text[s:])
	}
	c.Allocate(made.Len())
	return []Value{made.String(), count}
}

// emptyAgain says whether a match is the empty one at the end of the last.
func (m *matcher) emptyAgain(s, end int) bool { return end == s && m.lastEnd == end }

// replace writes what a match is replaced with.
func (m *matcher) replace(made *strings.Builder, s, end int) {
	var value Value
	switch by := m.Arg(3).(type) {
	case *Table:
		value = m.get(by, m.captured(0, s, end))
	case *Function:
		value = firstOf(m.Call.Call(by, m.all(s, end)...))
	default:
		m.expand(made, m.Text(3), s, end)
		return
	}
	if !truthy(value) {
		made.WriteString(m.text[s:end])
		return
	}
	text, ok := concatenable(value)
	if !ok {
		m.Raise("invalid replacement value (a %s)", m.typeName(value))
	}
	m.Allocate(len(text))
	made.WriteString(text)
}

// expand writes a replacement in which %0 to %9 are captures.
func (m *matcher) expand(made *strings.Builder, by string, s, end int) {
	for i := 0; i < len(by); i++ {
		if by[i] != '%' {
			made.WriteByte(by[i])
			continue
		}
		i++
		switch {
		case i < len(by) && by[i] == '%':
			made.WriteByte('%')
		case i < len(by) && by[i] == '0':
			made.WriteString(m.text[s:end])
			m.Allocate(end - s)
		case i < len(by) && digit(by[i]):
			text, _ := concatenable(m.captured(int(by[i]-'1'), s, end))
			m.Allocate(len(text))
			made.WriteString(text)
		default:
			m.Raise("invalid use of '%%' in replacement string")
		}
	}
	m.Allocate(len(by))
}
