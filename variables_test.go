package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"

	"active_users_exporter/config"
	"active_users_exporter/test/must"
)

// setting is how a flag can be set: two valid values, and one that is not, if any text
// is wrong; and the key of the file that says the same.
type setting struct {
	one, other, wrong string
	key               string // in the file, written for a value
	read              func(*config.Config) string
}

// allSettings are all flags that have an environment variable.
func allSettings() map[string]setting {
	text := setting{one: "one", other: "other"}
	truth := setting{one: "true", other: "false", wrong: "perhaps"}
	return map[string]setting{
		"config.file": text, "url": text, "password-file": text, "client-cert-file": text, "client-key-file": text, "web.config.file": text, "web.telemetry-path": text,
		"cohorts": truth, "web.systemd-socket": truth, "web.enable-lifecycle": truth, "syntax-only": truth, "job": text, "instance": text, "long": truth,
		"step":               {one: "15m", other: "30m", wrong: "often"},
		"log.level":          {one: "debug", other: "warn", wrong: "loud"},
		"log.format":         {one: "logfmt", other: "json", wrong: "xml"},
		"web.pages":          {one: "on", other: "off", wrong: "perhaps"},
		"output":             {one: "json", other: "html", wrong: "xml"},
		"web.listen-address": {one: "127.0.0.1:1", other: "127.0.0.1:2"},
		"server":             {one: "prosody=one", other: "prosody=other"},
		"refresh.interval": {
			one: "15m", other: "30m", wrong: "often", key: "refresh_interval: %s",
			read: func(c *config.Config) string { return c.RefreshInterval.String() },
		},
		"reports.listen-address": {
			one: "127.0.0.1:1", other: "127.0.0.1:2", key: "reports: {listen_address: '%s'}",
			read: func(c *config.Config) string { return c.Reports.ListenAddress },
		},
		"storage.path": {
			one: "/one", other: "/other", key: "storage: {path: '%s'}",
			read: func(c *config.Config) string { return c.Storage.Location.String() },
		},
	}
}

// parsed returns what a flag is set to by a command line.
func parsed(t *testing.T, flag string, arguments ...string) string {
	t.Helper()
	app, _, _ := newApplication(io.Discard, io.Discard)
	if _, err := app.Parse(arguments); err != nil {
		t.Fatalf("%v: %v", arguments, err)
	}
	flags := app.Model().Flags
	for _, c := range app.Model().FlattenedCommands() {
		if strings.HasPrefix(strings.Join(arguments, " ")+" ", c.FullCommand+" ") {
			flags = append(flags, c.Flags...)
		}
	}
	for _, f := range flags {
		if f.Name == flag {
			return strings.Trim(f.Value.String(), "[]")
		}
	}
	t.Fatalf("%v: no flag %s", arguments, flag)
	return ""
}

// Each flag of each command goes before its environment variable, and that before the
// default; an empty variable says nothing. A wrong value is refused with the name of
// the variable.
func TestFlagsGoBeforeVariables(t *testing.T) {
	app, _, _ := newApplication(io.Discard, io.Discard)
	walked := make(map[string]bool)
	walk := func(command string, flags []*kingpin.FlagModel) {
		for _, f := range flags {
			if f.Envar == "" {
				continue
			}
			s, known := allSettings()[f.Name]
			if !known {
				t.Errorf("no values are known for --%s", f.Name)
				continue
			}
			walked[f.Name] = true
			t.Run(command+" "+f.Name, func(t *testing.T) {
				line := append(strings.Fields(command), requiredOf(command)...)
				without := parsed(t, f.Name, line...)
				t.Setenv(f.Envar, "")
				if got := parsed(t, f.Name, line...); got != without {
					t.Errorf("with an empty variable %q, want the default %q", got, without)
				}
				t.Setenv(f.Envar, s.one)
				if got := parsed(t, f.Name, line...); !sameText(got, s.one) {
					t.Errorf("by the variable %q, want %q", got, s.one)
				}
				flag := "--" + f.Name + "=" + s.other
				if f.IsBoolFlag() {
					flag = "--no-" + f.Name
				}
				if got := parsed(t, f.Name, append(line, flag)...); !sameText(got, s.other) {
					t.Errorf("by the flag beside the variable %q, want %q", got, s.other)
				}
				if s.wrong == "" {
					return
				}
				t.Setenv(f.Envar, s.wrong)
				var out, log bytes.Buffer
				if code := run(line, &out, &log); code != exitUsage || !strings.Contains(log.String(), f.Envar) || !strings.Contains(log.String(), s.wrong) {
					t.Errorf("exit code %d, %q, want 2 with the name of the variable and its value", code, log.String())
				}
			})
		}
	}
	walk("serve", app.Model().Flags)
	for _, c := range app.Model().FlattenedCommands() {
		walk(c.FullCommand, c.Flags)
	}
	for name := range allSettings() {
		if !walked[name] {
			t.Errorf("there is no flag --%s with a variable", name)
		}
	}
}

