package dendrite_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/dendrite"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// database is an empty one on one of the engines.
type database struct {
	location string
	run      func(statements ...string)
}

// onSQLite makes one with a rollback journal, as Dendrite does: it is scanned.
func onSQLite(t *testing.T) database {
	t.Helper()
	return onSQLiteWith(t, "delete")
}

// onWAL makes one with a write-ahead log, as an operator may have set it: it is asked.
func onWAL(t *testing.T) database {
	t.Helper()
	return onSQLiteWith(t, "wal")
}

func onSQLiteWith(t *testing.T, journal string) database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dendrite_userapi.db")
	db, err := sqldb.CreateSQLite(path)
	must.Succeed(t, err)
	t.Cleanup(func() { _ = db.Close() })
	run := func(statements ...string) {
		t.Helper()
		for _, s := range statements {
			if _, err := db.ExecContext(t.Context(), s); err != nil {
				t.Fatalf("%.200s: %v", s, err)
			}
		}
	}
	run(`PRAGMA journal_mode = `+journal, `PRAGMA synchronous = off`, tables)
	return database{"sqlite:" + path, run}
}

func onPostgreSQL(t *testing.T) database {
	t.Helper()
	location := dbtest.PostgreSQL(t)
	run := func(statements ...string) {
		t.Helper()
		dbtest.Exec(t, location, strings.Join(statements, ";\n"))
	}
	run(tables)
	return database{location, run}
}

// noon is the moment at which worlds are looked at first.
var noon = time.Date(2026, 11, 9, 12, 40, 0, 0, time.UTC)

// Whatever happens in a Dendrite, who reads everything counts what the definitions say;
// and who goes on from what was read before counts the same people. Beside these, the
// latter knows who logged out since, and which devices were idle on a day before they
// came back.
func TestRandomWorlds(t *testing.T) {
	for name, c := range map[string]struct {
		database func(*testing.T) database
		seeds    uint64
	}{"SQLite": {onSQLite, 6}, "SQLite with WAL": {onWAL, 2}, "PostgreSQL": {onPostgreSQL, 2}} {
		for seed := range c.seeds {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) {
				w := newWorld(seed, noon, 75, 40)
				db := c.database(t)
				options := dendrite.Options{Database: source(t, db.location)}
				if seed%2 == 0 {
					w.botsEndWith, options.Bots = "5", chatserver.Bots{"*5", "no_body-?"}
				}
				resumed := newRefresher(options, &w.now)
				var remembered evidence
				var full time.Time // when everything was read
				for step, pause := range []time.Duration{
					0, time.Hour, time.Hour, 5 * time.Hour, 6 * time.Hour, 40 * time.Minute, 26 * time.Hour,
					3 * day, 7 * day, time.Hour, 12 * time.Hour, 90 * time.Minute, 35 * day, time.Hour,
				} {
					w.runUntil(w.now.Add(pause))
					db.run(w.statements()...)
					if w.now.Sub(full) >= 7*day {
						remembered, full = make(evidence), w.now
					}
					w.lastSeen(remembered)
					seen, visits := make(evidence), w.dailyVisits()
					w.lastSeen(seen)
					want := w.figures(seen, visits)
					if diff := cmp.Diff(want, withKinds(refresh(t, newRefresher(options, &w.now)))); diff != "" {
						t.Fatalf("step %d, everything is read (-naive +got):\n%s", step, diff)
					}
					got := withKinds(refresh(t, resumed))
					if diff := cmp.Diff(people(w.figures(remembered, visits)), people(got)); diff != "" {
						t.Fatalf("step %d, resumed (-naive +got):\n%s", step, diff)
					}
					for figure, n := range got {
						if client, ok := strings.CutPrefix(figure, "r30v2 "); ok && n > want[figure] {
							t.Fatalf("step %d, resumed: %d users of %s came back, more than the %d of a full read", step, n, client, want[figure])
						}
					}
				}
				if want := w.figures(make(evidence), w.dailyVisits()); want["r30v2"] == 0 || want["growth retained"] == 0 || want["growth churned"] == 0 || (want["r30v2type bot"] == 0) != (seed%2 == 1) {
					t.Errorf("figures %v: the world is too quiet to show anything", want)
				}
			})
		}
	}
}

// people are the figures over all clients together.
func people(figures map[string]int) map[string]int {
	all := maps.Clone(figures)
	maps.DeleteFunc(all, func(name string, _ int) bool {
		kind, label, _ := strings.Cut(name, " ")
		return kind == "r30v2" && label != "" || kind == "active" && strings.Contains(label, " ")
	})
	return all
}
