package lua

import (
	"math"
	"strings"
)

func baseFunctions() []*Function {
	return []*Function{
		NewFunction("assert", baseAssert),
		NewFunction("collectgarbage", func(c *Call) []Value {
			c.OptText(1, "collect")
			return []Value{int64(0)}
		}),
		NewFunction("error", baseError),
		NewFunction("getmetatable", baseGetmetatable),
		NewFunction("ipairs", func(c *Call) []Value {
			c.Any(1)
			return []Value{NewFunction("ipairs_iterator", nextIndex), c.Arg(1), int64(0)}
		}),
		NewFunction("load", baseLoad),
		NewFunction("next", baseNext),
		NewFunction("pairs", basePairs),
		NewFunction("pcall", func(c *Call) []Value {
			c.Any(1)
			results, failure := c.protected(c.Arg(1), c.Args[1:], c.inside())
			if failure != nil {
				return []Value{false, failure.Value}
			}
			return append([]Value{true}, results...)
		}),
		// There is nowhere to print to, and nobody who reads it.
		NewFunction("print", func(*Call) []Value { return nil }),
		NewFunction("rawequal", func(c *Call) []Value {
			c.Any(2)
			return []Value{rawEqual(c.Arg(1), c.Arg(2))}
		}),
		NewFunction("rawget", func(c *Call) []Value { return []Value{c.Table(1).Get(c.Any(2))} }),
		NewFunction("rawlen", baseRawlen),
		NewFunction("rawset", func(c *Call) []Value {
			t := c.Table(1)
			c.Any(3)
			c.rawSet(t, c.Arg(2), c.Arg(3), c.inside())
			return []Value{t}
		}),
		NewFunction("select", baseSelect),
		NewFunction("setmetatable", baseSetmetatable),
		NewFunction("tonumber", baseTonumber),
		NewFunction("tostring", func(c *Call) []Value { return []Value{c.tostring(c.Any(1), c.inside())} }),
		NewFunction("type", func(c *Call) []Value { return []Value{TypeOf(c.Any(1))} }),
		NewFunction("warn", func(*Call) []Value { return nil }),
		NewFunction("xpcall", func(c *Call) []Value {
			results, failure := c.protected(c.Arg(1), c.Args[min(2, len(c.Args)):], c.inside())
			if failure != nil {
				return append([]Value{false}, c.Call(c.Arg(2), failure.Value)...)
			}
			return append([]Value{true}, results...)
		}),
	}
}

// takeShown returns the message that may be shown, and removes it from the
// arguments.
func (c *Call) takeShown() string {
	if len(c.Args) == 0 {
		return ""
	}
	marked, ok := c.Args[len(c.Args)-1].(*shown)
	if !ok {
		return ""
	}
	c.Args = c.Args[:len(c.Args)-1]
	text, _ := concatenable(marked.message)
	return text
}

func baseAssert(c *Call) []Value {
	reason := c.takeShown()
	if truthy(c.Any(1)) {
		return c.Args
	}
	if len(c.Args) == 1 {
		panic(&Error{Position: c.At, Reason: "assertion failed!", Value: "assertion failed!"})
	}
	panic(&Error{Position: c.At, Reason: reason, Value: c.Arg(2)})
}

func baseError(c *Call) []Value {
	reason := c.takeShown()
	message := c.Arg(1)
	level := c.OptInt(2, 1)
	at := c.At
	text, ok := message.(string)
	// The calls under way end with this one.
	if ok && level > 0 && level <= int64(len(c.calls)) {
		at = c.calls[len(c.calls)-int(level)]
		message = at.prefix() + text
	}
	panic(&Error{Position: at, Reason: reason, Value: message})
}

func baseRawlen(c *Call) []Value {
	if text, ok := c.Arg(1).(string); ok {
		return []Value{int64(len(text))}
	}
	if _, ok := c.Arg(1).(*Table); !ok {
		c.BadArg(1, "table or string expected")
	}
	return []Value{c.Table(1).Len()}
}

