package lua

import (
	"strings"
	"unicode/utf8"
)

// kinds of tokens; operators and reserved words are their own text.
const (
	tokenEnd    = "<end>"
	tokenName   = "<name>"
	tokenText   = "<string>"
	tokenNumber = "<number>"
)

type token struct {
	kind string
	// text is the name, or the value of a string.
	text   string
	number Value
	at     Position
}

// reserved says whether a word is none that a variable may have as its name.
func reserved(word string) bool {
	switch word {
	case "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
		"local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while":
		return true
	}
	return false
}

// lexer cuts a program into tokens.
type lexer struct {
	source string
	offset int
	at     Position // of offset
}

// fail stops the reading with an error at a position. It never quotes what was
// read, which may be a password.
func (l *lexer) fail(at Position, text string) {
	panic(&Error{Position: at, Reason: text, Syntax: true})
}

func (l *lexer) peek(ahead int) byte {
	if l.offset+ahead < len(l.source) {
		return l.source[l.offset+ahead]
	}
	return 0
}

func (l *lexer) advance(n int) {
	for range n {
		if l.offset >= len(l.source) {
			return
		}
		if l.source[l.offset] == '\n' {
			l.at.Line, l.at.Column = l.at.Line+1, 0
		}
		l.offset++
		l.at.Column++
	}
}

func (l *lexer) done() bool { return l.offset >= len(l.source) }

// next returns the next token.
func (l *lexer) next() token {
	l.skipBlanks()
	t := token{kind: tokenEnd, at: l.at}
	if l.done() {
		return t
	}
	c := l.peek(0)
	switch {
	case letter(c):
		start := l.offset
		for letter(l.peek(0)) || digit(l.peek(0)) {
			l.advance(1)
		}
		t.kind, t.text = tokenName, l.source[start:l.offset]
		if reserved(t.text) {
			t.kind = t.text
		}
	case digit(c) || c == '.' && digit(l.peek(1)):
		t.kind, t.number = tokenNumber, l.number()
	case c == '"' || c == '\'':
		t.kind, t.text = tokenText, l.quoted(c)
	case c == '[' && l.bracketLevel() >= 0:
		t.kind, t.text = tokenText, l.bracketed(l.bracketLevel(), "string")
	default:
		t.kind = l.operator()
	}
	return t
}

func (l *lexer) operator() string {
	for _, operator := range [...]string{
		"...", "<<", ">>", "//", "==", "~=", "<=", ">=", "::", "..",
		"+", "-", "*", "/", "%", "^", "#", "&", "~", "|", "<", ">", "=", "(", ")", "{", "}", "[", "]", ";", ":", ",", ".",
	} {
		if strings.HasPrefix(l.source[l.offset:], operator) {
			l.advance(len(operator))
			return operator
		}
	}
	if strings.HasPrefix(l.source[l.offset:], "\ufeff") {
		l.fail(l.at, "a byte order mark is no Lua, and Prosody refuses it as well: save the file as UTF-8 without it")
	}
	l.fail(l.at, "a character that is no Lua")
	return ""
}

func letter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }
func hexadecimal(c byte) bool {
	return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'f'
}

func (l *lexer) skipBlanks() {
	for !l.done() {
		switch {
		case strings.IndexByte(spaces, l.peek(0)) >= 0:
			l.advance(1)
		case strings.HasPrefix(l.source[l.offset:], "--"):
			l.advance(2)
			if l.peek(0) == '[' && l.bracketLevel() >= 0 {
				l.bracketed(l.bracketLevel(), "comment")
				continue
			}
			for !l.done() && l.peek(0) != '\n' && l.peek(0) != '\r' {
				l.advance(1)
			}
		default:
			return
		}
	}
}

// bracketLevel returns the number of = in [==[, and -1 if it is none.
func (l *lexer) bracketLevel() int {
	level := 0
	for l.peek(1+level) == '=' {
		level++
	}
	if l.peek(1+level) != '[' {
		return -1
	}
	return level
}

// bracketed reads [[…]]. A line break right behind the beginning is left out.
func (l *lexer) bracketed(level int, what string) string {
	from := l.at
	l.advance(level + 2)
	end := "]" + strings.Repeat("=", level) + "]"
	length := strings.Index(l.source[l.offset:], end)
	if length < 0 {
		l.fail(from, "a long "+what+" without an end")
	}
	text := lineBreaks(l.source[l.offset : l.offset+length])
	l.advance(length + len(end))
	return strings.TrimPrefix(text, "\n")
}

