package lua

import (
	"math"
	"strings"
)

// rawEqual compares without metamethods.
func rawEqual(a, b Value) bool {
	switch x := a.(type) {
	case int64:
		if y, ok := b.(float64); ok {
			i, exact := floatToInteger(y)
			return exact && i == x
		}
	case float64:
		if y, ok := b.(int64); ok {
			i, exact := floatToInteger(x)
			return exact && i == y
		}
	}
	return a == b
}

func (in *Interpreter) equal(a, b Value, at Position) bool {
	if rawEqual(a, b) {
		return true
	}
	if TypeOf(a) != TypeOf(b) {
		return false
	}
	switch a.(type) {
	case *Table, *Object:
	default:
		return false
	}
	handler := in.metamethod(a, "__eq")
	if handler == nil {
		handler = in.metamethod(b, "__eq")
	}
	return handler != nil && truthy(in.first(handler, at, a, b))
}

// less says whether a < b, or a <= b.
func (in *Interpreter) less(a, b Value, orEqual bool, at Position) bool {
	x, first := a.(string)
	y, second := b.(string)
	if first && second {
		order := strings.Compare(x, y)
		return order < 0 || orEqual && order == 0
	}
	if TypeOf(a) == "number" && TypeOf(b) == "number" {
		return lessNumber(a, b, orEqual)
	}
	event := "__lt"
	if orEqual {
		event = "__le"
	}
	handler := in.metamethod(a, event)
	if handler == nil {
		handler = in.metamethod(b, event)
	}
	if handler == nil {
		if one, other := in.typeName(a), in.typeName(b); one == other {
			in.raise(at, "attempt to compare two %s values", one)
		} else {
			in.raise(at, "attempt to compare %s with %s", one, other)
		}
	}
	return truthy(in.first(handler, at, a, b))
}

// lessNumber compares numbers exactly, integers with floats as well.
func lessNumber(a, b Value, orEqual bool) bool {
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return x < y || orEqual && x == y
		}
		y, _ := b.(float64)
		return integerBelow(x, y, orEqual)
	case float64:
		if y, ok := b.(float64); ok {
			return x < y || orEqual && x == y
		}
		y, _ := b.(int64)
		// x < y is not (y <= x), NaN apart.
		return !math.IsNaN(x) && !integerBelow(y, x, !orEqual)
	}
	return false
}

func integerBelow(x int64, y float64, orEqual bool) bool {
	switch {
	case math.IsNaN(y):
		return false
	case y >= -math.MinInt64:
		return true
	case y < math.MinInt64:
		return false
	}
	whole := math.Floor(y)
	if i := int64(whole); x != i {
		return x < i
	}
	return whole < y || orEqual
}
