package lua_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// program writes random programs of the language that configuration files are
// written in: expressions, tables, loops, functions, strings and their library.
type program struct {
	*rand.Rand
	made      strings.Builder
	variables []string
	depth     int
}

func (p *program) choose(choices ...string) string { return choices[p.IntN(len(choices))] }

func (p *program) number() string {
	return p.choose("0", "1", "2", "3", "7", "-1", "10", "64", "0.5", "2.0", "1e3", "1e15", "3.25", "0x10", "-0.0", "1e300",
		"9223372036854775807", "-9223372036854775808", "4294967296", "1e-7", "100")
}

func (p *program) text() string {
	return p.choose(`""`, `"a"`, `"example.com"`, `"10"`, `"0x1f"`, `" 7 "`, `"1e2"`, `"a,b,,c"`, `"key = value"`, `"UPPER"`, `'q"uote'`,
		`"[x]"`, `"%d"`, `"muc:conference"`, `[[long]]`, `"tab\tand\nline"`, `"ä€"`, `"\0z"`, `"-"`, `"a.b.c"`)
}

func (p *program) pattern() string {
	return p.choose(`"%w+"`, `"[^,]+"`, `"^%s*(.-)%s*$"`, `"(%a+)%.(%a+)"`, `"."`, `"%d*"`, `".-"`, `"[%a_][%w_]*"`, `"()"`, `"^a"`, `"c$"`,
		`"%b[]"`, `"%f[%w]%w+"`, `"(.)%1"`, `"[a-c]"`, `"[^a-c]+"`, `"%"`, `"["`, `"(a"`, `"a?b*"`, `"%%"`, `""`, `"([^:]*):?"`)
}

// expression writes an expression.
func (p *program) expression() string {
	if p.depth++; p.depth > 5 {
		p.depth--
		return p.number()
	}
	defer func() { p.depth-- }()
	kinds := []string{"number", "text", "variable", "binary", "unary", "call", "method", "table", "index", "logical", "compare", "function", "parenthesis"}
	switch p.choose(kinds...) {
	case "number":
		return p.number()
	case "text":
		return p.text()
	case "binary":
		return p.expression() + " " + p.choose("+", "-", "*", "/", "//", "%", "^", "..", "&", "|", "~", "<<", ">>") + " " + p.expression()
	case "unary":
		return p.choose("-", "not ", "#", "~") + p.expression()
	case "call":
		return p.call()
	case "method":
		return p.method()
	case "table":
		return p.table()
	case "index":
		return "(" + p.table() + ")[" + p.expression() + "]"
	case "logical":
		return p.expression() + p.choose(" and ", " or ") + p.expression()
	case "compare":
		return p.expression() + p.choose(" == ", " ~= ", " < ", " <= ", " > ", " >= ") + p.expression()
	case "function":
		return "(function(...) local a, b = ... return " + p.expression() + ", a, b end)(" + p.expression() + ", " + p.expression() + ")"
	case "parenthesis":
		return "(" + p.expression() + ")"
	}
	if len(p.variables) == 0 {
		return "nil"
	}
	return p.choose(p.variables...)
}

func (p *program) call() string {
	a, b := p.expression(), p.expression()
	return strings.NewReplacer("A", a, "B", b, "P", p.pattern(), "T", p.table()).Replace(p.choose(
		"tostring(A)", "tonumber(A)", "tonumber(A, 10)", "type(A)", "select('#', A, B)", "select(2, A, B)", "math.floor(A)", "math.max(A, B)",
		"math.type(A)", "math.tointeger(A)", "math.abs(A)", "math.fmod(A, B)", "string.rep(A, 3, B)", "string.format('%s %5s|%-5s|', tostring(A), tostring(B), tostring(A))",
		"string.format('%d %x', A, B)", "string.format('%g %.3f', A, B)", "string.format('%q', A)", "table.concat(T, A)", "table.unpack(T)",
		"table.pack(A, B).n", "pcall(string.find, A, P)", "(pcall(error, A))", "rawequal(A, B)", "rawlen(T)", "next(T) == nil", "utf8.len(A)",
		"string.byte(A, 1, 3)", "assert(A, B)", "math.ceil(A)", "math.ult(A, B)", "string.gsub(A, P, B)", "ipairs(T) ~= nil"))
}

func (p *program) method() string {
	a, b := p.expression(), p.expression()
	return "(" + p.text() + ")" + strings.NewReplacer("A", a, "B", b, "P", p.pattern()).Replace(p.choose(
		":upper()", ":lower()", ":len()", ":reverse()", ":rep(3)", ":sub(A)", ":sub(A, B)", ":sub(2, -2)", ":find(P)", ":find(A, 1, true)", ":match(P)",
		":match(P, A)", ":gsub(P, '%0%0')", ":gsub(P, { a = 'x', b = false })", ":gsub(P, function(c) return c end)", ":byte()", ":gsub(P, A, 2)", ":format(A, B)"))
}

