package lua

// expression is a part of a program that has a value.
type expression interface {
	eval(f *frame) Value
	at() Position
}

// several is an expression that may have any number of values.
type several interface {
	expression
	evalAll(f *frame) []Value
}

// statement is a part of a program that does something.
type statement interface {
	exec(f *frame) outcome
}

// outcome says how a program goes on after a statement.
type outcome int

const (
	goesOn outcome = iota
	breaks
	returns // frame.results are set
	jumps   // to frame.label
)

// frame is a call of a function under way.
type frame struct {
	*Interpreter
	locals   []*cell
	upvalues []*cell
	varargs  []Value
	results  []Value
	label    string
	opened   []opened
}

// function is the code of a function.
type function struct {
	chunk      string
	parameters int
	variadic   bool
	locals     int // number of cells that a call needs
	captures   []capture
	body       *block
}

// capture says where a closure finds a variable of the functions around it.
type capture struct {
	name  string
	local bool // of the function right around it; else it captures it itself
	index int
}

// run calls the function.
func (c *function) run(in *Interpreter, upvalues []*cell, args []Value) []Value {
	f := &frame{Interpreter: in, locals: make([]*cell, c.locals), upvalues: upvalues}
	in.allocate(Position{Chunk: c.chunk, Line: 1, Column: 1}, 32+8*c.locals)
	for i := range c.parameters {
		f.locals[i] = &cell{}
		if i < len(args) {
			f.locals[i].value = args[i]
		}
	}
	if c.variadic && len(args) > c.parameters {
		f.varargs = args[c.parameters:]
	}
	c.body.exec(f)
	return f.results
}

// block is a list of statements with its own local variables.
type block struct {
	statements []statement
	labels     map[string]int // index of the statement behind the label
	closes     bool           // has variables to be closed
}

func (b *block) exec(f *frame) outcome {
	if b.closes {
		return b.execClosing(f)
	}
	return b.run(f)
}

func (b *block) run(f *frame) outcome {
	for i := 0; i < len(b.statements); i++ {
		result := b.statements[i].exec(f)
		if result == jumps {
			if target, ok := b.labels[f.label]; ok {
				i = target - 1
				continue
			}
		}
		if result != goesOn {
			return result
		}
	}
	return goesOn
}

// describe names the variable or field that an expression is, as Lua's errors
// do: " (global 'x')".
func describe(e expression) string {
	switch e := e.(type) {
	case *localVariable:
		return " (local '" + e.name + "')"
	case *upvalue:
		return " (upvalue '" + e.name + "')"
	case *constant:
		if _, ok := e.value.(string); ok {
			return " (constant)"
		}
	case *methodCall:
		return ""
	case *indexed:
		key, ok := e.key.(*constant)
		name, text := "", false
		if ok {
			name, text = key.value.(string)
		}
		switch {
		case !text:
			return " (field '?')"
		case e.global:
			return " (global '" + name + "')"
		default:
			return " (field '" + name + "')"
		}
	}
	return ""
}
