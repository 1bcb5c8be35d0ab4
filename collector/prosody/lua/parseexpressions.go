package lua

func (p *parser) expressions() []expression {
	list := []expression{p.expression()}
	for p.accept(",") {
		list = append(list, p.expression())
	}
	return list
}

func (p *parser) expression() expression { return p.binary(0) }

// binds says how strongly a binary operator binds to what stands left and right
// of it, 0 for what is none.
func binds(symbol string) (left, right int) {
	switch symbol {
	case "or":
		return 1, 1
	case "and":
		return 2, 2
	case "<", ">", "<=", ">=", "~=", "==":
		return 3, 3
	case "|":
		return 4, 4
	case "~":
		return 5, 5
	case "&":
		return 6, 6
	case "<<", ">>":
		return 7, 7
	case "..":
		return 9, 8
	case "+", "-":
		return 10, 10
	case "*", "/", "//", "%":
		return 11, 11
	case "^":
		return 14, 13
	}
	return 0, 0
}

// unaryBinds is how strongly a unary operator binds.
const unaryBinds = 12

// binary reads operations whose operators bind more strongly than limit.
func (p *parser) binary(limit int) expression {
	p.enter()
	defer p.leave()
	left := p.unary()
	for length := 0; ; length++ {
		p.checkLength(length)
		strength, right := binds(p.token.kind)
		if strength <= limit {
			return left
		}
		operator := p.advance()
		left = combine(operator, left, p.binary(right))
	}
}

// checkLength bounds the length of a chain: what is evaluated lies as deep.
func (p *parser) checkLength(length int) {
	if length > 10_000 {
		p.fail(p.token.at, "an expression of more than 10,000 parts")
	}
}

func combine(operator token, left, right expression) expression {
	n := node{operator.at}
	switch operator.kind {
	case "and", "or":
		return &logical{n, operator.kind == "and", left, right}
	case "<", ">", "<=", ">=", "~=", "==":
		return &comparison{n, operator.kind, left, right}
	}
	return newOperation(n, operator.kind, left, right)
}

func newOperation(n node, symbol string, left, right expression) *operation {
	event := map[string]string{
		"+": "__add", "-": "__sub", "*": "__mul", "/": "__div", "%": "__mod", "^": "__pow", "//": "__idiv",
		"&": "__band", "|": "__bor", "~": "__bxor", "<<": "__shl", ">>": "__shr", "..": "__concat",
	}[symbol]
	bits := false
	switch symbol {
	case "&", "|", "~", "<<", ">>":
		bits = true
	}
	return &operation{n, symbol, event, bits, left, right}
}

func (p *parser) unary() expression {
	switch p.token.kind {
	case "not", "-", "#", "~":
	default:
		return p.simple()
	}
	operator := p.advance()
	e := &unary{node: node{operator.at}, symbol: operator.kind, operand: p.binary(unaryBinds)}
	if e.symbol == "-" || e.symbol == "~" {
		e.minus = newOperation(e.node, e.symbol, e.operand, e.operand)
		e.minus.event = map[string]string{"-": "__unm", "~": "__bnot"}[e.symbol]
	}
	return e
}

func (p *parser) simple() expression {
	at := p.token.at
	switch p.token.kind {
	case tokenNumber:
		return &constant{node{at}, p.advance().number}
	case tokenText:
		return &constant{node{at}, p.advance().text}
	case "nil":
		p.advance()
		return &constant{node{at}, nil}
	case "true", "false":
		return &constant{node{at}, p.advance().kind == "true"}
	case "...":
		p.advance()
		if !p.scope.code.variadic {
			p.fail(at, "no valid Lua: '...' outside of a function with '...'")
		}
		return &dots{node{at}}
	case "{":
		return p.constructor()
	case "function":
		p.advance()
		return p.functionBody(at, "anonymous", false)
	}
	return p.suffixed()
}

