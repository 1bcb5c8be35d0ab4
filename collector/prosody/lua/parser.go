package lua

// parser reads a program by recursive descent.
type parser struct {
	lexer
	token token // the one to be read
	scope *scope
	depth int
	// left is how many tokens may still be read.
	left int
}

// parse reads a program of at most so many tokens, and returns how many it has.
// Errors are panics of *Error and *RefusalError.
func parse(chunk, source string, limit int) (code *function, tokens int) {
	p := &parser{lexer: lexer{source: source, at: Position{Chunk: chunk, Line: 1, Column: 1}}, left: limit}
	p.token = p.next()
	p.scope = newScope(nil)
	p.scope.code = &function{chunk: chunk, variadic: true, captures: []capture{{name: "_ENV"}}}
	p.scope.code.body = p.block()
	if p.token.kind != tokenEnd {
		p.unexpected("")
	}
	return p.scope.code, limit - p.left
}

func (p *parser) advance() token {
	t := p.token
	if p.left--; p.left < 0 {
		panic(&RefusalError{t.at, "the program takes too much memory"})
	}
	p.token = p.next()
	return t
}

// follows says whether the token behind the next one is of that kind.
func (p *parser) follows(kind string) bool {
	ahead := p.lexer
	return ahead.next().kind == kind
}

// accept reads a token of that kind if it is the next one.
func (p *parser) accept(kind string) bool {
	if p.token.kind == kind {
		p.advance()
		return true
	}
	return false
}

func (p *parser) expect(kind string) token {
	if p.token.kind != kind {
		p.unexpected(kind)
	}
	return p.advance()
}

// expectEnd reads what closes something that was opened at a position.
func (p *parser) expectEnd(kind, what string, opened Position) {
	if p.token.kind != kind {
		if p.token.at.Line == opened.Line {
			p.unexpected(kind)
		}
		p.fail(p.token.at, "no valid Lua: "+quoted(kind)+" expected, to close "+quoted(what)+" of line "+numberText(int64(opened.Line)))
	}
	p.advance()
}

func (p *parser) unexpected(expected string) {
	found := quoted(p.token.kind)
	switch p.token.kind {
	case tokenName, tokenText, tokenNumber:
		found = map[string]string{tokenName: "a name", tokenText: "a string", tokenNumber: "a number"}[p.token.kind]
	case tokenEnd:
		found = "the end of the file"
	}
	switch expected {
	case "":
		p.fail(p.token.at, "no valid Lua: "+found+" is not expected here")
	case tokenName:
		p.fail(p.token.at, "no valid Lua: a name expected, but there is "+found)
	default:
		p.fail(p.token.at, "no valid Lua: "+quoted(expected)+" expected, but there is "+found)
	}
}

func quoted(text string) string { return "'" + text + "'" }

// enter bounds how deep what is written lies in one another.
func (p *parser) enter() {
	if p.depth++; p.depth > maxNesting {
		p.fail(p.token.at, "no valid Lua: more than 200 levels lie in one another")
	}
}

func (p *parser) leave() { p.depth-- }

// blockEnds says whether a block ends here.
func (p *parser) blockEnds() bool {
	switch p.token.kind {
	case tokenEnd, "end", "else", "elseif", "until":
		return true
	}
	return false
}

// block reads statements in a scope of their own.
func (p *parser) block() *block {
	b := p.openBlock()
	p.closeBlock()
	return b
}

// openBlock reads statements and leaves their scope open.
func (p *parser) openBlock() *block {
	b := &block{}
	p.scope.open(b)
	for !p.blockEnds() {
		if p.token.kind == "return" {
			b.statements = append(b.statements, p.returnStatement())
			break
		}
		b.statements = append(b.statements, p.statement(b)...)
	}
	return b
}

func (p *parser) closeBlock() { p.scope.close(p) }

func (p *parser) returnStatement() statement {
	s := &returnStatement{node: node{p.expect("return").at}}
	if !p.blockEnds() && p.token.kind != ";" {
		s.values = p.expressions()
	}
	p.accept(";")
	return s
}

