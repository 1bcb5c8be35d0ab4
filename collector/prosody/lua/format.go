package lua

import (
	"fmt"
	"math"
	"strings"
)

// stringFormat is string.format.
func stringFormat(c *Call) []Value {
	format := c.Text(1)
	var made strings.Builder
	argument := 1
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			made.WriteByte(format[i])
			continue
		}
		if i++; i < len(format) && format[i] == '%' {
			made.WriteByte('%')
			continue
		}
		end := i
		for end < len(format) && strings.IndexByte("-+ #0123456789.", format[end]) >= 0 {
			end++
		}
		if end >= len(format) || end-i > 20 {
			c.Raise("invalid conversion '%%…' to 'format'")
		}
		argument++
		text := c.convert(argument, format[i:end], format[end])
		c.Allocate(len(text))
		made.WriteString(text)
		i = end
	}
	c.Allocate(made.Len())
	return []Value{made.String()}
}

// convert writes one argument. spec is what stands between % and the letter:
// flags, width and precision.
func (c *Call) convert(i int, spec string, letter byte) string {
	if i > len(c.Args) {
		c.BadArg(i, "no value")
	}
	c.checkSpec(spec, letter)
	switch letter {
	case 'c':
		return pad(spec, string([]byte{byte(c.Int(i))}))
	case 'd', 'i':
		return fmt.Sprintf("%"+spec+"d", c.Int(i))
	case 'o', 'x', 'X':
		return fmt.Sprintf("%"+spec+string(letter), uint64(c.Int(i)))
	case 'e', 'E', 'f', 'F', 'g', 'G', 'a', 'A':
		return formatFloat(spec, letter, c.Float(i))
	case 'p':
		return pad(spec, fmt.Sprintf("%p", c.Arg(i)))
	case 'q':
		return c.quote(c.Arg(i))
	}
	text := c.tostring(c.Any(i), c.At)
	if spec == "" {
		return text
	}
	if strings.ContainsRune(text, 0) {
		c.BadArg(i, "string contains zeros")
	}
	width, precision, limited := strings.Cut(spec, ".")
	if limited {
		n, _ := integer(precision)
		text = text[:min(len(text), int(n))]
	}
	return pad(width, text)
}

// checkSpec raises an error for what Lua does not take.
func (c *Call) checkSpec(spec string, letter byte) {
	flags := map[byte]string{
		'c': "-", 'd': "-+ 0", 'i': "-+ 0", 'o': "-#0", 'x': "-#0", 'X': "-#0", 'p': "-", 's': "-", 'q': "",
		'e': "-+ #0", 'E': "-+ #0", 'f': "-+ #0", 'F': "-+ #0", 'g': "-+ #0", 'G': "-+ #0", 'a': "-+ #0", 'A': "-+ #0",
	}
	allowed, known := flags[letter]
	width, precision, limited := strings.Cut(strings.TrimLeft(spec, allowed), ".")
	switch {
	case !known, len(width) > 2, len(precision) > 2, strings.Trim(width+precision, "0123456789") != "",
		letter == 'q' && spec != "", limited && (letter == 'c' || letter == 'p'):
		c.Raise("invalid conversion to 'format'")
	}
}

// pad fills a text with blanks up to a width, counted in bytes.
func pad(spec, text string) string {
	width, _ := integer(strings.TrimLeft(spec, "-"))
	if n := int(width) - len(text); n > 0 {
		if strings.HasPrefix(spec, "-") {
			return text + strings.Repeat(" ", n)
		}
		return strings.Repeat(" ", n) + text
	}
	return text
}

func formatFloat(spec string, letter byte, f float64) string {
	if text, special := specialFloat(f); special {
		if letter < 'a' {
			text = strings.ToUpper(text)
		}
		flags, _, _ := strings.Cut(spec, ".")
		if strings.ContainsRune(flags, '+') && !strings.HasPrefix(text, "-") {
			text = "+" + text
		}
		width := strings.TrimLeft(flags, "+ #0-")
		if strings.ContainsRune(flags, '-') {
			width = "-" + width
		}
		return pad(width, text)
	}
	switch {
	case letter == 'a':
		return hexadecimalFloat(spec, "x", f)
	case letter == 'A':
		return hexadecimalFloat(spec, "X", f)
	case (letter == 'g' || letter == 'G') && !strings.ContainsRune(spec, '.'):
		spec += ".6" // Go would write as many digits as are needed
	case letter == 'F':
		letter = 'f'
	}
	return fmt.Sprintf("%"+spec+string(letter), f)
}

// hexadecimalFloat writes the exponent without Go's leading zero.
func hexadecimalFloat(spec, letter string, f float64) string {
	text := fmt.Sprintf("%"+spec+letter, f)
	if n := len(text); n > 3 && text[n-2] == '0' && (text[n-3] == '+' || text[n-3] == '-') {
		return text[:n-2] + text[n-1:]
	}
	return text
}

// quote writes a value so that Lua reads it back.
func (c *Call) quote(v Value) string {
	switch v := v.(type) {
	case nil, bool:
		return plainText(v)
	case int64:
		if v == math.MinInt64 {
			return "0x8000000000000000"
		}
		return numberText(v)
	case float64:
		switch {
		case math.IsInf(v, 1):
			return "1e9999"
		case math.IsInf(v, -1):
			return "-1e9999"
		case math.IsNaN(v):
			return "(0/0)"
		}
		return hexadecimalFloat("", "x", v)
	case string:
		return quoteText(v)
	}
	c.BadArg(2, "value has no literal form")
	return ""
}

func quoteText(text string) string {
	var made strings.Builder
	made.WriteByte('"')
	for i := range len(text) {
		switch b := text[i]; {
		case b == '"' || b == '\\' || b == '\n':
			made.WriteByte('\\')
			made.WriteByte(b)
		case b == '\r' || b == 0 || b < 0x20 || b == 0x7f:
			if i+1 < len(text) && digit(text[i+1]) {
				fmt.Fprintf(&made, "\\%03d", b)
			} else {
				fmt.Fprintf(&made, "\\%d", b)
			}
		default:
			made.WriteByte(b)
		}
	}
	made.WriteByte('"')
	return made.String()
}
