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
	roots   string // the folder of chat/ and data/
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
			chat := openRoot(filepath.Join(s.roots, "chat"), s)
			data := openRoot(filepath.Join(s.roots, "data"), s)
			for _, r := range []*root{chat, data} {
				if r.made() || r == data && !step.needsData {
					continue
				}
				row.missing = fmt.Sprintf("no root %q could be made", r.name())
				t.Skip(row.missing)
			}
			row.missing, row.version = "", chat.version(step.packaged)
			if step.packaged == "prometheus" {
				row.version = data.version(step.packaged)
			}
			defer func() { row.failed = t.Failed() }()
			step.run(t, &bench{chat: chat, data: data, settings: s, row: row})
			if row.figures == 0 && !t.Failed() {
				t.Error("nothing was compared")
			}
		})
	}
}

// A step compares one server with one kind of storage.
type step struct {
	server, storage string
	packaged        string // the Debian package whose version is shown
	needsData       bool   // the root with MySQL and Prometheus
	run             func(*testing.T, *bench)
}

func (s step) name() string {
	return strings.NewReplacer(" ", "-", ",", "", "/", "-").Replace(s.server + "/" + s.storage)
}

func steps() []step {
	return []step{
		{"Synapse", "SQLite", "matrix-synapse", false, synapseOnSQLite},
		{"Synapse", "PostgreSQL, and its hot standby", "matrix-synapse", false, synapseOnPostgreSQL},
		{"Prosody", "files", "prosody", false, prosodyOnFiles},
		{"Prosody", "SQLite", "prosody", false, prosodyOnSQLite},
		{"Prosody", "PostgreSQL", "prosody", false, prosodyOnPostgreSQL},
		{"Prosody", "MySQL", "prosody", true, prosodyOnMySQL},
		{"ejabberd", "SQLite", "ejabberd", false, ejabberdOnSQLite},
		{"ejabberd", "PostgreSQL", "ejabberd", false, ejabberdOnPostgreSQL},
		{"ejabberd", "PostgreSQL, legacy schema, sessions in it", "ejabberd", false, ejabberdWithSessionsInSQL},
		{"ejabberd", "MySQL, TLS", "ejabberd", true, ejabberdOnMySQL},
		{"ejabberd", "Mnesia", "ejabberd", false, ejabberdOnMnesia},
		{"Prometheus", "scrapes, rules, dashboards", "prometheus", true, prometheus},
	}
}

// bench is what a step works with.
type bench struct {
	settings
	chat, data *root
	row        *row
}
