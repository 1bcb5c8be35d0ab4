package luaconfig_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"active_users_exporter/collector/prosody/lua"
	"active_users_exporter/collector/prosody/luaconfig"
)

// prosodysPrograms is where Debian installs Prosody 0.12.
const prosodysPrograms = "/usr/lib/prosody"

// sample is a configuration of testdata/corpus.
type sample struct {
	name string
	// impure is what the configuration does that is refused here and not by
	// Prosody; "" for the others.
	impure string
	env    []string
	path   string
}

// samples writes the corpus to a folder.
func samples(tb testing.TB) []sample {
	tb.Helper()
	archives, err := filepath.Glob("testdata/corpus/*.txtar")
	if err != nil || len(archives) < 60 {
		tb.Fatalf("%d configurations, error %v; want at least 60", len(archives), err)
	}
	var made []sample
	for _, archive := range archives {
		parsed, err := txtar.ParseFile(archive)
		if err != nil {
			tb.Fatal(err)
		}
		s := sample{name: strings.TrimSuffix(filepath.Base(archive), ".txtar")}
		_, s.impure, _ = strings.Cut(strings.TrimSpace(string(parsed.Comment)), "impure: ")
		// A short path: Prosody 0.12 stumbles over options that are set twice in
		// files whose paths have more than 59 characters.
		directory, err := os.MkdirTemp("/tmp", "c")
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = os.RemoveAll(directory) })
		placeholders := strings.NewReplacer("@DIR@", directory, "@BOM@", "\ufeff", "@CR@\n", "\r\n")
		for _, file := range parsed.Files {
			content := placeholders.Replace(string(file.Data))
			if file.Name == "env" {
				s.env = strings.Split(strings.TrimSuffix(content, "\n"), "\n")
				continue
			}
			path := filepath.Join(directory, file.Name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				tb.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				tb.Fatal(err)
			}
		}
		s.path = filepath.Join(directory, "prosody.cfg.lua")
		made = append(made, s)
	}
	return made
}

// read reads the configuration here.
func (s sample) read() (*luaconfig.Config, error) {
	return luaconfig.Read(s.path, luaconfig.Surroundings{
		LookupEnv: func(name string) (string, bool) {
			for _, variable := range s.env {
				if value, ok := strings.CutPrefix(variable, name+"="); ok {
					return value, true
				}
			}
			return "", false
		},
		Now: time.Now, Hostname: os.Hostname,
	})
}

// prosodyReads reads configurations with Prosody's own configmanager, with the
// same environment. What it says of one that it refuses begins with "refused: ".
func prosodyReads(tb testing.TB, edition string, env []string, paths ...string) []string {
	tb.Helper()
	command := exec.CommandContext(tb.Context(), "lua5.4", append([]string{"testdata/oracle.lua", prosodysPrograms, edition}, paths...)...)
	command.Env = append([]string{"LC_ALL=C.UTF-8"}, env...)
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		tb.Fatalf("the oracle failed: %v", err)
	}
	answers := strings.SplitAfter(string(output), "\x00")
	if len(answers) != len(paths)+1 {
		tb.Fatalf("%d answers of the oracle for %d configurations", len(answers)-1, len(paths))
	}
	for i := range paths {
		answers[i] = strings.TrimSuffix(answers[i], "\x00")
	}
	return answers[:len(paths)]
}

func requireOracle(tb testing.TB) {
	tb.Helper()
	_, err := exec.LookPath("lua5.4")
	if err == nil {
		_, err = os.Stat(prosodysPrograms + "/core/configmanager.lua")
	}
	if err != nil {
		if os.Getenv("ACTIVE_USERS_TEST_REQUIRE") != "" {
			tb.Fatalf("required here: lua5.4 and Prosody: %v", err)
		}
		tb.Skip("no lua5.4 or no Prosody to compare with")
	}
}

