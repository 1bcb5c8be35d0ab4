package main

import (
	"bytes"
	"strings"
	"testing"

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// Reports go from a folder to a database that receivers share, and back.
func TestReportsMoveBetweenStores(t *testing.T) {
	folder, database, other := t.TempDir(), dbtest.PostgreSQL(t), t.TempDir()
	file := t.TempDir() + "/reports.jsonl"
	must.WriteFile(t, file, `{"received":"2026-11-09T12:00:00Z","report":{"homeserver":"a.example","total_users":3}}
{"received":"2026-11-09T15:05:47.25Z","report":{"homeserver":"b.example","total_users":4}}
`)
	first := ""
	for _, location := range []string{folder, database, other} {
		for _, want := range []string{"2 reports read, 2 added", "2 reports read, 0 added"} {
			if out := succeeds(t, "reports", "import", "--storage.path="+location, file); !strings.HasPrefix(out, want) {
				t.Errorf("%s, want %s", out, want)
			}
		}
		exported := succeeds(t, "reports", "export", "--storage.path="+location)
		if first == "" {
			first = exported
		}
		if exported != first || !strings.Contains(exported, "15:05:47.25Z") {
			t.Errorf("%s\nwant\n%s", exported, first)
		}
		must.WriteFile(t, file, exported)
	}
}

// succeeds runs a command and returns what it prints.
func succeeds(t *testing.T, arguments ...string) string {
	t.Helper()
	var out, err bytes.Buffer
	if code := run(arguments, &out, &err); code != exitOK {
		t.Fatalf("%v: exit code %d: %s", arguments[:2], code, err.String())
	}
	return out.String()
}
