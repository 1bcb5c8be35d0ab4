package lua

import "math"

// Index returns the value of a key of a value, with metamethods.
func (in *Interpreter) index(v, key Value, at Position, what func() string) Value {
	for range maxNesting {
		t, table := v.(*Table)
		if table {
			if found := t.Get(key); found != nil || t.meta == nil {
				return found
			}
		}
		handler := in.metamethod(v, "__index")
		if handler == nil {
			if table {
				return nil
			}
			in.raise(at, "attempt to index a %s value%s", in.typeName(v), what())
		}
		if f, ok := handler.(*Function); ok {
			return in.first(f, at, v, key)
		}
		v, what = handler, nothing
	}
	in.raise(at, "'__index' chain too long; possibly a loop")
	return nil
}

func nothing() string { return "" }

// setIndex assigns to a key of a value, with metamethods.
func (in *Interpreter) setIndex(v, key, value Value, at Position, what func() string) {
	for range maxNesting {
		t, table := v.(*Table)
		if table && (t.meta == nil || t.meta.Get("__newindex") == nil || t.Get(key) != nil) {
			in.rawSet(t, key, value, at)
			return
		}
		handler := in.metamethod(v, "__newindex")
		if handler == nil {
			in.raise(at, "attempt to index a %s value%s", in.typeName(v), what())
		}
		if f, ok := handler.(*Function); ok {
			in.call(f, []Value{v, key, value}, at)
			return
		}
		v, what = handler, nothing
	}
	in.raise(at, "'__newindex' chain too long; possibly a loop")
}

func (in *Interpreter) rawSet(t *Table, key, value Value, at Position) {
	switch k := key.(type) {
	case nil:
		in.raise(at, "index is nil")
	case float64:
		if math.IsNaN(k) {
			in.raise(at, "index is NaN")
		}
	}
	before := t.size()
	t.Set(key, value)
	if grown := t.size() - before; grown > 0 {
		in.allocate(at, 128*grown)
	}
}

// arithmetic applies an operator to two values; unary minus and ~ have the same
// value twice.
func (in *Interpreter) arithmetic(o *operation, a, b Value, at Position) Value {
	if result, ok := o.apply(a, b); ok {
		if result == nil {
			in.raise(at, "attempt to perform 'n%s0'", o.doubled())
		}
		return result
	}
	handler := in.metamethod(a, o.event)
	if handler == nil {
		handler = in.metamethod(b, o.event)
	}
	if handler == nil {
		in.arithmeticFails(o, a, b, at)
	}
	return in.first(handler, at, a, b)
}

// arithmeticFails raises the error of an operation on values that do not fit.
func (in *Interpreter) arithmeticFails(o *operation, a, b Value, at Position) {
	fits := func(v Value) bool {
		_, ok := float(v)
		return ok && (!o.bits || TypeOf(v) == "number")
	}
	if fits(a) && fits(b) {
		in.raise(at, "number has no integer representation")
	}
	wrong, expression := b, o.right
	if !fits(a) {
		wrong, expression = a, o.left
	}
	verb := "perform arithmetic on"
	if o.bits {
		verb = "perform bitwise operation on"
	}
	in.raise(at, "attempt to %s a %s value%s", verb, in.typeName(wrong), describe(expression))
}

// doubled is the operator as Lua's error of a division by zero writes it.
func (o *operation) doubled() string {
	if o.symbol == "%" {
		return "%%"
	}
	return o.symbol
}

// apply calculates. ok is false if the values are no numbers that fit; the
// result is nil for a division of integers by zero.
func (o *operation) apply(a, b Value) (result Value, ok bool) {
	if o.bits {
		return o.applyBits(a, b)
	}
	a, b = number(a), number(b)
	if a == nil || b == nil {
		return nil, false
	}
	x, first := a.(int64)
	y, second := b.(int64)
	if first && second && o.symbol != "/" && o.symbol != "^" {
		return integerArithmetic(o.symbol, x, y), true
	}
	f, _ := float(a)
	g, _ := float(b)
	return floatArithmetic(o.symbol, f, g), true
}

// applyBits calculates with integers. Texts are not converted.
func (o *operation) applyBits(a, b Value) (result Value, ok bool) {
	if TypeOf(a) != "number" || TypeOf(b) != "number" {
		return nil, false
	}
	x, first := integer(a)
	y, second := integer(b)
	return bitwise(o.symbol, x, y), first && second
}

// number returns a number for a number, or for a text that is one.
func number(v Value) Value {
	switch v := v.(type) {
	case int64, float64:
		return v
	case string:
		return parseNumber(v)
	}
	return nil
}

func bitwise(symbol string, x, y int64) Value {
	switch symbol {
	case "&":
		return x & y
	case "|":
		return x | y
	case "~":
		return x ^ y
	case "<<":
		return shiftLeft(x, y)
	default:
		return shiftLeft(x, -y)
	}
}

// shiftLeft shifts without sign; to the right if n is negative.
func shiftLeft(x, n int64) int64 {
	switch {
	case n <= -64 || n >= 64:
		return 0
	case n >= 0:
		return int64(uint64(x) << uint(n))
	}
	return int64(uint64(x) >> uint(-n))
}

func integerArithmetic(symbol string, x, y int64) Value {
	switch symbol {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	}
	if y == 0 {
		return nil
	}
	quotient, rest := x/y, x%y // the smallest integer wraps around, as in Lua
	if rest != 0 && (rest < 0) != (y < 0) {
		quotient, rest = quotient-1, rest+y
	}
	if symbol == "//" {
		return quotient
	}
	return rest
}

func floatArithmetic(symbol string, x, y float64) Value {
	switch symbol {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "/":
		return x / y
	case "^":
		return math.Pow(x, y)
	case "//":
		return math.Floor(x / y)
	}
	rest := math.Mod(x, y)
	if rest != 0 && (rest < 0) != (y < 0) {
		rest += y
	}
	return rest
}

func (in *Interpreter) concat(a, b Value, o *operation, at Position) Value {
	x, first := concatenable(a)
	y, second := concatenable(b)
	if first && second {
		in.allocate(at, len(x)+len(y))
		return x + y
	}
	handler := in.metamethod(a, "__concat")
	if handler == nil {
		handler = in.metamethod(b, "__concat")
	}
	if handler == nil {
		wrong, expression := b, o.right
		if !first {
			wrong, expression = a, o.left
		}
		in.raise(at, "attempt to concatenate a %s value%s", in.typeName(wrong), describe(expression))
	}
	return in.first(handler, at, a, b)
}

func concatenable(v Value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int64, float64:
		return numberText(v), true
	}
	return "", false
}

func (in *Interpreter) length(v Value, at Position, what func() string) Value {
	if s, ok := v.(string); ok {
		return int64(len(s))
	}
	if handler := in.metamethod(v, "__len"); handler != nil {
		return in.first(handler, at, v)
	}
	t, ok := v.(*Table)
	if !ok {
		in.raise(at, "attempt to get length of a %s value%s", in.typeName(v), what())
	}
	return t.Len()
}
