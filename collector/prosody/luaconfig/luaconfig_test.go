package luaconfig_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/prosody/luaconfig"
)

func lookup(name string) (string, bool) {
	value, set := map[string]string{"SECRET": "hunter2", "CREDENTIALS_DIRECTORY": "testdata/credentials"}[name]
	return value, set
}

// around is a machine on which it is always the same time.
func around() luaconfig.Surroundings {
	return luaconfig.Surroundings{
		LookupEnv: lookup,
		Now:       func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) },
		Hostname:  func() (string, error) { return "machine.example", nil },
	}
}

// folder makes files below a folder and returns the path of prosody.cfg.lua.
func folder(tb testing.TB, files map[string]string) string {
	tb.Helper()
	directory := tb.TempDir()
	for name, content := range files {
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return filepath.Join(directory, "prosody.cfg.lua")
}

func TestWhatAConfigurationMaySay(t *testing.T) {
	got, err := luaconfig.Read(folder(t, map[string]string{
		"prosody.cfg.lua": `#!/usr/bin/lua
			data_path = "/srv/" .. "prosody"; log = { info = "*syslog", { levels = { "error" } } }
			c2s_ports = { 5222, 5223 }
			admin_port = ENV_PORT or 5582
			password = ENV_SECRET; other = os.getenv("SECRET"); third = Lua.os.getenv("NOTHING") or "none"
			copied = data_path
			flag = not false
			secret = FileLine("secret.txt"); all = FileContents("secret.txt"); lines = FileLines("secret.txt")
			for i = 1, 3 do counted = i end
			Include "conf.d/*.cfg.lua"
			VirtualHost "example.com"
				enabled = true
			VirtualHost "given.example" { ssl = "x" }
			Include "more.lua"
			Component "rooms.example.com" "muc"
				restrict = "local"
			Component ("proxy.example.com") { a = 1 }
			nothing = unknown_name`,
		"secret.txt":         "first\nsecond\n",
		"more.lua":           `global_again = 7 VirtualHost "more.example"`,
		"conf.d/a.cfg.lua":   `VirtualHost "bücher.example"  x = 1`,
		"conf.d/b.cfg.lua":   `VirtualHost "b.example"`,
		"conf.d/ignored.txt": `this is not Lua`,
	}), around())
	if err != nil {
		t.Fatal(err)
	}
	if place := got.Places[luaconfig.Place{Section: "rooms.example.com", Option: "restrict"}]; !strings.HasSuffix(place, "prosody.cfg.lua:16:5") {
		t.Errorf("the option restrict is at %q", place)
	}
	got.Places = nil
	want := &luaconfig.Config{
		Global: map[string]any{
			"data_path": "/srv/prosody", "copied": "/srv/prosody", "admin_port": int64(5582), "flag": true, "counted": int64(3), "global_again": int64(7),
			"log":       luaconfig.Table{List: []any{luaconfig.Table{Fields: map[string]any{"levels": luaconfig.Table{List: []any{"error"}}}}}, Fields: map[string]any{"info": "*syslog"}},
			"c2s_ports": luaconfig.Table{List: []any{int64(5222), int64(5223)}},
			"password":  "hunter2", "other": "hunter2", "third": "none",
			"secret": "first", "all": "first\nsecond\n", "lines": luaconfig.Table{List: []any{"first", "second"}},
		},
		Hosts: []luaconfig.Section{
			{Name: "bücher.example", Options: map[string]any{"x": int64(1)}},
			{Name: "b.example", Options: map[string]any{}},
			{Name: "example.com", Options: map[string]any{"enabled": true}},
			{Name: "given.example", Options: map[string]any{"ssl": "x"}},
			{Name: "more.example", Options: map[string]any{}},
		},
		Components: []luaconfig.Section{
			{Name: "rooms.example.com", Module: "muc", Options: map[string]any{"restrict": "local"}},
			{Name: "proxy.example.com", Module: "component", Options: map[string]any{"a": int64(1)}},
		},
		Unset: []string{"NOTHING", "PORT"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestConfigurationsThatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct{ content, says string }{
		"no Lua":                     {"data_path = \n\n}", "prosody.cfg.lua:3:1: no valid Lua: '}' is not expected here"},
		"endless":                    {"while true do end", "prosody.cfg.lua:1:7: the program does not come to an end"},
		"a pattern without end":      {"x = (('a'):rep(3000)):find(('.-'):rep(30) .. 'b')", "does not come to an end"},
		"endless recursion":          {"local function f() return 1 + f() end f()", "calls lie in one another"},
		"too much memory":            {"local s = 'x' while true do s = s .. s end", "too much memory"},
		"too many options":           {"for i = 1, 1e9 do _ENV['o' .. i] = i end", "too much memory"},
		"too many hosts":             {"for i = 1, 1e9 do VirtualHost('h' .. i) end", "too much memory"},
		"an error of its own":        {"x = 1\nlocal a = 'hunter2' + {}", "prosody.cfg.lua:2:21: attempt to perform arithmetic on a string value"},
		"a message of its own":       {"error('hunter2' .. ENV_SECRET)", "prosody.cfg.lua:1:1: the program raises an error of its own"},
		"writing":                    {"io.open('/tmp/x', 'w')", "prosody.cfg.lua:1:1: io.open for writing"},
		"writing, caught":            {"pcall(io.open, '/tmp/x', 'w')", "io.open for writing"},
		"executing":                  {"os.execute('true')", "prosody.cfg.lua:1:1: the configuration calls os.execute"},
		"ending":                     {"os.exit(1)", "the configuration calls os.exit"},
		"removing":                   {"os.remove('/tmp/x')", "the configuration calls os.remove"},
		"debugging":                  {"debug.getinfo(1)", "the library debug is not there"},
		"a program as a file":        {"loadfile('/etc/passwd')", "the configuration calls loadfile"},
		"bytecode":                   {"string.dump(VirtualHost)", "the configuration calls string.dump"},
		"an unknown module":          {"require 'util.sql'", "prosody.cfg.lua:1:1: the configuration needs the module \"util.sql\", which is not there: the exporter has the modules lfs, "},
		"an unknown module, caught":  {"pcall(require, 'cjson')", "needs the module \"cjson\""},
		"a folder as a file":         {"Include '.'", "it is a folder, not a file"},
		"a device":                   {"Include '/dev/zero'", "it is no regular file"},
		"a huge file":                {"Include '/proc/kallsyms'", ""},
		"including nothing":          {"Include 'missing.lua'", "prosody.cfg.lua:1:1: the file "},
		"including itself":           {"Include 'prosody.cfg.lua'", "the files include one another without end"},
		"including no configuration": {"Include '/etc/passwd'", "/etc/passwd:1:7: no valid Lua"},
		"a file that is not there":   {"password = FileLine('/nonexistent/secret')", "/nonexistent/secret does not exist"},
		"a credential elsewhere":     {"password = Credential('../x')", "the name of a file in it"},
		"a credential not there":     {"password = Credential('x')", "testdata/credentials/x does not exist"},
		"a host without a name":      {"VirtualHost {}", "prosody.cfg.lua:1:1: bad argument #1 to 'VirtualHost' (string expected, got table)"},
	} {
		_, err := luaconfig.Read(folder(t, map[string]string{"prosody.cfg.lua": c.content}), around())
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}
	// A table in itself is a value like others, which no option of ours is.
	if c, err := luaconfig.Read(folder(t, map[string]string{"prosody.cfg.lua": "local t = {} t[1] = t x = t"}), around()); err != nil || cmp.Diff(c.Global["x"], luaconfig.Table{List: []any{luaconfig.Opaque("table")}}) != "" {
		t.Errorf("a table in itself: %v, error %v", c, err)
	}
	deep, err := luaconfig.Read(folder(t, map[string]string{"prosody.cfg.lua": "local t = {} for i = 1, 100000 do t = { t } end x = t"}), around())
	if err != nil || deep.Global["x"] == nil {
		t.Errorf("100,000 tables in one another: %v", err)
	}
	if _, err := luaconfig.Read("/nonexistent/prosody.cfg.lua", around()); err == nil {
		t.Error("no error without a file")
	}
}

// A pipe is not waited for, neither as a configuration nor as a file that it reads.
func TestPipesAreNotRead(t *testing.T) {
	configuration := folder(t, map[string]string{"prosody.cfg.lua": "Include 'pipe.lua'"})
	pipe := filepath.Join(filepath.Dir(configuration), "pipe.lua")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{configuration, pipe} {
		said := make(chan error, 1)
		go func() {
			_, err := luaconfig.Read(path, around())
			said <- err
		}()
		select {
		case err := <-said:
			if err == nil || !strings.Contains(err.Error(), pipe+": it is no regular file") {
				t.Errorf("%s: error %v, want that the pipe is no file", path, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: it waits for the pipe", path)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`data_path = "/x" VirtualHost "a" x = { "y"; z = 1 } Component "b" "muc"`,
		`Include "*.lua" a = ENV_X .. FileLine("f")`, `while true do end`, `x = ("a"):rep(9)`, "local t = setmetatable({}, {})",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		c, err := luaconfig.Read(folder(t, map[string]string{"prosody.cfg.lua": content}), around())
		if (c == nil) == (err == nil) {
			t.Errorf("config %v, error %v", c, err)
		}
	})
}