// written writes a configuration as the oracle does.
func written(c *luaconfig.Config) string {
	sections := map[string]string{"*": writtenSection("[*] global\n", c.Global)}
	for _, h := range c.Hosts {
		sections[h.Name] = writtenSection("["+h.Name+"] host\n", h.Options)
	}
	for _, h := range c.Components {
		sections[h.Name] = writtenSection("["+h.Name+"] component "+writtenValue(h.Module)+"\n", h.Options)
	}
	var made strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		made.WriteString(sections[name])
	}
	return made.String()
}

func writtenSection(title string, options map[string]any) string {
	var made strings.Builder
	made.WriteString(title)
	for _, name := range slices.Sorted(maps.Keys(options)) {
		fmt.Fprintf(&made, "  %s = %s\n", writtenValue(name), writtenValue(options[name]))
	}
	return made.String()
}

func writtenValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "<nil>"
	case string:
		var made strings.Builder
		for _, b := range []byte(v) {
			if b >= 0x20 && b < 0x7f {
				made.WriteByte(b)
			} else {
				fmt.Fprintf(&made, "\\x%02x", b)
			}
		}
		return `"` + made.String() + `"`
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return "float " + fmt.Sprintf("%.14g", v)
	case bool:
		return strconv.FormatBool(v)
	case luaconfig.Table:
		var parts []string
		for _, item := range v.List {
			parts = append(parts, writtenValue(item))
		}
		for _, name := range slices.Sorted(maps.Keys(v.Fields)) {
			parts = append(parts, writtenValue(name)+"="+writtenValue(v.Fields[name]))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return fmt.Sprintf("<%s>", v)
}

// outcomes of a configuration beside Prosody.
const (
	understood    = "understood as Prosody does"
	refusedByBoth = "refused by both"
	refusedHere   = "refused here alone"
	wrong         = "read otherwise"
)

// compare compares what is read here with what Prosody reads.
func (s sample) compare(t *testing.T, older, newer string) string {
	t.Helper()
	olderReads, newerReads := !strings.HasPrefix(older, "refused: "), !strings.HasPrefix(newer, "refused: ")
	config, err := s.read()
	switch {
	case !olderReads && !newerReads:
		if err == nil {
			t.Errorf("%s: Prosody refuses it, and it is understood here:\n%s%s", s.name, newer, written(config))
			return wrong
		}
		return refusedByBoth
	case err != nil:
		refusal := &lua.RefusalError{}
		if s.impure == "" || !errors.As(err, &refusal) || !strings.Contains(err.Error(), s.impure) {
			t.Errorf("%s: error %v, and Prosody reads it:\n%s", s.name, err, newer)
		}
		return refusedHere
	case s.impure != "":
		t.Errorf("%s is not impure: it is understood", s.name)
		return wrong
	}
	if got := written(config); newerReads && got != newer {
		t.Errorf("%s, Prosody 13:\nhere\n%s\nProsody\n%s", s.name, got, newer)
		return wrong
	}
	if config.Older != nil && newerReads {
		config = config.Older
	}
	if got := written(config); olderReads && got != older {
		t.Errorf("%s, Prosody 0.12:\nhere\n%s\nProsody\n%s", s.name, got, older)
		return wrong
	}
	return understood
}

// TestConfigurationsAreReadAsProsodyReadsThem reads the corpus here and with
// Prosody's own core/configmanager.lua. The figures of it are in the
// documentation.
func TestConfigurationsAreReadAsProsodyReadsThem(t *testing.T) {
	requireOracle(t)
	figures := make(map[string]int)
	all := samples(t)
	for _, s := range all {
		figures[s.compare(t, prosodyReads(t, "12", s.env, s.path)[0], prosodyReads(t, "13", s.env, s.path)[0])]++
	}
	says := fmt.Sprintf("| %d | %d | %d | %d |", len(all), figures[understood], figures[refusedByBoth], figures[refusedHere])
	documentation, err := os.ReadFile("../../../docs/prosody.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(documentation), says) {
		t.Errorf("docs/prosody.md lacks the row of figures\n%s", says)
	}
}

