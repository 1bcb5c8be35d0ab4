package synapse

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// pyKind is a type of Python.
type pyKind int

// The types of the values that PyYAML makes of scalars.
const (
	pyNone pyKind = iota
	pyString
	pyBool
	pyInt
	pyFloat
	pyTime // a date or a moment
)

// A pyScalar is a single value as PyYAML reads it.
type pyScalar struct {
	kind pyKind
	text string // Python's str() of it, "" for None
}

// YAML 1.1's types as PyYAML 6.0 distinguishes them (yaml/resolver.py).
var (
	boolPattern  = regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`)
	floatPattern = regexp.MustCompile(`^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
	intPattern   = regexp.MustCompile(`^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$`)
	nonePattern  = regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)
	timePattern  = regexp.MustCompile(`^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?)$`)
)

// kindOf returns the type of a scalar without quotes, in PyYAML's order.
func kindOf(value string) pyKind {
	switch {
	case boolPattern.MatchString(value):
		return pyBool
	case floatPattern.MatchString(value):
		return pyFloat
	case intPattern.MatchString(value):
		return pyInt
	case nonePattern.MatchString(value):
		return pyNone
	case timePattern.MatchString(value):
		return pyTime
	}
	return pyString
}

var errForeignTag = errors.New("a tag that Synapse does not read")

// scalarOf returns what a scalar is.
func scalarOf(n *yaml.Node) (pyScalar, error) {
	if n.Style&yaml.TaggedStyle != 0 && n.Tag != "!" {
		kind, known := map[string]pyKind{
			"!!str": pyString, "!!bool": pyBool, "!!float": pyFloat, "!!int": pyInt, "!!null": pyNone, "!!timestamp": pyTime,
		}[n.ShortTag()]
		if !known {
			return pyScalar{}, errForeignTag
		}
		return scalarOfKind(kind, n.Value)
	}
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		if n.Value == "=" || n.Value == "<<" { // YAML 1.1's !!value and !!merge
			return pyScalar{}, errForeignTag
		}
		return scalarOfKind(kindOf(n.Value), n.Value)
	}
	return pyScalar{pyString, n.Value}, nil
}

var errValue = errors.New("not a valid value of its type")

// scalarOfKind makes a value of a type, as PyYAML does (yaml/constructor.py).
func scalarOfKind(kind pyKind, value string) (pyScalar, error) {
	s := pyScalar{kind: kind}
	var ok bool
	switch kind {
	case pyNone:
		ok = true
	case pyString:
		s.text, ok = value, true
	case pyBool:
		s.text, ok = pyBoolText(value)
	case pyInt:
		s.text, ok = pyIntText(strings.ReplaceAll(value, "_", ""))
	case pyFloat:
		s.text, ok = pyFloatText(strings.ToLower(strings.ReplaceAll(value, "_", "")))
	case pyTime:
		s.text, ok = pyTimeText(value)
	}
	if !ok {
		return pyScalar{}, errValue
	}
	return s, nil
}

func pyBoolText(value string) (string, bool) {
	switch strings.ToLower(value) {
	case "yes", "true", "on":
		return "True", true
	case "no", "false", "off":
		return "False", true
	}
	return "", false
}

// pyIntText reads a decimal, binary, octal, hexadecimal or sexagesimal number,
// which may be of any size.
func pyIntText(value string) (string, bool) {
	digits := strings.TrimLeft(value, "+-")
	number, ok := new(big.Int), true
	switch {
	case strings.HasPrefix(digits, "0b"):
		_, ok = number.SetString(digits[2:], 2)
	case strings.HasPrefix(digits, "0x"):
		_, ok = number.SetString(digits[2:], 16)
	case strings.HasPrefix(digits, "0"):
		_, ok = number.SetString(digits, 8)
	case strings.Contains(digits, ":"):
		for part := range strings.SplitSeq(digits, ":") {
			next, valid := new(big.Int).SetString(part, 10)
			if !valid {
				return "", false
			}
			number.Mul(number, big.NewInt(60)).Add(number, next)
		}
	default:
		_, ok = number.SetString(digits, 10)
	}
	if !ok {
		return "", false
	}
	if strings.HasPrefix(value, "-") {
		number.Neg(number)
	}
	return number.String(), true
}

func pyFloatText(value string) (string, bool) {
	sign, digits := 1.0, value
	switch {
	case strings.HasPrefix(value, "-"):
		sign, digits = -1, value[1:]
	case strings.HasPrefix(value, "+"):
		digits = value[1:]
	}
	if digits == ".inf" {
		return pyRepr(sign * math.Inf(1)), true
	}
	if digits == ".nan" {
		return "nan", true
	}
	number, unit := 0.0, 1.0
	parts := strings.Split(digits, ":")
	for _, part := range slices.Backward(parts) { // in PyYAML's order, for it rounds as well
		next, err := strconv.ParseFloat(part, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) { // which gives infinity, as in Python
			return "", false
		}
		number += float64(next * unit)
		unit *= 60
	}
	return pyRepr(sign * number), true
}

// pyRepr writes a floating-point number as Python does: the shortest digits that
// are the number, with an exponent below 0.0001 and from 10^16 on.
func pyRepr(number float64) string {
	text := strconv.FormatFloat(number, 'e', -1, 64)
	mantissa, exponent, found := strings.Cut(text, "e")
	if !found {
		return map[string]string{"+Inf": "inf", "-Inf": "-inf", "NaN": "nan"}[text]
	}
	if n, _ := strconv.Atoi(exponent); n < -4 || n >= 16 {
		return mantissa + "e" + exponent
	}
	text = strconv.FormatFloat(number, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

var pyMoment = regexp.MustCompile(`^(\d{4})-(\d{1,2})-(\d{1,2})(?:(?:[Tt]|[ \t]+)(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d*))?(?:[ \t]*(Z|([-+])(\d{1,2})(?::(\d{2}))?))?)?$`)

// pyTimeText reads a date, or a moment, which is written with its zone.
func pyTimeText(value string) (string, bool) {
	m := pyMoment.FindStringSubmatch(value)
	if m == nil {
		return "", false
	}
	number := func(i int) int { n, _ := strconv.Atoi(m[i]); return n }
	t := time.Date(number(1), time.Month(number(2)), number(3), number(4), number(5), number(6), 0, time.UTC)
	if t.Month() != time.Month(number(2)) || t.Day() != number(3) || number(1) == 0 || number(4) > 23 || number(5) > 59 || number(6) > 59 {
		return "", false
	}
	if m[4] == "" {
		return t.Format(time.DateOnly), true
	}
	text := t.Format(time.DateTime)
	if micros := (m[7] + "000000")[:6]; strings.Trim(micros, "0") != "" {
		text += "." + micros
	}
	switch {
	case m[8] == "Z":
		text += "+00:00"
	case m[8] != "":
		minutes := number(10)*60 + number(11)
		if minutes >= 24*60 {
			return "", false
		}
		sign := m[9]
		if minutes == 0 {
			sign = "+"
		}
		text += fmt.Sprintf("%s%02d:%02d", sign, minutes/60, minutes%60)
	}
	return text, true
}
