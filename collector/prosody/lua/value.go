package lua

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Value is a value of Lua's: nil, bool, int64, float64, string, *Table,
// *Function or *Object.
type Value any

// A Function is a function, written in Lua or in Go.
type Function struct {
	name     string
	native   func(*Call) []Value
	code     *function
	upvalues []*cell
}

// NewFunction returns a function of Lua's that runs f. Its name is used in
// errors.
func NewFunction(name string, f func(*Call) []Value) *Function {
	return &Function{name: name, native: f}
}

// An Object is a userdata: a value of Go's with methods.
type Object struct {
	// Data is the value of Go's.
	Data any
	// Meta is the metatable.
	Meta *Table
}

// cell holds a local variable, which closures may share.
type cell struct{ value Value }

// TypeOf returns the name of Lua's type of a value.
func TypeOf(v Value) string {
	switch v.(type) {
	case nil:
		return "nil"
	case bool:
		return "boolean"
	case int64, float64:
		return "number"
	case string:
		return "string"
	case *Table:
		return "table"
	case *Function:
		return "function"
	}
	return "userdata"
}

func truthy(v Value) bool { return v != nil && v != false }

// numberText is Lua's way of writing a number: integers have no point, floats
// always have one, or an exponent.
func numberText(v Value) string {
	if i, ok := v.(int64); ok {
		return strconv.FormatInt(i, 10)
	}
	f, _ := v.(float64)
	if text, special := specialFloat(f); special {
		return text
	}
	text := strconv.FormatFloat(f, 'g', 14, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return text
}

// specialFloat writes what is not finite as C's printf does.
func specialFloat(f float64) (string, bool) {
	sign := ""
	if math.Signbit(f) {
		sign = "-"
	}
	switch {
	case math.IsInf(f, 0):
		return sign + "inf", true
	case math.IsNaN(f):
		return sign + "nan", true
	}
	return "", false
}

// plainText is tostring without metamethods.
func plainText(v Value) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case bool:
		return strconv.FormatBool(v)
	case int64, float64:
		return numberText(v)
	case string:
		return v
	case *Function:
		if v.native != nil {
			return fmt.Sprintf("function: builtin: %p", v)
		}
	}
	return fmt.Sprintf("%s: %p", TypeOf(v), v)
}

// integer returns the integer that a number, or a text that is one, stands for.
func integer(v Value) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		return floatToInteger(v)
	case string:
		if n := parseNumber(v); n != nil {
			return integer(n)
		}
	}
	return 0, false
}

func floatToInteger(f float64) (int64, bool) {
	if f != math.Floor(f) || f < math.MinInt64 || f >= -math.MinInt64 {
		return 0, false
	}
	return int64(f), true
}

// float returns the number as a float; texts are converted as well.
func float(v Value) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case string:
		if n := parseNumber(v); n != nil {
			return float(n)
		}
	}
	return 0, false
}

const spaces = " \t\n\v\f\r"

// parseNumber converts a text as Lua does: decimal or hexadecimal, integer or
// float, blanks around. It returns nil if the text is no number.
func parseNumber(text string) Value {
	text = strings.Trim(text, spaces)
	digits, negative := text, false
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		digits, negative = digits[1:], digits[0] == '-'
	}
	if len(digits) > 1 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') {
		return parseHexadecimal(digits[2:], negative)
	}
	if !decimal(digits) {
		return nil
	}
	if !strings.ContainsAny(digits, ".eE") {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return i
		}
	}
	f, _ := strconv.ParseFloat(text, 64) // out of range is infinite, as in C
	return f
}

// decimal says whether a text is digits with at most one point, and perhaps an
// exponent.
func decimal(text string) bool {
	mantissa, exponent, scaled := text, "", false
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent, scaled = text[:i], text[i+1:], true
	}
	if scaled {
		if exponent != "" && (exponent[0] == '-' || exponent[0] == '+') {
			exponent = exponent[1:]
		}
		if exponent == "" || strings.Trim(exponent, "0123456789") != "" {
			return false
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	return whole+fraction != "" && strings.Trim(whole+fraction, "0123456789") == ""
}

// parseHexadecimal converts what stands behind 0x. Integers wrap around.
func parseHexadecimal(text string, negative bool) Value {
	const digits = "0123456789abcdefABCDEF"
	mantissa, exponent := text, "0"
	if i := strings.IndexAny(text, "pP"); i >= 0 {
		mantissa, exponent = text[:i], text[i+1:]
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	if whole+fraction == "" || strings.Trim(whole+fraction, digits) != "" {
		return nil
	}
	if !point && mantissa == text {
		var n uint64
		for _, c := range []byte(text) {
			d, _ := strconv.ParseUint(string(c), 16, 8)
			n = n<<4 | d
		}
		if negative {
			n = -n
		}
		return int64(n) // wraps around, as in Lua
	}
	if strings.ContainsRune(exponent, '_') {
		return nil
	}
	f, err := strconv.ParseFloat("0x"+whole+"."+fraction+"p"+exponent, 64)
	if err != nil && !strings.Contains(err.Error(), "range") {
		return nil
	}
	if negative {
		f = -f
	}
	return f
}

// ToNumber converts a text to an integer or float as Lua does; nil if it is no
// number.
func ToNumber(text string) Value { return parseNumber(text) }