// suffixed reads a variable or call with all that follows it.
func (p *parser) suffixed() expression {
	at := p.token.at
	e := p.primary()
	for length := 0; ; length++ {
		p.checkLength(length)
		switch p.token.kind {
		case ".":
			p.advance()
			key := p.expect(tokenName)
			e = &indexed{node: node{at}, object: e, key: &constant{node{key.at}, key.text}}
		case "[":
			p.advance()
			key := p.expression()
			p.expect("]")
			e = &indexed{node: node{at}, object: e, key: key}
		case ":":
			p.advance()
			name := p.expect(tokenName)
			e = &methodCall{node{at}, e, name.text, p.arguments()}
		case "(", "{", tokenText:
			e = &call{node{at}, e, p.arguments()}
		default:
			return e
		}
	}
}

func (p *parser) primary() expression {
	if p.token.kind == tokenName {
		return p.variable(p.advance())
	}
	opened := p.token.at
	if !p.accept("(") {
		p.unexpected("")
	}
	e := p.expression()
	p.expectEnd(")", "(", opened)
	if _, ok := e.(several); ok {
		return &parenthesized{e}
	}
	switch e.(type) {
	case *localVariable, *upvalue, *indexed:
		return &parenthesized{e} // nothing can be assigned to it
	}
	return e
}

// variable resolves a name.
func (p *parser) variable(name token) expression {
	n := node{name.at}
	if v, ok := p.scope.local(name.text); ok {
		return &localVariable{n, name.text, v.slot}
	}
	if i, ok := p.scope.capture(name.text); ok {
		return &upvalue{n, name.text, i}
	}
	environment := token{kind: tokenName, text: "_ENV", at: name.at}
	return &indexed{node: n, object: p.variable(environment), key: &constant{n, name.text}, global: true}
}

func (p *parser) arguments() []expression {
	at := p.token.at
	switch p.token.kind {
	case tokenText:
		return []expression{&constant{node{at}, p.advance().text}}
	case "{":
		return []expression{p.constructor()}
	}
	if !p.accept("(") {
		p.fail(at, "no valid Lua: arguments of a call expected")
	}
	if p.accept(")") {
		return nil
	}
	list := p.expressions()
	p.expectEnd(")", "(", at)
	return list
}

func (p *parser) constructor() expression {
	at := p.expect("{").at
	e := &constructor{node: node{at}}
	for p.token.kind != "}" {
		p.field(e)
		if !p.accept(",") && !p.accept(";") {
			break
		}
	}
	p.expectEnd("}", "{", at)
	return e
}

func (p *parser) field(e *constructor) {
	switch {
	case p.token.kind == tokenName && p.follows("="):
		name := p.advance()
		e.keys = append(e.keys, &constant{node{name.at}, name.text})
	case p.accept("["):
		e.keys = append(e.keys, p.expression())
		p.expect("]")
	default:
		e.list = append(e.list, p.expression())
		e.order = append(e.order, true)
		return
	}
	p.expect("=")
	e.values = append(e.values, p.expression())
	e.order = append(e.order, false)
}

// functionBody reads parameters and body of a function.
func (p *parser) functionBody(at Position, name string, method bool) *closure {
	code := &function{chunk: at.Chunk}
	p.scope = newScope(p.scope)
	p.scope.code = code
	p.scope.open(&block{})
	if method {
		p.scope.declare("self", false)
	}
	p.parameters(code)
	code.parameters = len(p.scope.variables)
	code.body = p.block()
	p.closeBlock()
	p.scope = p.scope.outer
	p.expectEnd("end", "function", at)
	return &closure{node{at}, name, code}
}

func (p *parser) parameters(code *function) {
	p.expect("(")
	for p.token.kind != ")" {
		if p.accept("...") {
			code.variadic = true
			break
		}
		p.scope.declare(p.expect(tokenName).text, false)
		if !p.accept(",") {
			break
		}
		if p.token.kind == ")" {
			p.unexpected(tokenName)
		}
	}
	p.expect(")")
}
