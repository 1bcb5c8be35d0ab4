package luaconfig_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// generator writes random configurations: sections, options, Include, operations.
type generator struct {
	*rand.Rand
	made  strings.Builder
	depth int
}

func (g *generator) choose(choices ...string) string { return choices[g.IntN(len(choices))] }

func (g *generator) name() string {
	return g.choose(`"a.example"`, `"b.example"`, `"A.Example"`, `"c.example"`, `ENV_DOMAIN`, `("x" .. 1 .. ".example")`, `ENV_UNSET`, `("%s.example"):format("d")`)
}

func (g *generator) option() string {
	return g.choose("modules_enabled", "storage", "sql", "data_path", "admins", "enabled", "name", "log")
}

func (g *generator) value() string {
	if g.depth++; g.depth > 3 {
		g.depth--
		return "1"
	}
	defer func() { g.depth-- }()
	switch g.IntN(8) {
	case 0:
		return g.choose("true", "false", "nil", "5222", "0.5", "60 * 60", "10 / 2", "7 // 2", `"internal"`, `"sql"`, "ENV_DOMAIN", `ENV_UNSET or "none"`)
	case 1, 2:
		return "{ " + g.value() + ", " + g.value() + " }"
	case 3:
		return "{ driver = " + g.value() + "; host = " + g.value() + ", " + g.value() + " }"
	case 4:
		return `("a,b,c"):` + g.choose(`upper()`, `match("[^,]+")`, `gsub(",", ";")`, `rep(2)`, `sub(2, -2)`)
	case 5:
		return g.option() // given back by 13, and not before
	case 6:
		return `tonumber(` + g.choose(`"12"`, `ENV_UNSET or "7"`, `"x"`) + `)`
	}
	return `"` + g.choose("roster", "saslauth", "mam", "*") + `"`
}

func (g *generator) table() string {
	return "{ " + g.option() + " = " + g.value() + "; " + g.option() + " = " + g.value() + " }"
}

func (g *generator) statement() {
	if g.depth++; g.depth > 3 {
		g.depth--
		return
	}
	defer func() { g.depth-- }()
	switch g.IntN(16) {
	case 0, 1, 2, 3:
		fmt.Fprintf(&g.made, "%s = %s\n", g.option(), g.value())
	case 4, 5:
		fmt.Fprintf(&g.made, "VirtualHost(%s)\n", g.name())
	case 6:
		fmt.Fprintf(&g.made, "VirtualHost(%s) %s\n", g.name(), g.table())
	case 7:
		fmt.Fprintf(&g.made, "Component(%s) %s\n", g.name(), g.choose(`"muc"`, g.table(), `"muc" `+g.table(), `"proxy65" ()`))
	case 8:
		fmt.Fprintf(&g.made, "Component(%s)\n", g.name())
	case 9:
		fmt.Fprintf(&g.made, "Include %s\n", g.choose(`"part.lua"`, `"./part.lua"`, `"parts/*.lua"`, `"parts/?.lua"`, `"missing.lua"`, `"none/*.lua"`))
	case 10:
		fmt.Fprintf(&g.made, "%s%s\n", g.option(), g.choose(`:append { "x", "y" }`, ` { "z" }`, `:append { rate = "1kb/s" }`, `:value()`, `:unknown()`))
	case 11:
		fmt.Fprintf(&g.made, "for i, v in ipairs(%s) do\n", g.value())
		g.statement()
		g.made.WriteString("end\n")
	case 12:
		fmt.Fprintf(&g.made, "if %s then\n", g.value())
		g.statement()
		g.made.WriteString("else\n")
		g.statement()
		g.made.WriteString("end\n")
	case 13:
		fmt.Fprintf(&g.made, "local t = %s\n%s = t\nif type(t) == \"table\" then t.later = 1 end\n", g.value(), g.option())
	case 14:
		g.made.WriteString("pcall(function()\n")
		g.statement()
		g.made.WriteString("end)\n")
	case 15:
		fmt.Fprintf(&g.made, "local function f(n) VirtualHost(n) %s = n end\nf(%s)\n", g.option(), g.name())
	}
}

// TestGeneratedConfigurationsAreReadAsProsodyReadsThem reads random
// configurations here and with Prosody's own core/configmanager.lua.
func TestGeneratedConfigurationsAreReadAsProsodyReadsThem(t *testing.T) {
	requireOracle(t)
	directory, err := os.MkdirTemp("/tmp", "c") // a short path, as for the corpus
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	write := func(name, content string) string {
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("part.lua", `name = "of the part" VirtualHost "part.example" enabled = true`)
	write("parts/1.lua", `log = { "1" }`)
	write("parts/2.lua", `Component "muc.example" "muc" { name = "2" }`)
	write("parts/.3.lua", `not read`)
	env := []string{"DOMAIN=Env.Example"}
	var all []sample
	var paths []string
	for seed := range uint64(600) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
		for range 2 + g.IntN(5) {
			g.statement()
		}
		path := write(fmt.Sprintf("%d.cfg.lua", seed), g.made.String())
		paths = append(paths, path)
		all = append(all, sample{name: "configuration\n" + g.made.String(), env: env, path: path})
	}
	older, newer := prosodyReads(t, "12", env, paths...), prosodyReads(t, "13", env, paths...)
	figures := make(map[string]int)
	for i, s := range all {
		if outcome := s.compare(t, older[i], newer[i]); outcome == wrong {
			t.FailNow()
		} else {
			figures[outcome]++
		}
	}
	if figures[understood] < 100 || figures[refusedByBoth] < 50 || figures[refusedHere] > 0 {
		t.Errorf("%v: want more of each kind, and none that is refused here alone", figures)
	}
}
