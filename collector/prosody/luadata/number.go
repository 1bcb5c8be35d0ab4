package luadata

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

var errNumber = errors.New("not a number as Lua writes them")

// literal reads a value that is no table.
func (s *scanner) literal() (Value, error) {
	switch c := s.peek(); {
	case c == '"' || c == '\'':
		return s.quoted()
	case c == '[' && s.longBracketAhead():
		text, err := s.longString()
		return Value{Kind: String, Text: text}, err
	case isDigit(c) || c == '.' || c == '-':
		return s.numberLiteral()
	case c == '(':
		return s.division()
	}
	switch string(s.name()) {
	case "true":
		return Value{Kind: Bool, Bool: true}, nil
	case "false":
		return Value{Kind: Bool}, nil
	case "nil":
		return Value{}, nil
	}
	return Value{}, s.or(errNotData)
}

// numberLiteral reads a decimal or hexadecimal numberLiteral with an optional sign. As in
// Lua 5.3, it is an integer if it is written like one and fits; as in 5.1, a
// larger one is a float.
func (s *scanner) numberLiteral() (Value, error) {
	start := s.at
	if s.peek() == '-' {
		s.at++
		if err := s.space(); err != nil {
			return Value{}, err
		}
		if s.at != start+1 { // rare: allocate to close the gap
			return s.spacedNumber()
		}
	}
	if c := s.peek(); !isDigit(c) && c != '.' {
		return Value{}, s.or(errNotData)
	}
	for s.at < len(s.data) && s.numberByte() {
		s.at++
	}
	return parseNumber(string(s.data[start:s.at]))
}

// spacedNumber reads the rest of a number whose sign stands apart.
func (s *scanner) spacedNumber() (Value, error) {
	v, err := s.numberLiteral()
	switch {
	case err != nil:
		return v, err
	case v.Kind == Integer:
		v.Integer = -v.Integer
	default:
		v.Float = -v.Float
	}
	return v, nil
}

// numberByte says whether the next byte belongs to the number before it.
func (s *scanner) numberByte() bool {
	c := s.data[s.at]
	if c == '+' || c == '-' {
		switch s.data[s.at-1] { // the sign of an exponent
		case 'e', 'E', 'p', 'P':
			return true
		}
		return false
	}
	return c == '.' || isNameByte(c) && c != '_'
}

func parseNumber(text string) (Value, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return Value{Kind: Integer, Integer: n}, nil
	}
	digits := strings.TrimPrefix(text, "-")
	if hex := strings.HasPrefix(digits, "0x") || strings.HasPrefix(digits, "0X"); hex {
		return parseHex(text, digits)
	}
	if strings.ContainsAny(digits, "xXpP") || strings.HasPrefix(strings.ToLower(digits), "i") {
		return Value{}, errNumber
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return Value{}, errNumber
	}
	return Value{Kind: Float, Float: f}, nil
}

// parseHex reads 0x numbers; integers wrap around, as in Lua.
func parseHex(text, digits string) (Value, error) {
	negative := len(text) != len(digits)
	if !strings.ContainsAny(digits, ".pP") {
		var n uint64
		for _, c := range []byte(digits[2:]) {
			v, ok := hexDigit(c)
			if !ok {
				return Value{}, errNumber
			}
			n = n<<4 | uint64(v)
		}
		if len(digits) == 2 {
			return Value{}, errNumber
		}
		if negative {
			n = -n
		}
		return Value{Kind: Integer, Integer: int64(n)}, nil
	}
	if !strings.ContainsAny(digits, "pP") {
		text += "p0" // Go demands an exponent
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return Value{}, errNumber
	}
	return Value{Kind: Float, Float: f}, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case isDigit(c):
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// division reads (1/0), (-1/0) and (0/0).
func (s *scanner) division() (Value, error) {
	for _, d := range []struct {
		text  string
		value float64
	}{{"(1/0)", math.Inf(1)}, {"(-1/0)", math.Inf(-1)}, {"(0/0)", math.NaN()}} {
		if rest := s.data[s.at:]; len(rest) >= len(d.text) && string(rest[:len(d.text)]) == d.text {
			s.at += len(d.text)
			return Value{Kind: Float, Float: d.value}, nil
		}
	}
	return Value{}, s.or(errNotData)
}
