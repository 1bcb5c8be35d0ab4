package dendrite_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/dendrite"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/usagereport"
	"active_users_exporter/test/must"
)

// expectation is what is true of a database that a real Dendrite has written, at a
// moment, as an independent program counted it; testdata/README.md says how.
type expectation struct {
	Now    int64
	Should struct {
		Registered map[string]int            `json:"chat_registered_users"`
		Created    map[string]int            `json:"chat_created_users"`
		Active     map[string]int            `json:"chat_active_users"`
		Clients    map[string]map[string]int `json:"chat_active_client_users"` // by client and window
		Retention  int                       `json:"chat_r30v2_users"`
		Returning  map[string]int            `json:"chat_r30v2_client_users"`
		Growth     map[string]int            `json:"chat_growth_users"`
		Habit      map[string]int            `json:"l28_users_by_days"`
		History    int                       `json:"chat_history_days"`
		Domains    []string
		Rooms      int `json:"rooms_known"`
	} `json:"exporter_should_say"`
}

// figures are those of an expectation by name.
func (e expectation) figures() map[string]int {
	all := make(map[string]int)
	add := func(name string, values map[string]int) {
		for label, n := range values {
			if n != 0 {
				all[name+" "+label] = n
			}
		}
	}
	add("registered", e.Should.Registered)
	add("created", e.Should.Created)
	add("active", e.Should.Active)
	for client, windows := range e.Should.Clients {
		add("active "+client, windows)
	}
	add("r30v2", e.Should.Returning)
	add("growth", e.Should.Growth)
	add("days of 28", e.Should.Habit)
	all["r30v2"], all["history"], all["rooms"] = e.Should.Retention, e.Should.History, e.Should.Rooms
	return all
}

// shown are the figures of a snapshot under the names of expectation.figures, zeros
// left out.
func shown(d collector.Domain) map[string]int {
	all := make(map[string]int)
	for _, a := range d.Registered {
		all["registered "+string(a.Type)] = a.Users
	}
	for _, a := range d.Created {
		all["created "+string(a.Type)] = a.Users
	}
	for _, a := range d.Active {
		all["active "+a.Window.String()] = a.Users
		for _, c := range a.Clients {
			all["active "+c.Client+" "+a.Window.String()] = c.Users
		}
	}
	if d.Retention != nil {
		all["r30v2"] = d.Retention.Users
		for _, c := range d.Retention.Clients {
			all["r30v2 "+c.Client] = c.Users
		}
	}
	if d.Growth != nil {
		all["growth new"], all["growth retained"] = d.Growth.New, d.Growth.Retained
		all["growth resurrected"], all["growth churned"] = d.Growth.Resurrected, d.Growth.Churned
	}
	if d.Habit != nil {
		for days, n := range d.Habit {
			all["days of 28 "+strconv.Itoa(days)] = n
		}
	}
	all["history"] = d.History.Number
	for name, n := range all {
		if n == 0 {
			delete(all, name)
		}
	}
	return all
}

func expected(t *testing.T, file string) (e expectation) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", file))
	must.Succeed(t, err)
	must.Succeed(t, json.Unmarshal(content, &e))
	return e
}

// unpacked returns the path of a copy of a packed file.
func unpacked(t *testing.T, file string) string {
	t.Helper()
	packed, err := os.Open(filepath.Join("testdata", file+".gz"))
	must.Succeed(t, err)
	defer func() { _ = packed.Close() }()
	content, err := gzip.NewReader(packed)
	must.Succeed(t, err)
	path := filepath.Join(t.TempDir(), file)
	copied, err := os.Create(path)
	must.Succeed(t, err)
	_, err = io.Copy(copied, content)
	must.Succeed(t, err)
	must.Succeed(t, copied.Close())
	return path
}

// source parses the location of a database.
func source(t *testing.T, location string) sqldb.Source {
	t.Helper()
	s, err := sqldb.ParseSource(location)
	must.Succeed(t, err)
	return s
}

// newRefresher reads as the exporter does, by a clock that a test moves.
func newRefresher(o dendrite.Options, now *time.Time) *collector.Refresher {
	classes := activity.SynapseClasses()
	return collector.NewRefresher(collector.RefresherOptions{
		Server: "garden", Software: "dendrite", Reader: dendrite.New(o, classes),
		Interval: time.Hour, StaleAfter: 3 * time.Hour, Windows: activity.DefaultWindows(),
		Classes: classes, Now: func() time.Time { return *now }, Logger: log.NewNopLogger(),
	})
}

// refresh reads a server once and returns its only domain.
func refresh(t *testing.T, r *collector.Refresher) collector.Domain {
	t.Helper()
	must.Succeed(t, r.Refresh(t.Context()))
	domains := r.Status().Snapshot.Domains
	if len(domains) != 1 {
		t.Fatalf("%d domains, want 1", len(domains))
	}
	return domains[0]
}

// usageOf returns what the newest snapshot knows of the homeserver's usage.
func usageOf(t *testing.T, r *collector.Refresher) usagereport.Homeserver {
	t.Helper()
	known := collector.Specials[usagereport.Homeserver]([]collector.Status{r.Status()})
	if len(known) != 1 {
		t.Fatalf("%+v: want the usage of one homeserver", known)
	}
	return known[0].Value
}

func TestFiguresOfRealDatabases(t *testing.T) {
	for name, c := range map[string]struct {
		expected string
		options  func(t *testing.T) dendrite.Options
	}{
		"SQLite": {"expected-sqlite.json", func(t *testing.T) dendrite.Options {
			return dendrite.Options{
				Database: source(t, "sqlite:"+unpacked(t, "dendrite-sqlite.db")),
				Rooms:    source(t, "sqlite:"+unpacked(t, "dendrite-sqlite-roomserver.db")),
			}
		}},
		"PostgreSQL": {"expected-pg.json", func(t *testing.T) dendrite.Options {
			location := dbtest.PostgreSQL(t)
			dbtest.LoadDump(t, location, "testdata/dendrite-pg.sql.gz")
			return dendrite.Options{Database: source(t, leastPrivileged(t, location))}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			want := expected(t, c.expected)
			now := time.Unix(want.Now, 0)
			r := newRefresher(c.options(t), &now)
			for _, again := range []string{"at first", "again"} {
				got := refresh(t, r)
				if got.Name != want.Should.Domains[0] {
					t.Errorf("%s: domain %q, want %q", again, got.Name, want.Should.Domains[0])
				}
				figures, usage := shown(got), usageOf(t, r)
				figures["rooms"] = int(usage.Statistics["total_room_count"])
				if diff := cmp.Diff(want.figures(), figures); diff != "" {
					t.Errorf("%s (-want +got):\n%s", again, diff)
				}
			}
		})
	}
}
