package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"active_users_exporter/test/must"
)

// Each command refuses a location that is neither a folder nor a PostgreSQL
// database, from the command line, the environment or the file, instead of
// taking it for the name of a folder, and shows no password.
func TestWrongStorageIsRefused(t *testing.T) {
	commands := map[string][]string{
		"serve":          {"serve", "--server=prosody=data"},
		"receiver":       {"serve", "--reports.listen-address=127.0.0.1:0"},
		"report":         {"report", "--server=prosody=data"},
		"check-config":   {"check-config", "--server=prosody=data"},
		"backfill":       {"backfill", "--server=prosody=data", "--from=2026-10-01", "--to=2026-10-02"},
		"reports export": {"reports", "export"},
		"reports import": {"reports", "import", "/dev/null"},
		"history purge":  {"history", "purge", "--domain=example.org"},
		"history import": {"history", "import", "--server=prosody=data"},
	}
	locations := map[string]string{
		"postgres://exporter:p@ss/w0rd@db/aue":                       "not a valid URL: write postgres://USER@HOST:PORT/DATABASE, with special characters of a password percent-encoded",
		"postgres://exporter:w0rd@db.example/aue?sslmode=requires":   "not a valid PostgreSQL URL: failed to configure TLS (sslmode is invalid)",
		"postgresql://exporter:w0rd@db.example/aue?sslmode=requires": "not a valid PostgreSQL URL",
		"postgres:exporter:w0rd@db/aue":                              "not a valid URL",
		"POSTGRES://exporter:w0rd@db/aue":                            "want a folder, or postgres://USER@HOST/DATABASE",
		"mysql://exporter:w0rd@db/aue":                               "want a folder, or postgres://USER@HOST/DATABASE",
		"sqlite:w0rd/aue.db":                                         "want a folder, or postgres://USER@HOST/DATABASE",
	}
	for name, command := range commands {
		for location, want := range locations {
			t.Run(name+" "+location, func(t *testing.T) {
				t.Chdir(t.TempDir())
				must.Succeed(t, os.Mkdir("data", 0o700))
				for from, arguments := range map[string][]string{
					"--storage.path: ": {"--storage.path=" + location},
					"path: ":           {"--config.file=active_users.yml"},
				} {
					must.WriteFile(t, "active_users.yml", "storage: {path: '"+location+"', key_file: key}\n")
					refused(t, append(append([]string{}, command...), arguments...), from+want)
				}
				t.Setenv("ACTIVE_USERS_STORAGE_PATH", location)
				refused(t, command, "--storage.path: "+want)
				if entries, err := os.ReadDir("."); err != nil || len(entries) != 2 { // data and active_users.yml
					t.Errorf("something was made: %v, error %v", entries, err)
				}
			})
		}
	}
}

func refused(t *testing.T, command []string, want string) {
	t.Helper()
	var out, log bytes.Buffer
	if code := run(command, &out, &log); code != exitUsage || !strings.Contains(log.String(), want) || strings.Contains(out.String()+log.String(), "w0rd") {
		t.Errorf("%v: exit code %d, output %q %q, want 2 with %q", command, code, out.String(), log.String(), want)
	}
}