// requiredOf are the arguments that a command does not work without.
func requiredOf(command string) []string {
	return map[string][]string{
		"backfill":       {"--from=2026-10-01", "--to=2026-10-02"},
		"history purge":  {"--domain=example.org"},
		"history forget": {"--user=ada", "--domain=example.org"},
		"reports import": {"/dev/null"},
	}[command]
}

// sameText compares what a flag is set to with what it was given: durations are printed
// in another way.
func sameText(got, given string) bool { return got == given || got == given+"0s" }

// What a flag or its variable says goes before the configuration file, with one
// exception: storage.path, which packages set to where their service may write.
func TestFlagsGoBeforeTheFile(t *testing.T) {
	for name, s := range allSettings() {
		if s.key == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			file := t.TempDir() + "/active_users.yml"
			must.WriteFile(t, file, fmt.Sprintf(s.key, s.one)+"\nservers: [{software: prosody, from: nowhere}]\n")
			load := func(arguments ...string) string {
				app := kingpin.New(program, "")
				cmd := app.Command("serve", "").Default()
				flags := addServeFlags(cmd)
				if _, err := app.Parse(append(arguments, "--config.file="+file)); err != nil {
					t.Fatal(err)
				}
				return s.read(must.Get(flags.source.Load())(t))
			}
			byFile := load()
			byFlag, variable := load("--"+name+"="+s.other), "ACTIVE_USERS_"+strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
			t.Setenv(variable, s.other)
			byVariable := load()
			if !sameText(byFile, s.one) || byVariable != byFlag {
				t.Errorf("by the file %q, want %q; by the flag %q and by the variable %q, want the same", byFile, s.one, byFlag, byVariable)
			}
			if want := map[bool]string{true: s.one, false: s.other}[name == "storage.path"]; !sameText(byFlag, want) {
				t.Errorf("by the flag beside the file %q, want %q", byFlag, want)
			}
		})
	}
}

// Mistakes that show only when all flags are known name the variable as well.
func TestMistakesInVariablesNameThem(t *testing.T) {
	for variable, value := range map[string]string{
		"ACTIVE_USERS_SERVER": "irc=x", "ACTIVE_USERS_CONFIG_FILE": "nowhere.yml", "ACTIVE_USERS_STORAGE_PATH": "mysql://h/d",
		"ACTIVE_USERS_REFRESH_INTERVAL": "1s", "ACTIVE_USERS_REPORTS_LISTEN_ADDRESS": "somewhere", "ACTIVE_USERS_WEB_LISTEN_ADDRESS": "somewhere",
		"ACTIVE_USERS_WEB_CONFIG_FILE": "nowhere.yml", "ACTIVE_USERS_WEB_TELEMETRY_PATH": "metrics",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv("ACTIVE_USERS_SERVER", "prosody=nowhere")
			t.Setenv(variable, value)
			for _, command := range []string{"serve", "check-config"} {
				var out, log bytes.Buffer
				if code := run([]string{command}, &out, &log); code != exitUsage || !strings.Contains(log.String(), "(set by the environment variable "+variable+")") {
					t.Errorf("%s: exit code %d, %q, want 2 with the name of the variable", command, code, log.String())
				}
			}
		})
	}
	// What the command line says is no variable's fault.
	t.Setenv("ACTIVE_USERS_REFRESH_INTERVAL", "1h")
	var out, log bytes.Buffer
	if code := run([]string{"serve", "--server=prosody=nowhere", "--refresh.interval=1s"}, &out, &log); code != exitUsage || strings.Contains(log.String(), "ACTIVE_USERS") {
		t.Errorf("exit code %d, %q", code, log.String())
	}
}
