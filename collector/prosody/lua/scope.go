package lua

import "slices"

// scope is what is known of a function while it is read: its variables and
// labels.
type scope struct {
	outer     *scope
	code      *function
	variables []variable // those in sight, the innermost last
	blocks    []*openBlock
	loops     int
}

type variable struct {
	name     string
	slot     int
	constant bool
}

// openBlock is a block that is being read.
type openBlock struct {
	block     *block
	variables int // number of variables in sight at its beginning
	labels    map[string]label
	jumps     []jump // to labels that were not found yet
}

type label struct {
	statement int
	variables int
}

type jump struct {
	name      string
	at        Position
	variables int // in sight of it
}

func newScope(outer *scope) *scope { return &scope{outer: outer} }

func (s *scope) open(b *block) {
	s.blocks = append(s.blocks, &openBlock{block: b, variables: len(s.variables)})
}

func (s *scope) top() *openBlock { return s.blocks[len(s.blocks)-1] }

// close ends a block. Jumps whose labels were not found are handed on to the
// block around it.
func (s *scope) close(p *parser) {
	b := s.top()
	s.blocks = s.blocks[:len(s.blocks)-1]
	s.variables = s.variables[:b.variables]
	for _, j := range b.jumps {
		target, ok := b.labels[j.name]
		switch {
		case ok && target.variables > j.variables:
			p.fail(j.at, "no valid Lua: goto jumps into the scope of a local variable")
		case ok:
		case len(s.blocks) > 0:
			j.variables = min(j.variables, b.variables)
			s.top().jumps = append(s.top().jumps, j)
		default:
			p.fail(j.at, "no valid Lua: no visible label "+quoted(j.name)+" for goto")
		}
	}
	if len(b.labels) > 0 {
		b.block.labels = make(map[string]int)
		for name, l := range b.labels {
			b.block.labels[name] = l.statement
		}
	}
}

func (s *scope) jump(name string, at Position) {
	s.top().jumps = append(s.top().jumps, jump{name, at, len(s.variables)})
}

// label adds a label in front of the statement with that number. last says that
// nothing follows in the block.
func (s *scope) label(p *parser, name token, statement int, last bool) {
	for _, b := range s.blocks {
		if _, ok := b.labels[name.text]; ok {
			p.fail(name.at, "no valid Lua: the label "+quoted(name.text)+" is there twice")
		}
	}
	b := s.top()
	if b.labels == nil {
		b.labels = make(map[string]label)
	}
	l := label{statement, len(s.variables)}
	if last {
		l.variables = b.variables
	}
	b.labels[name.text] = l
}

// declare adds a variable and returns its slot.
func (s *scope) declare(name string, constant bool) int {
	slot := len(s.variables)
	s.variables = append(s.variables, variable{name, slot, constant})
	s.code.locals = max(s.code.locals, slot+1)
	return slot
}

func (s *scope) local(name string) (variable, bool) {
	for _, v := range slices.Backward(s.variables) {
		if v.name == name {
			return v, true
		}
	}
	return variable{}, false
}

// capture returns the index of a variable of the functions around this one. A
// name means the same variable throughout: while a function is read, nothing is
// declared in those around it.
func (s *scope) capture(name string) (int, bool) {
	for i, c := range s.code.captures {
		if c.name == name {
			return i, true
		}
	}
	if s.outer == nil {
		return 0, false
	}
	made := capture{name: name}
	if v, ok := s.outer.local(name); ok {
		made.local, made.index = true, v.slot
	} else if i, ok := s.outer.capture(name); ok {
		made.index = i
	} else {
		return 0, false
	}
	s.code.captures = append(s.code.captures, made)
	return len(s.code.captures) - 1, true
}

// constant says whether a name is that of a constant variable.
func (s *scope) constant(name string) bool {
	for at := s; at != nil; at = at.outer {
		if v, ok := at.local(name); ok {
			return v.constant
		}
	}
	return false
}