// lineBreaks makes all kinds of line breaks one.
func lineBreaks(text string) string {
	if !strings.ContainsRune(text, '\r') {
		return text
	}
	return strings.NewReplacer("\r\n", "\n", "\n\r", "\n", "\r", "\n").Replace(text)
}

// number reads a number as Lua does: all that could belong to one, which must
// then be one.
func (l *lexer) number() Value {
	from, start, exponent := l.at, l.offset, byte('e')
	if l.peek(0) == '0' && l.peek(1)|0x20 == 'x' {
		exponent = 'p'
		l.advance(2)
	}
	for {
		c := l.peek(0)
		switch {
		case c|0x20 == exponent && (l.peek(1) == '+' || l.peek(1) == '-'):
			l.advance(2)
		case hexadecimal(c) || c == '.' || c|0x20 == exponent:
			l.advance(1)
		default:
			if letter(c) || digit(c) {
				l.advance(1)
				l.fail(from, "a malformed number")
			}
			n := parseNumber(l.source[start:l.offset])
			if n == nil {
				l.fail(from, "a malformed number")
			}
			return n
		}
	}
}

// quoted reads "…" or '…'.
func (l *lexer) quoted(quote byte) string {
	from := l.at
	l.advance(1)
	var text strings.Builder
	for {
		c := l.peek(0)
		switch {
		case l.done() || c == '\n' || c == '\r':
			l.fail(from, "a string without an end in its line")
		case c == quote:
			l.advance(1)
			return text.String()
		case c == '\\':
			l.escape(&text)
		default:
			text.WriteByte(c)
			l.advance(1)
		}
	}
}

// escape reads what begins with a backslash.
func (l *lexer) escape(text *strings.Builder) {
	const plain, meant = "abfnrtv\\\"'", "\a\b\f\n\r\t\v\\\"'"
	from, c := l.at, l.peek(1)
	i := strings.IndexByte(plain, c)
	switch {
	case c == '\n' || c == '\r':
		text.WriteByte('\n')
		l.advance(2)
		if second := l.peek(0); (second == '\n' || second == '\r') && second != c {
			l.advance(1)
		}
	case i >= 0 && c != 0:
		text.WriteByte(meant[i])
		l.advance(2)
	case c == 'z':
		l.advance(2)
		for !l.done() && strings.IndexByte(spaces, l.peek(0)) >= 0 {
			l.advance(1)
		}
	case c == 'x':
		l.hexadecimalEscape(text)
	case c == 'u':
		l.unicode(text)
	case digit(c):
		l.decimalEscape(text)
	default:
		l.fail(from, "an escape that Lua does not know")
	}
}

func (l *lexer) hexadecimalEscape(text *strings.Builder) {
	if !hexadecimal(l.peek(2)) || !hexadecimal(l.peek(3)) {
		l.fail(l.at, "an escape \\x without two hexadecimal digits")
	}
	n, _ := parseHexadecimal(l.source[l.offset+2:l.offset+4], false).(int64)
	text.WriteByte(byte(n))
	l.advance(4)
}

func (l *lexer) decimalEscape(text *strings.Builder) {
	n, length := 0, 1
	for ; length <= 3 && digit(l.peek(length)); length++ {
		n = n*10 + int(l.peek(length)-'0')
	}
	if n > 255 {
		l.fail(l.at, "a decimal escape above 255")
	}
	text.WriteByte(byte(n))
	l.advance(length)
}

// unicode reads \u{…}: up to 2^31, as in the first definition of UTF-8.
func (l *lexer) unicode(text *strings.Builder) {
	from := l.at
	end := strings.IndexByte(l.source[l.offset:], '}')
	if l.peek(2) != '{' || end < 4 || end > 20 {
		l.fail(from, "an escape \\u without {hexadecimal digits}")
	}
	var n uint64
	for _, c := range []byte(l.source[l.offset+3 : l.offset+end]) {
		d, ok := parseHexadecimal(string(c), false).(int64)
		if n = n<<4 | uint64(d); !ok || n >= 1<<31 {
			l.fail(from, "an escape \\u{…} that is no character")
		}
	}
	text.WriteString(encodeUTF8(n))
	l.advance(end + 1)
}

// encodeUTF8 encodes a number below 2^31, surrogates and all.
func encodeUTF8(n uint64) string {
	if n <= utf8.MaxRune && (n < 0xD800 || n > 0xDFFF) {
		return string(rune(n))
	}
	var bytes []byte
	first := uint64(0x3f)
	for {
		bytes = append([]byte{byte(0x80 | n&0x3f)}, bytes...)
		n >>= 6
		first >>= 1
		if n <= first {
			return string(append([]byte{byte(^first<<1 | n)}, bytes...))
		}
	}
}
