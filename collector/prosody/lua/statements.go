package lua

import "slices"

// localStatement is local a, b <const> = …
type localStatement struct {
	node
	slots  []int
	values []expression
}

func (s *localStatement) exec(f *frame) outcome {
	f.step(s.position, 1)
	values := evalList(f, s.values)
	f.setLocals(s.position, s.slots, values)
	return goesOn
}

// setLocals makes new variables of some slots; those without a value are nil.
func (f *frame) setLocals(at Position, slots []int, values []Value) {
	f.allocate(at, 40*len(slots))
	for i, slot := range slots {
		c := &cell{}
		if i < len(values) {
			c.value = values[i]
		}
		f.locals[slot] = c
	}
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
