package synapse_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/usagereport"
	"active_users_exporter/test/must"
)

// samples were written by real Synapse servers; see its README.
const samples = "../../test/testdata/synapse/"

// expectation is what the real Synapse reported from a database, and what else
// is known of it.
type expectation struct {
	Now        int64
	ServerName string `json:"server_name"`
	Extra      struct {
		LimitMAU   int            `json:"mau_current"`
		Registered map[string]int `json:"non_deactivated_user_count"` // by application service
	}
	statistics map[string]any
}

func expected(t *testing.T, file string) (e expectation) {
	t.Helper()
	content, err := os.ReadFile(samples + file)
	must.Succeed(t, err)
	must.Succeed(t, json.Unmarshal(content, &e))
	must.Succeed(t, json.Unmarshal(content, &e.statistics))
	return e
}

// refresh reads a server once, as the exporter does.
// figures are what a refresh shows.
type figures struct {
	collector.Domain
	usage usagereport.Homeserver
}

func refresh(t *testing.T, r *collector.Refresher) figures {
	t.Helper()
	must.Succeed(t, r.Refresh(t.Context()))
	return figuresOf(t, r)
}

func figuresOf(t *testing.T, r *collector.Refresher) figures {
	t.Helper()
	domains := r.Status().Snapshot.Domains
	if len(domains) != 1 {
		t.Fatalf("%d domains, want 1", len(domains))
	}
	return figures{domains[0], r.Status().Snapshot.Special[0].(usagereport.Homeserver)}
}

func newRefresher(t *testing.T, location string, now *time.Time, options ...func(*collector.RefresherOptions)) *collector.Refresher {
	t.Helper()
	source, err := sqldb.ParseSource(location)
	must.Succeed(t, err)
	classes := activity.SynapseClasses()
	o := collector.RefresherOptions{
		Server: "matrix", Software: "synapse", Reader: synapse.New(synapse.Options{Database: source}, classes),
		Interval: time.Hour, StaleAfter: 3 * time.Hour, Windows: activity.DefaultWindows(),
		Classes: classes, Now: func() time.Time { return *now }, Logger: log.NewNopLogger(),
	}
	for _, set := range options {
		set(&o)
	}
	r := collector.NewRefresher(o)
	t.Cleanup(r.Close)
	return r
}

func TestFiguresEqualSynapsesOwn(t *testing.T) {
	for name, c := range map[string]struct {
		expected          string
		location          func(t *testing.T) string
		database, version string
		engine            string
		registered        []collector.Accounts
		month             int // the whole month, which Synapse cuts
	}{
		"SQLite, day 69": {
			expected: "expected-sqlite-day69.json",
			location: func(t *testing.T) string { return "sqlite:" + sampleSQLite(t) },
			database: "sqlite", version: "3.40.1", engine: "sqlite3",
			registered: []collector.Accounts{{Type: collector.Bridged, Users: 7}, {Type: collector.Guest, Users: 2}, {Type: collector.Native, Users: 55}},
			month:      39,
		},
		"PostgreSQL, day 31": {
			expected: "expected-pg-day31.json",
			location: func(t *testing.T) string {
				location := dbtest.PostgreSQL(t)
				dbtest.LoadDump(t, location, samples+"homeserver-pg-day31.sql.gz")
				return leastPrivileged(t, location)
			},
			database: "postgresql", engine: "psycopg2",
			registered: []collector.Accounts{{Type: collector.Bridged, Users: 7}, {Type: collector.Guest, Users: 2}, {Type: collector.Native, Users: 50}},
			month:      50,
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := expected(t, c.expected)
			now := time.Unix(want.Now, 0)
			r := newRefresher(t, c.location(t), &now)
			for _, again := range []string{"at first", "again"} {
				got := refresh(t, r)
				for statistic, value := range got.usage.Statistics {
					if wanted, known := want.statistics[statistic]; !known || value != wanted {
						t.Errorf("%s: %s = %v, Synapse says %v", again, statistic, value, wanted)
					}
				}
				if len(got.usage.Statistics) != 19 {
					t.Errorf("%s: %d statistics, want the 19 that a database tells", again, len(got.usage.Statistics))
				}
				if diff := cmp.Diff(c.registered, got.Registered); diff != "" {
					t.Errorf("%s: accounts (-want +got):\n%s", again, diff)
				}
				if got.usage.LimitMAU["native"] != want.Extra.LimitMAU {
					t.Errorf("%s: limit MAU %v, want %d", again, got.usage.LimitMAU, want.Extra.LimitMAU)
				}
				if month := got.Active[2].Users; month != c.month {
					t.Errorf("%s: %d active within 30 days, want %d", again, month, c.month)
				}
			}
			info := figuresOf(t, r).usage.Info
			if info["database_engine"] != c.engine || c.version != "" && info["database_server_version"] != c.version {
				t.Errorf("info %v", info)
			}
			if engine, _, _ := strings.Cut(r.Status().Snapshot.Database, " "); engine != c.database {
				t.Errorf("database %q, want %q", r.Status().Snapshot.Database, c.database)
			}
		})
	}
}

// leastPrivileged returns the database as seen by a role that has been given
// what README.md says and nothing else.
func leastPrivileged(t *testing.T, location string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	must.Succeed(t, err)
	_, grants, _ := strings.Cut(string(readme), "```sql\n")
	grants, _, _ = strings.Cut(grants, "```")
	if !strings.Contains(grants, "GRANT") {
		t.Fatal("no GRANT statements in README.md")
	}
	role := fmt.Sprintf("exporter_%d", os.Getpid()) // the server may not be ours alone
	dbtest.Exec(t, location, strings.ReplaceAll(grants, "exporter", role))
	t.Cleanup(func() { dbtest.Exec(t, location, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	u, err := url.Parse(location)
	must.Succeed(t, err)
	u.User = url.User(role)
	return u.String()
}

func TestDatabasesOfSomethingElse(t *testing.T) {
	for name, c := range map[string]struct {
		schema []string
		says   string
	}{
		"not Synapse's":           {[]string{`CREATE TABLE x (y)`}, "is this Synapse's database?"},
		"older than Synapse 1.22": {[]string{`CREATE TABLE users (name TEXT)`, `INSERT INTO users VALUES ('@a:b.c')`}, "Synapse 1.22.0 (schema 58) is the oldest"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "homeserver.db")
			create(t, path, c.schema...)
			_, err := read(t, path)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one that names %s and says %q", err, path, c.says)
			}
		})
	}
}

func TestServerWithoutAccountsHasNoFigures(t *testing.T) {
	path := filepath.Join(t.TempDir(), "homeserver.db")
	create(t, path, `CREATE TABLE users (name TEXT)`)
	facts, err := read(t, path)
	must.Succeed(t, err)
	if len(facts.Domains) != 0 || len(facts.Warnings) != 1 {
		t.Errorf("got %+v, want no domain and a warning", facts)
	}
}

func create(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sqldb.CreateSQLite(path)
	must.Succeed(t, err)
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		must.Succeed(t, err)
	}
	must.Succeed(t, db.Close())
}

func read(t *testing.T, path string) (collector.Facts, error) {
	t.Helper()
	source, err := sqldb.ParseSource("sqlite:" + path)
	must.Succeed(t, err)
	classes := activity.SynapseClasses()
	return synapse.New(synapse.Options{Database: source}, classes).Read(t.Context(), time.Time{}, time.Now(), activity.NewCalendar(activity.Key{}, classes))
}

func sampleSQLite(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "homeserver.db")
	must.WriteFile(t, path, string(must.Gunzip(t, samples+"homeserver-sqlite-day69.db.gz")))
	return path
}
