package lua

// functionStatement is function a.b:c(…).
func (p *parser) functionStatement() statement {
	at := p.expect("function").at
	name := p.expect(tokenName)
	target, method := p.variable(name), false
	for p.token.kind == "." || p.token.kind == ":" {
		method = p.advance().kind == ":"
		key := p.expect(tokenName)
		target = &indexed{node: node{key.at}, object: target, key: &constant{node{key.at}, key.text}}
		if method {
			break
		}
	}
	p.checkAssignable(target)
	return &assignment{node{at}, []expression{target}, []expression{p.functionBody(at, name.text, method)}}
}

// local reads a declaration of variables or of a function.
func (p *parser) local(b *block) []statement {
	at := p.expect("local").at
	if p.accept("function") {
		name := p.expect(tokenName)
		slot := p.scope.declare(name.text, false)
		return []statement{&localFunction{node{at}, slot, p.functionBody(at, name.text, false)}}
	}
	s := &localStatement{node: node{at}}
	var names []token
	var attributes []string
	for {
		names = append(names, p.expect(tokenName))
		attributes = append(attributes, p.attribute())
		if !p.accept(",") {
			break
		}
	}
	if p.accept("=") {
		s.values = p.expressions()
	}
	statements := []statement{s}
	for i, name := range names {
		s.slots = append(s.slots, p.scope.declare(name.text, attributes[i] != ""))
		if attributes[i] == "close" {
			b.closes = true
			statements = append(statements, &closing{node{name.at}, s.slots[i]})
		}
	}
	if len(statements) > 2 {
		p.fail(at, "no valid Lua: more than one variable to be closed in a declaration")
	}
	return statements
}

func (p *parser) attribute() string {
	if !p.accept("<") {
		return ""
	}
	name := p.expect(tokenName)
	if name.text != "const" && name.text != "close" {
		p.fail(name.at, "no valid Lua: an attribute that is neither const nor close")
	}
	p.expect(">")
	return name.text
}
