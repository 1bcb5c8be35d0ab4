package lua

import "math"

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
		f.setLocals(s.position, s.slots, values)
		if result := s.body.exec(f); result != goesOn {
			return afterLoop(result)
		}
	}
}
