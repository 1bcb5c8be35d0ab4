package lua

import "strings"

func addUTF8(library *Table) { library.Set("charpattern", "[\x00-\x7F\xC2-\xFD][\x80-\xBF]*") }

func utf8Functions() []*Function {
	return []*Function{
		NewFunction("utf8.char", func(c *Call) []Value {
			var made strings.Builder
			for i := range c.Args {
				n := c.Int(i + 1)
				if n < 0 || n >= 1<<31 {
					c.BadArg(i+1, "value out of range")
				}
				made.WriteString(encodeUTF8(uint64(n)))
			}
			c.Allocate(made.Len())
			return []Value{made.String()}
		}),
		NewFunction("utf8.codepoint", utf8Codepoint),
		NewFunction("utf8.codes", func(c *Call) []Value {
			text := c.Text(1)
			lax := truthy(c.Arg(2))
			return []Value{NewFunction("codes_iterator", func(round *Call) []Value {
				i := round.Int(2)
				// Skip the character that was given last.
				for i > 0 && i < int64(len(text)) && text[i]&0xC0 == 0x80 {
					i++
				}
				if i >= int64(len(text)) {
					return nil
				}
				code, length := decodeUTF8(text[i:], lax)
				if length == 0 {
					round.Raise("invalid UTF-8 code")
				}
				return []Value{i + 1, code}
			}), text, int64(0)}
		}),
		NewFunction("utf8.len", utf8Len),
		NewFunction("utf8.offset", utf8Offset),
	}
}

// decodeUTF8 returns the first character and its length, 0 if it is none. lax
// allows surrogates and what is beyond Unicode.
func decodeUTF8(text string, lax bool) (code int64, length int) {
	first := text[0]
	if first < 0x80 {
		return int64(first), 1
	}
	if first < 0xC0 || first > 0xFD {
		return 0, 0
	}
	length = 2
	for first<<length&0x80 != 0 {
		length++
	}
	code = int64(first) & (0x7f >> length)
	if len(text) < length {
		return 0, 0
	}
	for _, b := range []byte(text[1:length]) {
		if b&0xC0 != 0x80 {
			return 0, 0
		}
		code = code<<6 | int64(b&0x3f)
	}
	smallest := [...]int64{0, 0, 0x80, 0x800, 0x10000, 0x200000, 0x4000000}
	if code < smallest[length] || !lax && (code > 0x10FFFF || code >= 0xD800 && code <= 0xDFFF) {
		return 0, 0
	}
	return code, length
}

// place converts a position, negative from the end, to one from 0 on.
func place(i int64, length int) int64 {
	if i < 0 {
		i = max(int64(length)+i+1, 0)
	}
	return i - 1
}

func utf8Codepoint(c *Call) []Value {
	text := c.Text(1)
	first := c.OptInt(2, 1)
	from := place(first, len(text))
	to := place(c.OptInt(3, from+1), len(text))
	if from < 0 {
		c.BadArg(2, "out of bounds")
	}
	if to >= int64(len(text)) {
		c.BadArg(3, "out of bounds")
	}
	var codes []Value
	for from <= to {
		code, length := decodeUTF8(text[from:], truthy(c.Arg(4)))
		if length == 0 {
			c.Raise("invalid UTF-8 code")
		}
		c.Allocate(16)
		codes = append(codes, code)
		from += int64(length)
	}
	return codes
}

func utf8Len(c *Call) []Value {
	text := c.Text(1)
	from, to := place(c.OptInt(2, 1), len(text)), place(c.OptInt(3, -1), len(text))
	if from < 0 || from > int64(len(text)) {
		c.BadArg(2, "initial position out of bounds")
	}
	if to >= int64(len(text)) {
		c.BadArg(3, "final position out of bounds")
	}
	c.step(c.At, len(text))
	n := int64(0)
	for from <= to {
		_, length := decodeUTF8(text[from:], truthy(c.Arg(4)))
		if length == 0 {
			return []Value{nil, from + 1}
		}
		from += int64(length)
		n++
	}
	return []Value{n}
}

func utf8Offset(c *Call) []Value {
	text, n := c.Text(1), c.Int(2)
	otherwise := int64(1)
	if n <= 0 {
		otherwise = int64(len(text)) + 1
	}
	at := place(c.OptInt(3, otherwise), len(text))
	if at < 0 || at > int64(len(text)) {
		c.BadArg(3, "position out of bounds")
	}
	c.step(c.At, len(text))
	if n == 0 {
		return []Value{startOf(text, at) + 1}
	}
	if continues(text, at) {
		c.Raise("initial position is a continuation byte")
	}
	for ; n < 0 && at > 0; n++ {
		at = startOf(text, at-1)
	}
	for ; n > 1 && at < int64(len(text)); n-- {
		for at++; continues(text, at); {
			at++
		}
	}
	if n != 0 && n != 1 {
		return []Value{nil}
	}
	return []Value{at + 1}
}

// startOf returns where the character begins that a byte belongs to.
func startOf(text string, at int64) int64 {
	for at > 0 && continues(text, at) {
		at--
	}
	return at
}

// continues says whether the byte at a place goes on with a character.
func continues(text string, at int64) bool { return at < int64(len(text)) && text[at]&0xC0 == 0x80 }