func baseGetmetatable(c *Call) []Value {
	meta := c.metatable(c.Any(1))
	if meta == nil {
		return []Value{nil}
	}
	if hidden := meta.Get("__metatable"); hidden != nil {
		return []Value{hidden}
	}
	return []Value{meta}
}

func nextIndex(c *Call) []Value {
	i := c.Int(2) + 1
	v := c.get(c.Arg(1), i)
	if v == nil {
		return []Value{nil}
	}
	return []Value{i, v}
}

func baseNext(c *Call) []Value {
	key, value, ok := c.Table(1).Next(c.Arg(2))
	if !ok {
		c.Raise("invalid key to 'next'")
	}
	if key == nil {
		return []Value{nil}
	}
	return []Value{key, value}
}

func basePairs(c *Call) []Value {
	if handler := c.metamethod(c.Any(1), "__pairs"); handler != nil {
		results := append(c.Call(handler, c.Arg(1)), nil, nil, nil)
		return results[:3]
	}
	return []Value{NewFunction("next", baseNext), c.Arg(1), nil}
}

func baseSelect(c *Call) []Value {
	if c.Arg(1) == "#" {
		return []Value{int64(len(c.Args) - 1)}
	}
	i := c.Int(1)
	if i < 0 {
		i += int64(len(c.Args))
	}
	if i < 1 {
		c.BadArg(1, "index out of range")
	}
	if i >= int64(len(c.Args)) {
		return nil
	}
	return c.Args[i:]
}

func baseSetmetatable(c *Call) []Value {
	t := c.Table(1)
	meta, ok := c.Arg(2).(*Table)
	if !ok && (len(c.Args) < 2 || c.Arg(2) != nil) {
		c.wrongType(2, "nil or table")
	}
	if t.meta != nil && t.meta.Get("__metatable") != nil {
		c.Raise("cannot change a protected metatable")
	}
	t.meta = meta
	return []Value{t}
}

func baseTonumber(c *Call) []Value {
	if c.Arg(2) == nil {
		return []Value{number(c.Any(1))}
	}
	base := c.Int(2)
	text, ok := c.Arg(1).(string)
	if !ok {
		c.wrongType(1, "string")
	}
	if base < 2 || base > 36 {
		c.BadArg(2, "base out of range")
	}
	text = strings.ToLower(strings.Trim(text, spaces))
	digits := strings.TrimPrefix(text, "-")
	var n int64
	for _, d := range []byte(digits) {
		v := int64(math.MaxInt64)
		switch {
		case digit(d):
			v = int64(d - '0')
		case letter(d) && d != '_':
			v = int64(d-'a') + 10
		}
		if v >= base {
			return []Value{nil}
		}
		n = n*base + v
	}
	switch {
	case digits == "":
		return []Value{nil}
	case digits != text:
		return []Value{-n}
	}
	return []Value{n}
}

// baseLoad compiles a text, or what a function gives piece by piece.
func baseLoad(c *Call) []Value {
	var source strings.Builder
	if f, ok := c.Arg(1).(*Function); ok {
		for {
			piece, _ := firstOf(c.Call(f)).(string)
			if piece == "" {
				break
			}
			c.Allocate(len(piece))
			source.WriteString(piece)
		}
	} else {
		source.WriteString(c.Text(1))
	}
	env := Value(c.globals)
	if len(c.Args) >= 4 {
		env = c.Arg(4)
	}
	chunk := strings.TrimLeft(c.OptText(2, "=(load)"), "=@")
	if c.Arg(3) == "b" || strings.HasPrefix(source.String(), "\x1bLua") {
		return []Value{nil, "attempt to load a binary chunk"}
	}
	c.step(c.At, source.Len())
	f, err := c.Compile(chunk, source.String(), env)
	if err != nil {
		return []Value{nil, err.Error()}
	}
	return []Value{f}
}
