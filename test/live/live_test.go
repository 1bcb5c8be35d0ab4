//go:build live

// Package live compares the exporter with the newest real chat servers while
// they run: make live. The servers are those of two folders that test/live/root
// makes; everything listens on loopback.
package live

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// settings are what test/live/run passes on.
type settings struct {
	program string // the exporter, statically linked
	roots   string // the folder of the roots: chat/, data/, stable/
	summary string // where the table of results is written
	mistake string // a deliberate one: "", "visit" or "message"
}

func read(t *testing.T) settings {
	t.Helper()
	s := settings{os.Getenv("ACTIVE_USERS_LIVE_PROGRAM"), os.Getenv("ACTIVE_USERS_LIVE_ROOTS"), os.Getenv("ACTIVE_USERS_LIVE_SUMMARY"), os.Getenv("ACTIVE_USERS_LIVE_MISTAKE")}
	if s.program == "" || s.roots == "" || s.summary == "" {
		t.Fatal("test/live/run starts these tests: write make live")
	}
	return s
}

// A live server is compared in each way in which it keeps its records. What a
// server says about itself must be what the exporter says, figure by figure.
// Each step also makes one deliberate mistake, which must be noticed.
func TestRealServers(t *testing.T) {
	s := read(t)
	sum := &summary{}
	t.Cleanup(func() { // once all steps have ended
		if err := os.WriteFile(s.summary, []byte(sum.markdown()), 0o644); err != nil {
			t.Error(err)
		}
	})
	for _, step := range steps() {
		row := &row{server: step.server, storage: step.storage, missing: "left out"}
		sum.add(row)
		t.Run(step.name(), func(t *testing.T) {
			t.Parallel()
			roots := make(map[string]*root)
			for _, name := range step.roots {
				roots[name] = &root{filepath.Join(s.roots, name)}
				if !roots[name].made() {
					row.missing = fmt.Sprintf("no root %q could be made", name)
					t.Skip(row.missing)
				}
			}
			main := roots[step.roots[0]]
			row.missing, row.version = "", main.version(step.packaged)
			defer func() { row.failed = t.Failed() }()
			step.run(t, &bench{chat: main, data: roots["data"], settings: s, row: row})
			if row.figures == 0 && !t.Failed() {
				t.Error("nothing was compared")
			}
		})
	}
}

// A step compares one server with one kind of storage.
type step struct {
	server, storage string
	packaged        string   // the Debian package whose version is shown
	roots           []string // that of the server, and the one with MySQL if it is needed
	run             func(*testing.T, *bench)
}

func (s step) name() string {
	return strings.NewReplacer(" ", "-", ",", "", "/", "-").Replace(s.server + "/" + s.storage)
}

func steps() []step {
	newest, withMySQL, stable := []string{"chat"}, []string{"chat", "data"}, []string{"stable"}
	return []step{
		{"Synapse", "SQLite", "matrix-synapse", newest, synapseOnSQLite},
		{"Synapse", "PostgreSQL, and its hot standby", "matrix-synapse", newest, synapseOnPostgreSQL},
		{"Prosody", "files", "prosody", newest, prosodyOnFiles},
		{"Prosody", "SQLite", "prosody", newest, prosodyOnSQLite},
		{"Prosody", "PostgreSQL", "prosody", newest, prosodyOnPostgreSQL},
		{"Prosody", "MySQL", "prosody", withMySQL, prosodyOnMySQL},
		{"Prosody of Debian 13", "files", "prosody", stable, prosodyOnFiles},
		{"Prosody of Debian 13", "SQLite", "prosody", stable, prosodyOnSQLite},
		{"ejabberd", "SQLite", "ejabberd", newest, ejabberdOnSQLite},
		{"ejabberd", "PostgreSQL", "ejabberd", newest, ejabberdOnPostgreSQL},
		{"ejabberd", "PostgreSQL, legacy schema, sessions in it", "ejabberd", newest, ejabberdWithSessionsInSQL},
		{"ejabberd", "MySQL, TLS", "ejabberd", withMySQL, ejabberdOnMySQL},
		{"ejabberd", "Mnesia", "ejabberd", newest, ejabberdOnMnesia},
		{"ejabberd of Debian 13", "SQLite", "ejabberd", stable, ejabberdOnSQLite},
		{"Prometheus", "scrapes, rules, dashboards", "prometheus", []string{"data"}, prometheus},
	}
}

// bench is what a step works with.
type bench struct {
	settings
	chat *root // the root of the server
	data *root // that with MySQL, where it is needed
	row  *row
}
