package lua

import (
	"sort"
	"strings"
)

func tableFunctions() []*Function {
	return []*Function{
		NewFunction("table.concat", tableConcat),
		NewFunction("table.insert", tableInsert),
		NewFunction("table.move", tableMove),
		NewFunction("table.pack", func(c *Call) []Value {
			t := NewTable()
			c.Allocate(64 * (len(c.Args) + 1))
			t.setList(append([]Value(nil), c.Args...))
			t.Set("n", int64(len(c.Args)))
			return []Value{t}
		}),
		NewFunction("table.remove", tableRemove),
		NewFunction("table.sort", tableSort),
		NewFunction("table.unpack", tableUnpack),
	}
}

// end returns the argument that says where a list ends, its length otherwise.
func (c *Call) end(i int) int64 {
	if c.Arg(i) != nil {
		return c.Int(i)
	}
	n, ok := c.length(c.Arg(1), c.inside(), nothing).(int64)
	if !ok {
		c.Raise("object length is not an integer")
	}
	return n
}

func tableConcat(c *Call) []Value {
	t := c.Table(1)
	separator := c.OptText(2, "")
	from, to := c.OptInt(3, 1), c.end(4)
	var made strings.Builder
	for i := from; i <= to; i++ {
		c.step(c.At, 1)
		v := c.get(t, i)
		text, ok := concatenable(v)
		if !ok {
			c.Raise("invalid value (at index %d) in table for 'concat'", i)
		}
		c.Allocate(len(text) + len(separator))
		made.WriteString(text)
		if i == to {
			break // the next may be too large for an integer
		}
		made.WriteString(separator)
	}
	return []Value{made.String()}
}

func tableInsert(c *Call) []Value {
	t := c.Table(1)
	behind := c.tableLength(t) + 1
	switch len(c.Args) {
	case 2:
		c.set(t, behind, c.Arg(2))
	case 3:
		at := c.Int(2)
		if at < 1 || at > behind {
			c.BadArg(2, "position out of bounds")
		}
		for i := behind; i > at; i-- {
			c.step(c.At, 1)
			c.set(t, i, c.get(t, i-1))
		}
		c.set(t, at, c.Arg(3))
	default:
		c.Raise("wrong number of arguments to 'insert'")
	}
	return nil
}

func tableRemove(c *Call) []Value {
	t := c.Table(1)
	n := c.tableLength(t)
	at := c.OptInt(2, n)
	if len(c.Args) > 1 && n+1 != at && (at < 1 || at > n+1) && (n != 0 || at != 0) {
		c.BadArg(2, "position out of bounds")
	}
	removed := c.get(t, at)
	for ; at < n; at++ {
		c.step(c.At, 1)
		c.set(t, at, c.get(t, at+1))
	}
	c.set(t, at, nil)
	return []Value{removed}
}

func tableMove(c *Call) []Value {
	source, from, to, at := c.Table(1), c.Int(2), c.Int(3), c.Int(4)
	target := source
	if c.Arg(5) != nil {
		target = c.Table(5)
	}
	if to < from {
		return []Value{target}
	}
	if from <= 0 && to >= 1<<62 {
		c.BadArg(3, "too many elements to move")
	}
	if at > to || at <= from || target != source {
		for i := int64(0); i <= to-from; i++ {
			c.step(c.At, 1)
			c.set(target, at+i, c.get(source, from+i))
		}
		return []Value{target}
	}
	for i := to - from; i >= 0; i-- {
		c.step(c.At, 1)
		c.set(target, at+i, c.get(source, from+i))
	}
	return []Value{target}
}

func tableUnpack(c *Call) []Value {
	from, to := c.OptInt(2, 1), c.end(3)
	if from > to {
		return nil
	}
	if n := uint64(to) - uint64(from); n >= 1_000_000 {
		c.Raise("too many results to unpack")
	}
	c.Allocate(16 * size(to-from+1))
	var values []Value
	for i := from; ; i++ {
		values = append(values, c.get(c.Arg(1), i))
		if i == to {
			return values
		}
	}
}

// sorter sorts a part of a table with the program's own order.
type sorter struct {
	*Call
	values []Value
	order  Value
}

func (s *sorter) Len() int      { return len(s.values) }
func (s *sorter) Swap(i, j int) { s.values[i], s.values[j] = s.values[j], s.values[i] }
func (s *sorter) Less(i, j int) bool {
	s.step(s.At, 1)
	if s.order == nil {
		return s.less(s.values[i], s.values[j], false, s.inside())
	}
	return truthy(s.first(s.order, s.inside(), s.values[i], s.values[j]))
}

func tableSort(c *Call) []Value {
	t := c.Table(1)
	if _, ok := c.Arg(2).(*Function); !ok && c.Arg(2) != nil {
		c.wrongType(2, "function")
	}
	n := c.tableLength(t)
	if n > 1<<20 {
		c.BadArg(1, "array too big")
	}
	c.Allocate(16 * size(n))
	s := &sorter{Call: c, order: c.Arg(2)}
	for i := int64(1); i <= n; i++ {
		s.values = append(s.values, c.get(t, i))
	}
	sort.Sort(s)
	for i, v := range s.values {
		c.set(t, int64(i)+1, v)
	}
	return nil
}
