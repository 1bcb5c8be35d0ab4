package lua

import (
	"math"
	"math/rand/v2"
)

func addMath(library *Table) {
	library.Set("pi", math.Pi)
	library.Set("huge", math.Inf(1))
	library.Set("maxinteger", int64(math.MaxInt64))
	library.Set("mininteger", int64(math.MinInt64))
}

func mathFunctions() []*Function {
	functions := []*Function{
		NewFunction("math.abs", func(c *Call) []Value {
			if i, ok := c.Number(1).(int64); ok {
				return []Value{max(i, -i)}
			}
			return []Value{math.Abs(c.Float(1))}
		}),
		NewFunction("math.atan", func(c *Call) []Value {
			x := 1.0
			if c.Arg(2) != nil {
				x = c.Float(2)
			}
			return []Value{math.Atan2(c.Float(1), x)}
		}),
		NewFunction("math.ceil", func(c *Call) []Value { return []Value{rounded(c, math.Ceil)} }),
		NewFunction("math.floor", func(c *Call) []Value { return []Value{rounded(c, math.Floor)} }),
		NewFunction("math.fmod", mathFmod),
		NewFunction("math.log", mathLog),
		NewFunction("math.max", func(c *Call) []Value {
			return []Value{extreme(c, func(a, b Value) bool { return c.less(a, b, false, c.inside()) })}
		}),
		NewFunction("math.min", func(c *Call) []Value {
			return []Value{extreme(c, func(a, b Value) bool { return c.less(b, a, false, c.inside()) })}
		}),
		NewFunction("math.modf", func(c *Call) []Value {
			f := c.Float(1)
			if math.IsInf(f, 0) {
				return []Value{f, 0.0}
			}
			return []Value{rounded(c, math.Trunc), f - math.Trunc(f)}
		}),
		NewFunction("math.randomseed", func(*Call) []Value { return nil }),
		NewFunction("math.tointeger", func(c *Call) []Value {
			c.Any(1)
			if i, ok := integer(c.Arg(1)); ok {
				return []Value{i}
			}
			return []Value{nil}
		}),
		NewFunction("math.type", func(c *Call) []Value {
			switch c.Any(1).(type) {
			case int64:
				return []Value{"integer"}
			case float64:
				return []Value{"float"}
			}
			return []Value{nil}
		}),
		NewFunction("math.ult", func(c *Call) []Value { return []Value{uint64(c.Int(1)) < uint64(c.Int(2))} }),
		newRandom(),
	}
	for name, f := range map[string]func(float64) float64{
		"acos": math.Acos, "asin": math.Asin, "cos": math.Cos, "exp": math.Exp, "sin": math.Sin, "sqrt": math.Sqrt, "tan": math.Tan,
		"deg": func(x float64) float64 { return x * (180 / math.Pi) },
		"rad": func(x float64) float64 { return x * (math.Pi / 180) },
	} {
		functions = append(functions, NewFunction("math."+name, func(c *Call) []Value { return []Value{f(c.Float(1))} }))
	}
	return functions
}

// rounded returns an integer where one can hold it.
func rounded(c *Call, round func(float64) float64) Value {
	if i, ok := c.Number(1).(int64); ok {
		return i
	}
	f := round(c.Float(1))
	if i, ok := floatToInteger(f); ok {
		return i
	}
	return f
}

func mathFmod(c *Call) []Value {
	x, first := c.Number(1).(int64)
	y, second := c.Number(2).(int64)
	if !first || !second {
		return []Value{math.Mod(c.Float(1), c.Float(2))}
	}
	switch y {
	case 0:
		c.BadArg(2, "zero")
	case -1:
		return []Value{int64(0)}
	}
	return []Value{x % y}
}

func mathLog(c *Call) []Value {
	x := c.Float(1)
	if c.Arg(2) == nil {
		return []Value{math.Log(x)}
	}
	switch base := c.Float(2); base {
	case 2:
		return []Value{math.Log2(x)}
	case 10:
		return []Value{math.Log10(x)}
	default:
		return []Value{math.Log(x) / math.Log(base)}
	}
}

// extreme does not look at the kinds of its arguments, as Lua's does not: texts
// compare with texts.
func extreme(c *Call, replaces func(now, by Value) bool) Value {
	best := c.Any(1)
	for _, v := range c.Args[1:] {
		if replaces(best, v) {
			best = v
		}
	}
	return best
}

// newRandom returns math.random, which gives the same numbers in each program:
// nothing that is read from a configuration may hang on chance.
func newRandom() *Function {
	source := rand.New(rand.NewPCG(1, 2))
	return NewFunction("math.random", func(c *Call) []Value {
		if len(c.Args) == 0 {
			return []Value{source.Float64()}
		}
		low, high := int64(1), c.Int(1)
		if len(c.Args) > 1 {
			low, high = high, c.Int(2)
		} else if high == 0 {
			return []Value{int64(source.Uint64())}
		}
		if low > high {
			c.BadArg(len(c.Args), "interval is empty")
		}
		width := uint64(high) - uint64(low)
		if width == math.MaxUint64 {
			return []Value{int64(source.Uint64())}
		}
		return []Value{int64(uint64(low) + source.Uint64N(width+1))}
	})
}
