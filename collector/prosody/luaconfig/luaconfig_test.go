package luaconfig_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/prosody/luaconfig"
)

func lookup(name string) (string, bool) {
	value, set := map[string]string{"SECRET": "hunter2", "CREDENTIALS_DIRECTORY": "testdata/credentials"}[name]
	return value, set
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
	}), lookup)
	if err != nil {
		t.Fatal(err)
	}
	want := &luaconfig.Config{
		Global: map[string]any{
			"data_path": "/srv/prosody", "copied": "/srv/prosody", "admin_port": 5582.0, "flag": true, "counted": 3.0, "global_again": 7.0,
			"log":       luaconfig.Table{List: []any{luaconfig.Table{Fields: map[string]any{"levels": luaconfig.Table{List: []any{"error"}}}}}, Fields: map[string]any{"info": "*syslog"}},
			"c2s_ports": luaconfig.Table{List: []any{5222.0, 5223.0}},
			"password":  "hunter2", "other": "hunter2", "third": "none",
			"secret": "first", "all": "first\nsecond\n", "lines": luaconfig.Table{List: []any{"first", "second"}},
		},
		Hosts: []luaconfig.Section{
			{Name: "bücher.example", Options: map[string]any{"x": 1.0}},
			{Name: "b.example", Options: map[string]any{}},
			{Name: "example.com", Options: map[string]any{"enabled": true}},
			{Name: "given.example", Options: map[string]any{"ssl": "x"}},
			{Name: "more.example", Options: map[string]any{}},
		},
		Components: []luaconfig.Section{
			{Name: "rooms.example.com", Options: map[string]any{"restrict": "local"}},
			{Name: "proxy.example.com", Options: map[string]any{"a": 1.0, "nothing": nil}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestConfigurationsThatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct{ content, says string }{
		"no Lua":                   {"data_path = \n\n}", "prosody.cfg.lua:3: no valid Lua"},
		"endless":                  {"while true do end", "does not come to an end"},
		"endless recursion":        {"local function f() return 1 + f() end f()", "error of Lua"},
		"too much memory":          {"local s = 'x' while true do s = s .. s end", "too much memory"},
		"an error of its own":      {"x = 1\nlocal a = 'hunter2' + {}", "prosody.cfg.lua:2: an error of Lua's"},
		"a library":                {"io.open('/etc/passwd')", "prosody.cfg.lua:1: an error of Lua's"},
		"executing":                {"os.execute('true')", "prosody.cfg.lua:1: an error of Lua's"},
		"loading":                  {"load('x = 1')()", "prosody.cfg.lua:1: an error of Lua's"},
		"including elsewhere":      {"\nInclude '/etc/passwd'", "prosody.cfg.lua:2: \"/etc/passwd\" is outside the folder"},
		"including above":          {"Include '../x.lua'", "is outside the folder"},
		"including nothing":        {"Include 'missing.lua'", "no such file"},
		"including itself":         {"Include 'prosody.cfg.lua'", ""},
		"a file that is not there": {"password = FileLine('/nonexistent/secret')", "/nonexistent/secret does not exist"},
		"a credential elsewhere":   {"password = Credential('../x')", "the name of a file in it"},
		"a host without a name":    {"VirtualHost {}", "error of Lua"},
		"tables without an end":    {"local t = {} t[1] = t x = t", "too deep"},
	} {
		_, err := luaconfig.Read(folder(t, map[string]string{"prosody.cfg.lua": c.content}), lookup)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}
	if _, err := luaconfig.Read("/nonexistent/prosody.cfg.lua", lookup); err == nil {
		t.Error("no error without a file")
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
		c, err := luaconfig.Read(folder(t, map[string]string{"prosody.cfg.lua": content}), lookup)
		if (c == nil) == (err == nil) {
			t.Errorf("config %v, error %v", c, err)
		}
	})
}