// TestReasonsOfRefusals: what is refused says where, by line and column of the
// file that it is in, and why, and quotes no secret.
func TestReasonsOfRefusals(t *testing.T) {
	reasons := map[string]string{
		"environment-missing":        "prosody.cfg.lua:1:18: set DB_PASSWORD",
		"include-missing-file":       "prosody.cfg.lua:2:1: the file @DIR@/missing.cfg.lua does not exist",
		"include-missing-folder":     "prosody.cfg.lua:2:1: the folder @DIR@/missing.d does not exist",
		"include-pattern-of-folders": "prosody.cfg.lua:1:1: the folder @DIR@/* does not exist",
		"include-itself":             "prosody.cfg.lua:1:1: the files include one another without end",
		"include-broken":             "broken.lua:1:13: a string without an end in its line",
		"io-open-missing":            "prosody.cfg.lua:1:12: the program raises an error of its own",
		"files-13-missing":           "prosody.cfg.lua:1:10: the file @DIR@/missing.txt does not exist",
		"append-13-missing":          "prosody.cfg.lua:3:1: attempt to index a nil value (global 'modules_enabled')",
		"append-13-unknown":          "prosody.cfg.lua:2:1: Unknown config option operation",
		"append-13-not-a-list":       "prosody.cfg.lua:2:1: 'append' operation expects a list",
		"missing-equals":             "prosody.cfg.lua:2:1: attempt to call a nil value (global 'modules_enabled')",
		"name-not-utf8":              "prosody.cfg.lua:1:1: the name of this Host contains characters that no domain has",
		"name-missing":               "prosody.cfg.lua:1:1: Host must have a name",
		"name-a-table":               "prosody.cfg.lua:1:1: bad argument #1 to 'VirtualHost' (string expected, got table)",
		"clash-component":            "prosody.cfg.lua:2:1: the Component has the name of a VirtualHost",
		"clash-host":                 "prosody.cfg.lua:2:1: the VirtualHost has the name of a Component",
		"module-of-a-host":           "prosody.cfg.lua:1:1: VirtualHost entries do not accept a module name",
		"component-number":           "prosody.cfg.lua:1:1: bad argument #1 to 'Component' (table expected, got number)",
		"syntax-brace":               "prosody.cfg.lua:4:1: no valid Lua: '}' expected, to close '{' of line 1",
		"syntax-quote":               "prosody.cfg.lua:1:12: a string without an end in its line",
		"syntax-typographic":         "prosody.cfg.lua:1:13: a character that is no Lua",
		"byte-order-mark":            "prosody.cfg.lua:1:1: a byte order mark",
		"program-popen":              "prosody.cfg.lua:1:11: the configuration calls io.popen, which the exporter does not do for it",
		"program-execute":            "prosody.cfg.lua:1:4: the configuration calls os.execute",
		"program-module":             "prosody.cfg.lua:2:13: the configuration uses the network",
		"program-other-module":       `prosody.cfg.lua:1:13: the configuration needs the module "ssl"`,
		"program-coroutine":          "prosody.cfg.lua:1:15: the library coroutine is not there",
		"relative-open":              "prosody.cfg.lua:1:11: a file with a relative path",
	}
	for _, s := range samples(t) {
		_, err := s.read()
		want, refused := reasons[s.name]
		want = strings.ReplaceAll(want, "@DIR@", filepath.Dir(s.path))
		if refused != (err != nil) || err != nil && !strings.Contains(err.Error(), "/"+want) {
			t.Errorf("%s: error %v, want %q", s.name, err, want)
		}
		delete(reasons, s.name)
	}
	if len(reasons) > 0 {
		t.Errorf("not in the corpus: %v", reasons)
	}
}