// statement reads one statement; those that do nothing are none.
func (p *parser) statement(b *block) []statement {
	p.enter()
	defer p.leave()
	at := p.token.at
	switch p.token.kind {
	case ";":
		p.advance()
		return nil
	case "::":
		p.label(b)
		return nil
	case "local":
		return p.local(b)
	case "if":
		return []statement{p.ifStatement()}
	case "while":
		return []statement{p.while()}
	case "do":
		p.advance()
		s := &doStatement{p.block()}
		p.expectEnd("end", "do", at)
		return []statement{s}
	case "for":
		return []statement{p.forStatement()}
	case "repeat":
		return []statement{p.repeat()}
	case "function":
		return []statement{p.functionStatement()}
	case "break":
		p.advance()
		if p.scope.loops == 0 {
			p.fail(at, "no valid Lua: break outside of a loop")
		}
		return []statement{&breakStatement{node{at}}}
	case "goto":
		p.advance()
		name := p.expect(tokenName)
		p.scope.jump(name.text, at)
		return []statement{&gotoStatement{node{at}, name.text}}
	}
	return []statement{p.expressionStatement()}
}

func (p *parser) label(b *block) {
	p.advance()
	name := p.expect(tokenName)
	p.expect("::")
	for p.token.kind == ";" || p.token.kind == "::" {
		if p.token.kind == "::" {
			p.label(b)
			continue
		}
		p.advance()
	}
	p.scope.label(p, name, len(b.statements), p.blockEnds() && p.token.kind != "until")
}

func (p *parser) ifStatement() statement {
	at := p.expect("if").at
	s := &ifStatement{}
	for {
		s.conditions = append(s.conditions, p.expression())
		p.expect("then")
		s.bodies = append(s.bodies, p.block())
		if !p.accept("elseif") {
			break
		}
	}
	if p.accept("else") {
		s.bodies = append(s.bodies, p.block())
	}
	p.expectEnd("end", "if", at)
	return s
}

func (p *parser) while() statement {
	at := p.expect("while").at
	condition := p.expression()
	p.expect("do")
	s := &whileStatement{condition, p.loopBody()}
	p.expectEnd("end", "while", at)
	return s
}

func (p *parser) loopBody() *block {
	p.scope.loops++
	b := p.block()
	p.scope.loops--
	return b
}

func (p *parser) repeat() statement {
	at := p.expect("repeat").at
	p.scope.loops++
	body := p.openBlock()
	p.expectEnd("until", "repeat", at)
	// The condition sees the variables of the body.
	s := &repeatStatement{body, p.expression()}
	p.closeBlock()
	p.scope.loops--
	return s
}

func (p *parser) forStatement() statement {
	at := p.expect("for").at
	names := []token{p.expect(tokenName)}
	if p.token.kind != "=" && p.token.kind != "," && p.token.kind != "in" {
		p.fail(p.token.at, "no valid Lua: '=' or 'in' expected")
	}
	if p.accept("=") {
		s := &numericFor{node: node{at}, from: p.expression()}
		p.expect(",")
		s.to = p.expression()
		if p.accept(",") {
			s.by = p.expression()
		}
		slots, body := p.forBody(names, at)
		s.slot, s.body = slots[0], body
		return s
	}
	for p.accept(",") {
		names = append(names, p.expect(tokenName))
	}
	p.expect("in")
	s := &genericFor{node: node{at}, values: p.expressions()}
	s.slots, s.body = p.forBody(names, at)
	return s
}

// forBody reads the body of a loop with its variables.
func (p *parser) forBody(names []token, at Position) ([]int, *block) {
	p.expect("do")
	p.scope.open(&block{})
	slots := make([]int, len(names))
	for i, name := range names {
		slots[i] = p.scope.declare(name.text, false)
	}
	body := p.loopBody()
	p.closeBlock()
	p.expectEnd("end", "for", at)
	return slots, body
}

// expressionStatement is a call or an assignment.
func (p *parser) expressionStatement() statement {
	at := p.token.at
	first := p.suffixed()
	if p.token.kind != "=" && p.token.kind != "," {
		if made, ok := first.(several); ok {
			return &callStatement{made}
		}
		p.unexpected("")
	}
	s := &assignment{node: node{at}, targets: []expression{first}}
	for p.accept(",") {
		s.targets = append(s.targets, p.suffixed())
	}
	for _, target := range s.targets {
		p.checkAssignable(target)
	}
	p.expect("=")
	s.values = p.expressions()
	return s
}

func (p *parser) checkAssignable(target expression) {
	switch t := target.(type) {
	case *indexed:
		return
	case *localVariable:
		if p.scope.constant(t.name) {
			p.fail(t.position, "no valid Lua: an assignment to the constant "+quoted(t.name))
		}
		return
	case *upvalue:
		if p.scope.constant(t.name) {
			p.fail(t.position, "no valid Lua: an assignment to the constant "+quoted(t.name))
		}
		return
	}
	p.unexpected("")
}
