package lua

import (
	"math"
	"slices"
)

// localStatement is local a, b <const> = …
type localStatement struct {
	node
	slots  []int
	values []expression
}

func (s *localStatement) exec(f *frame) outcome {
	f.step(s.position, 1)
	values := evalList(f, s.values)
	f.allocate(s.position, 40*len(s.slots))
	for i, slot := range s.slots {
		c := &cell{}
		if i < len(values) {
			c.value = values[i]
		}
		f.locals[slot] = c
	}
	return goesOn
}

// localFunction is local function f(…), which may call itself.
type localFunction struct {
	node
	slot  int
	value *closure
}

func (s *localFunction) exec(f *frame) outcome {
	f.step(s.position, 1)
	f.locals[s.slot] = &cell{}
	f.locals[s.slot].value = s.value.eval(f)
	return goesOn
}

// assignment is a, b.c = …
type assignment struct {
	node
	targets []expression
	values  []expression
}

func (s *assignment) exec(f *frame) outcome {
	f.step(s.position, 1)
	if len(s.targets) == 1 && len(s.values) == 1 {
		assign(f, s.targets[0])(s.values[0].eval(f))
		return goesOn
	}
	setters := make([]func(Value), len(s.targets))
	for i, target := range s.targets {
		setters[i] = assign(f, target)
	}
	values := evalList(f, s.values)
	// Lua assigns from the right to the left.
	for i, set := range slices.Backward(setters) {
		if i < len(values) {
			set(values[i])
		} else {
			set(nil)
		}
	}
	return goesOn
}

// assign evaluates the parts of a target and returns what assigns to it.
func assign(f *frame, target expression) func(Value) {
	switch t := target.(type) {
	case *localVariable:
		return func(v Value) { f.locals[t.slot].value = v }
	case *upvalue:
		return func(v Value) { f.upvalues[t.index].value = v }
	case *indexed:
		object, key := t.object.eval(f), t.key.eval(f)
		return func(v Value) { f.setIndex(object, key, v, t.position, t.what) }
	}
	return func(Value) {}
}

// callStatement is a call whose results are dropped.
type callStatement struct{ several }

func (s *callStatement) exec(f *frame) outcome {
	f.step(s.at(), 1)
	s.evalAll(f)
	return goesOn
}

type doStatement struct{ body *block }

func (s *doStatement) exec(f *frame) outcome { return s.body.exec(f) }

type whileStatement struct {
	condition expression
	body      *block
}

func (s *whileStatement) exec(f *frame) outcome {
	for {
		f.step(s.condition.at(), 1)
		if !truthy(s.condition.eval(f)) {
			return goesOn
		}
		if result := s.body.exec(f); result != goesOn {
			return afterLoop(result)
		}
	}
}

// afterLoop is the outcome of a loop whose body ended like that.
func afterLoop(result outcome) outcome {
	if result == breaks {
		return goesOn
	}
	return result
}

type repeatStatement struct {
	body      *block
	condition expression
}

func (s *repeatStatement) exec(f *frame) outcome {
	for {
		f.step(s.condition.at(), 1)
		if result := s.body.exec(f); result != goesOn {
			return afterLoop(result)
		}
		if truthy(s.condition.eval(f)) {
			return goesOn
		}
	}
}

type ifStatement struct {
	conditions []expression
	bodies     []*block // one more for else
}

func (s *ifStatement) exec(f *frame) outcome {
	for i, condition := range s.conditions {
		f.step(condition.at(), 1)
		if truthy(condition.eval(f)) {
			return s.bodies[i].exec(f)
		}
	}
	if len(s.bodies) > len(s.conditions) {
		return s.bodies[len(s.conditions)].exec(f)
	}
	return goesOn
}

// numericFor is for i = from, to, by.
type numericFor struct {
	node
	slot         int
	from, to, by expression
	body         *block
}

func (s *numericFor) exec(f *frame) outcome {
	from, to := s.from.eval(f), s.to.eval(f)
	var by Value = int64(1)
	if s.by != nil {
		by = s.by.eval(f)
	}
	i, first := from.(int64)
	n, second := by.(int64)
	if !first || !second {
		return s.floats(f, from, to, by)
	}
	if n == 0 {
		f.raise(s.position, "'for' step is zero")
	}
	limit, some := s.limit(f, i, to, n)
	if !some {
		return goesOn
	}
	for count := distance(i, limit, n); ; count-- {
		if result := s.round(f, i); result != goesOn {
			return afterLoop(result)
		}
		if count == 0 {
			return goesOn
		}
		i += n
	}
}