func (p *program) table() string {
	var items []string
	for range p.IntN(5) {
		switch p.choose("list", "name", "key") {
		case "list":
			items = append(items, "("+p.expression()+") or 0")
		case "name":
			items = append(items, p.choose("driver", "host", "port", "x")+" = "+p.expression())
		default:
			items = append(items, "["+p.choose("1", "2", `"x"`, "true", "2.5", "1.0")+"] = "+p.expression())
		}
	}
	return "{ " + strings.Join(items, p.choose(", ", "; ")) + " }"
}

// tried writes an expression whose error is a value.
func (p *program) tried() string { return "try(function() return " + p.expression() + " end)" }

// statements writes some statements.
func (p *program) statements() {
	known := len(p.variables)
	for range 1 + p.IntN(4) {
		p.statement()
	}
	p.variables = p.variables[:known]
}

func (p *program) statement() {
	kinds := []string{"local", "assign", "insert", "gmatch"}
	if p.depth < 3 {
		kinds = append(kinds, "if", "for", "while", "ipairs", "function", "goto")
	}
	p.depth++
	defer func() { p.depth-- }()
	kind := p.choose(kinds...)
	switch kind {
	case "local":
		name := fmt.Sprintf("v%d", len(p.variables))
		fmt.Fprintf(&p.made, "local %s%s = %s\n", name, p.choose("", "", " <const>"), p.tried())
		p.variables = append(p.variables, name)
	case "assign":
		fmt.Fprintf(&p.made, "result[%s] = %s\n", p.choose("1", "2", "3", `"x"`, `"y"`), p.tried())
	case "insert":
		fmt.Fprintf(&p.made, "push(list, %s)\n", p.tried())
	case "gmatch":
		fmt.Fprintf(&p.made, "push(list, (pcall(function() for a, b in (%s):gmatch(%s) do push(list, a) push(list, b) end end)))\n", p.text(), p.pattern())
	case "if":
		fmt.Fprintf(&p.made, "if %s then\n", p.tried())
		p.statements()
		p.made.WriteString("else\n")
		p.statements()
		p.made.WriteString("end\n")
	case "for":
		fmt.Fprintf(&p.made, "for i = %s, %s, %s do\n if (list.n or 0) > 20 then break end\n", p.choose("1", "3", "1.0"), p.choose("3", "0", "4.5"), p.choose("1", "-1", "0.5", "2"))
		p.statements()
		p.made.WriteString("push(list, i) end\n")
	case "ipairs":
		fmt.Fprintf(&p.made, "for i, v in ipairs(try(function() return %s end)) do\n", p.table())
		p.statements()
		p.made.WriteString("push(list, v) end\n")
	case "while":
		p.made.WriteString("do local n = 0 while n < 3 do n = n + 1\n")
		p.statements()
		p.made.WriteString("end end\n")
	case "function":
		p.made.WriteString("do local function f(a, ...)\n")
		p.statements()
		fmt.Fprintf(&p.made, "return a, ... end\npush(list, (f(%s))) result.n = select('#', f(%s)) end\n", p.tried(), p.tried())
	case "goto":
		p.made.WriteString("do local n = 0 ::again:: n = n + 1 if n < 3 then\n")
		p.statements()
		p.made.WriteString("goto again end end\n")
	}
}

// prelude keeps the addresses of tables out of what is compared, and holes out
// of lists, whose length is not defined.
const prelude = `local plain = tostring
local function tostring(v) if type(v) == "table" or type(v) == "function" then return type(v) end return plain(v) end
local function try(f) local ok, v = pcall(f) if ok then return v end return "failed" end
local function push(list, v) if v == nil then v = "nothing" end list.n = (list.n or 0) + 1 list[list.n] = v end
`

// generated returns the program of a number: the same for each run.
func generated(seed uint64) string {
	p := &program{Rand: rand.New(rand.NewPCG(seed, 0))}
	p.made.WriteString(prelude + "local result, list = {}, {}\nlocal ok = pcall(function()\n")
	p.statements()
	p.made.WriteString("end)\nreturn ok, result, list, " + p.tried() + "\n")
	return p.made.String()
}

// TestGeneratedProgramsMeanWhatLua54Takes runs random programs here and in
// lua5.4: both give the same values, and fail in the same cases.
func TestGeneratedProgramsMeanWhatLua54Takes(t *testing.T) {
	oracle := newOracle(t)
	understood, failed := 0, 0
	for seed := range uint64(3000) {
		text := generated(seed)
		want, got := oracle.run(t, text), ours(text)
		if got != want {
			t.Fatalf("program %d\n%s\nhere:   %s\nlua5.4: %s", seed, text, got, want)
		}
		if strings.HasPrefix(want, "ok true") {
			understood++
		} else {
			failed++
		}
	}
	if understood < 1500 || failed < 100 {
		t.Errorf("%d programs ran and %d failed: the generator makes too few of one kind", understood, failed)
	}
}

// FuzzGeneratedPrograms goes on with further numbers.
func FuzzGeneratedPrograms(f *testing.F) {
	oracle := newOracle(f)
	f.Add(uint64(0))
	f.Fuzz(func(t *testing.T, seed uint64) {
		text := generated(seed)
		if want, got := oracle.run(t, text), ours(text); got != want {
			t.Fatalf("program\n%s\nhere:   %s\nlua5.4: %s", text, got, want)
		}
	})
}
