package lua

import "slices"

type node struct{ position Position }

func (n node) at() Position { return n.position }

// constant is nil, a boolean, a number or a string that stands in the program.
type constant struct {
	node
	value Value
}

func (e *constant) eval(*frame) Value { return e.value }

type localVariable struct {
	node
	name string
	slot int
}

func (e *localVariable) eval(f *frame) Value { return f.locals[e.slot].value }

type upvalue struct {
	node
	name  string
	index int
}

func (e *upvalue) eval(f *frame) Value { return f.upvalues[e.index].value }

// indexed is a[b], a.b, and global variables, which are fields of _ENV.
type indexed struct {
	node
	object, key expression
	global      bool
}

func (e *indexed) eval(f *frame) Value {
	return f.index(e.object.eval(f), e.key.eval(f), e.position, e.what)
}

func (e *indexed) what() string { return describe(e.object) }

// dots is the expression of all further arguments.
type dots struct{ node }

func (e *dots) evalAll(f *frame) []Value { return f.varargs }

func (e *dots) eval(f *frame) Value {
	if len(f.varargs) > 0 {
		return f.varargs[0]
	}
	return nil
}

// parenthesized has one value, whatever is in it.
type parenthesized struct{ inner expression }

func (e *parenthesized) eval(f *frame) Value { return e.inner.eval(f) }
func (e *parenthesized) at() Position        { return e.inner.at() }

// call is f(…).
type call struct {
	node
	callee expression
	args   []expression
}

func (e *call) eval(f *frame) Value { return firstOf(e.evalAll(f)) }

func (e *call) evalAll(f *frame) []Value {
	callee := e.callee.eval(f)
	args := evalList(f, e.args)
	if !f.callable(callee) {
		f.raise(e.position, "attempt to call a %s value%s", f.typeName(callee), describe(e.callee))
	}
	return f.callNamed(callee, args, e.args, e.position)
}

// methodCall is o:m(…).
type methodCall struct {
	node
	object expression
	name   string
	args   []expression
}

func (e *methodCall) eval(f *frame) Value { return firstOf(e.evalAll(f)) }

func (e *methodCall) evalAll(f *frame) []Value {
	object := e.object.eval(f)
	method := f.index(object, e.name, e.position, func() string { return describe(e.object) })
	args := append([]Value{object}, evalList(f, e.args)...)
	if !f.callable(method) {
		f.raise(e.position, "attempt to call a %s value (method '%s')", f.typeName(method), e.name)
	}
	return f.callNamed(method, args, nil, e.position)
}

func (in *Interpreter) callable(v Value) bool {
	_, ok := v.(*Function)
	return ok || in.metamethod(v, "__call") != nil
}

// callNamed calls a value. A message of error and assert that stands in the
// program may be shown.
func (f *frame) callNamed(callee Value, args []Value, written []expression, at Position) []Value {
	called, ok := callee.(*Function)
	if ok && called.native != nil && (called.name == "error" || called.name == "assert") {
		message := 0
		if called.name == "assert" {
			message = 1
		}
		if message < len(written) {
			if text, ok := written[message].(*constant); ok {
				args = append(slices.Clip(args), &shown{text.value})
			}
		}
	}
	return f.call(callee, args, at)
}

// shown marks a message that may be shown: it is the last argument.
type shown struct{ message Value }

func firstOf(values []Value) Value {
	if len(values) > 0 {
		return values[0]
	}
	return nil
}

// evalList evaluates expressions; the last one may have several values.
func evalList(f *frame, list []expression) []Value {
	if len(list) == 0 {
		return nil
	}
	values := make([]Value, 0, len(list))
	for i, e := range list {
		if more, ok := e.(several); ok && i == len(list)-1 {
			rest := more.evalAll(f)
			f.allocate(e.at(), 16*len(rest))
			return append(values, rest...)
		}
		values = append(values, e.eval(f))
	}
	return values
}

// constructor is { … }.
type constructor struct {
	node
	list   []expression
	keys   []expression
	values []expression
	order  []bool // for each item: whether it is one of list
}

func (e *constructor) eval(f *frame) Value {
	t := NewTable()
	f.allocate(e.position, 64+64*len(e.order))
	var positional []Value
	keyed := 0
	for i, listed := range e.order {
		if !listed {
			f.rawSet(t, e.keys[keyed].eval(f), e.values[keyed].eval(f), e.keys[keyed].at())
			keyed++
			continue
		}
		item := e.list[len(positional)]
		if more, ok := item.(several); ok && i == len(e.order)-1 {
			rest := more.evalAll(f)
			f.allocate(e.position, 16*len(rest))
			positional = append(positional, rest...)
			break
		}
		positional = append(positional, item.eval(f))
	}
	t.setList(positional)
	return t
}

// closure is function(…) … end.
type closure struct {
	node
	name string
	code *function
}

func (e *closure) eval(f *frame) Value {
	made := &Function{name: e.name, code: e.code, upvalues: make([]*cell, len(e.code.captures))}
	f.allocate(e.position, 48+8*len(e.code.captures))
	for i, c := range e.code.captures {
		if c.local {
			made.upvalues[i] = f.locals[c.index]
		} else {
			made.upvalues[i] = f.upvalues[c.index]
		}
	}
	return made
}

// operation is an operator of arithmetic, bits or .. with its operands.
type operation struct {
	node
	symbol      string
	event       string // the metamethod
	bits        bool
	left, right expression
}

func (e *operation) eval(f *frame) Value {
	a, b := e.left.eval(f), e.right.eval(f)
	if e.symbol == ".." {
		return f.concat(a, b, e, e.position)
	}
	return f.arithmetic(e, a, b, e.position)
}

// comparison is == ~= < <= > >=.
type comparison struct {
	node
	symbol      string
	left, right expression
}

func (e *comparison) eval(f *frame) Value {
	a, b := e.left.eval(f), e.right.eval(f)
	switch e.symbol {
	case "==":
		return f.equal(a, b, e.position)
	case "~=":
		return !f.equal(a, b, e.position)
	case "<":
		return f.less(a, b, false, e.position)
	case "<=":
		return f.less(a, b, true, e.position)
	case ">":
		return f.less(b, a, false, e.position)
	default:
		return f.less(b, a, true, e.position)
	}
}

// logical is and, or.
type logical struct {
	node
	and         bool
	left, right expression
}

func (e *logical) eval(f *frame) Value {
	if a := e.left.eval(f); truthy(a) != e.and {
		return a
	}
	return e.right.eval(f)
}

// unary is - not # ~.
type unary struct {
	node
	symbol  string
	operand expression
	minus   *operation // for - and ~
}

func (e *unary) eval(f *frame) Value {
	v := e.operand.eval(f)
	switch e.symbol {
	case "not":
		return !truthy(v)
	case "#":
		return f.length(v, e.position, func() string { return describe(e.operand) })
	}
	if e.symbol == "~" {
		if n, ok := integer(v); ok && TypeOf(v) == "number" {
			return ^n
		}
		return f.arithmetic(e.minus, v, v, e.position)
	}
	switch n := number(v).(type) {
	case int64:
		return -n
	case float64:
		return -n
	}
	return f.arithmetic(e.minus, v, v, e.position)
}