// distance is the number of steps of size n from i to limit.
func distance(i, limit, n int64) uint64 {
	if n > 0 {
		return (uint64(limit) - uint64(i)) / uint64(n)
	}
	return (uint64(i) - uint64(limit)) / (uint64(-(n + 1)) + 1)
}

func (s *numericFor) round(f *frame, v Value) outcome {
	f.step(s.position, 1)
	f.allocate(s.position, 8) // most of the variables are dropped at once
	f.locals[s.slot] = &cell{v}
	return s.body.exec(f)
}

// limit returns the last value that an integer may have, and whether there is
// any.
func (s *numericFor) limit(f *frame, from int64, to Value, by int64) (int64, bool) {
	limit, ok := to.(int64)
	if !ok {
		g := s.number(f, to, "limit")
		switch {
		case math.IsNaN(g):
			return 0, false
		case g >= -math.MinInt64:
			limit = math.MaxInt64
			if by < 0 {
				return 0, false
			}
		case g < math.MinInt64:
			limit = math.MinInt64
			if by > 0 {
				return 0, false
			}
		case by > 0:
			limit = int64(math.Floor(g))
		default:
			limit = int64(math.Ceil(g))
		}
	}
	if by > 0 {
		return limit, from <= limit
	}
	return limit, from >= limit
}

func (s *numericFor) number(f *frame, v Value, what string) float64 {
	if n, ok := float(v); ok {
		return n
	}
	f.raise(s.position, "'for' %s must be a number", what)
	return 0
}

// floats is the loop where not all are integers.
func (s *numericFor) floats(f *frame, from, to, by Value) outcome {
	limit := s.number(f, to, "limit")
	step := s.number(f, by, "step")
	x := s.number(f, from, "initial value")
	if step == 0 {
		f.raise(s.position, "'for' step is zero")
	}
	for ; step > 0 && x <= limit || step < 0 && x >= limit; x += step {
		if result := s.round(f, x); result != goesOn {
			return afterLoop(result)
		}
	}
	return goesOn
}

// genericFor is for k, v in …
type genericFor struct {
	node
	slots  []int
	values []expression
	body   *block
}

func (s *genericFor) exec(f *frame) outcome {
	start := make([]Value, 4)
	copy(start, evalList(f, s.values))
	iterator, state, control := start[0], start[1], start[2]
	if start[3] != nil {
		defer func() { f.closeVariable(start[3], nil, s.position) }()
	}
	if !f.callable(iterator) {
		f.raise(s.position, "attempt to call a %s value", f.typeName(iterator))
	}
	for {
		f.step(s.position, 1)
		values := f.call(iterator, []Value{state, control}, s.position)
		if control = firstOf(values); control == nil {
			return goesOn
		}
		f.allocate(s.position, 40*len(s.slots))
		for i, slot := range s.slots {
			c := &cell{}
			if i < len(values) {
				c.value = values[i]
			}
			f.locals[slot] = c
		}
		if result := s.body.exec(f); result != goesOn {
			return afterLoop(result)
		}
	}
}

type returnStatement struct {
	node
	values []expression
}

func (s *returnStatement) exec(f *frame) outcome {
	f.step(s.position, 1)
	f.results = evalList(f, s.values)
	return returns
}

type breakStatement struct{ node }

func (s *breakStatement) exec(*frame) outcome { return breaks }

type gotoStatement struct {
	node
	label string
}

func (s *gotoStatement) exec(f *frame) outcome {
	f.step(s.position, 1)
	f.label = s.label
	return jumps
}

// closing marks the variable of the statement before as one to be closed.
type closing struct {
	node
	slot int
}

func (s *closing) exec(f *frame) outcome {
	v := f.locals[s.slot].value
	if truthy(v) && f.metamethod(v, "__close") == nil {
		f.raise(s.position, "a variable got a non-closable value")
	}
	f.opened = append(f.opened, opened{v, s.position})
	return goesOn
}

// opened is a value to be closed at the end of its block.
type opened struct {
	value Value
	at    Position
}

// execClosing runs a block and closes its variables, in the order opposite to
// that of their declarations.
func (b *block) execClosing(f *frame) outcome {
	before := len(f.opened)
	defer func() {
		caught := recover()
		var failure Value
		if err, ok := caught.(*Error); ok {
			failure = err.Value
		}
		results := f.results
		for len(f.opened) > before {
			last := f.opened[len(f.opened)-1]
			f.opened = f.opened[:len(f.opened)-1]
			f.closeVariable(last.value, failure, last.at)
		}
		f.results = results
		if caught != nil {
			panic(caught)
		}
	}()
	return b.run(f)
}

func (in *Interpreter) closeVariable(v, failure Value, at Position) {
	if handler := in.metamethod(v, "__close"); handler != nil {
		in.call(handler, []Value{v, failure}, at)
	}
}
