package synapse_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse"
)

// samples were written by real Synapse servers; see its README.
const samples = "../../testdata/synapse/"

// expected are the figures that the real Synapse reported from a database, and
// what else is known of it.
type expected struct {
	Now        int64
	ServerName string `json:"server_name"`
	DAU        int    `json:"daily_active_users"`
	MAU        int    `json:"monthly_active_users"`
	All        int    `json:"r30v2_users_all"`
	Android    int    `json:"r30v2_users_android"`
	Electron   int    `json:"r30v2_users_electron"`
	IOS        int    `json:"r30v2_users_ios"`
	Web        int    `json:"r30v2_users_web"`
}

// figures are ours for the same.
func figures(cal *activity.Calendar, classes *activity.Classes, domain string, now time.Time) expected {
	r := cal.Retention(domain, now)
	byName := make(map[string]int)
	for client, name := range classes.Names() {
		byName[name] = r.Clients[client]
	}
	windows := activity.DefaultWindows()
	return expected{
		Now: now.Unix(), ServerName: domain,
		DAU: cal.Active(domain, now, windows[0]), MAU: cal.Active(domain, now, windows[2]),
		All: r.Users, Android: byName["android"], Electron: byName["electron"], IOS: byName["ios"], Web: byName["web"],
	}
}

func TestFiguresEqualSynapsesOwn(t *testing.T) {
	for name, c := range map[string]struct {
		expected   string
		location   func(t *testing.T) string
		database   string
		registered map[collector.AccountType]int
	}{
		"SQLite, day 69": {
			expected:   "expected-sqlite-day69.json",
			location:   func(t *testing.T) string { return "sqlite:" + sampleSQLite(t) },
			database:   "sqlite",
			registered: map[collector.AccountType]int{collector.Native: 55, collector.Bridged: 7, collector.Guest: 2},
		},
		"PostgreSQL, day 31": {
			expected: "expected-pg-day31.json",
			location: func(t *testing.T) string {
				location := dbtest.PostgreSQL(t)
				dbtest.LoadDump(t, location, samples+"homeserver-pg-day31.sql.gz")
				return leastPrivileged(t, location)
			},
			database:   "postgresql",
			registered: map[collector.AccountType]int{collector.Native: 50, collector.Bridged: 7, collector.Guest: 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var want expected
			content, err := os.ReadFile(samples + c.expected)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(content, &want); err != nil {
				t.Fatal(err)
			}
			now := time.Unix(want.Now, 0)
			source, err := sqldb.ParseSource(c.location(t))
			if err != nil {
				t.Fatal(err)
			}
			classes := activity.SynapseClasses()
			cal := activity.NewCalendar(activity.Key{}, classes)
			facts, err := synapse.New(synapse.Options{Database: source}, classes).Read(t.Context(), now, cal)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, figures(cal, classes, want.ServerName, now)); diff != "" {
				t.Errorf("figures (-Synapse +ours):\n%s", diff)
			}
			wantDomains := []collector.DomainFacts{{Name: want.ServerName, Activity: true, Visits: true, Registered: c.registered}}
			if diff := cmp.Diff(wantDomains, facts.Domains); diff != "" {
				t.Errorf("domains (-want +got):\n%s", diff)
			}
			if engine, _, _ := strings.Cut(facts.Database, " "); engine != c.database {
				t.Errorf("database %q, want %q", facts.Database, c.database)
			}
		})
	}
}

// leastPrivileged returns the database as seen by a role that has been given
// what README.md says and nothing else.
func leastPrivileged(t *testing.T, location string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	must(t, err)
	_, grants, _ := strings.Cut(string(readme), "```sql\n")
	grants, _, _ = strings.Cut(grants, "```")
	if !strings.Contains(grants, "GRANT") {
		t.Fatal("no GRANT statements in README.md")
	}
	role := fmt.Sprintf("exporter_%d", os.Getpid()) // the server may not be ours alone
	dbtest.Exec(t, location, strings.ReplaceAll(grants, "exporter", role))
	t.Cleanup(func() { dbtest.Exec(t, location, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	u, err := url.Parse(location)
	must(t, err)
	u.User = url.User(role)
	return u.String()
}

func TestDatabasesOfSomethingElse(t *testing.T) {
	for name, c := range map[string]struct {
		schema []string
		says   string
	}{
		"not Synapse's":          {[]string{`CREATE TABLE x (y)`}, "is this Synapse's database?"},
		"older than Synapse 1.1": {[]string{`CREATE TABLE users (name TEXT)`, `INSERT INTO users VALUES ('@a:b.c')`}, "count accounts in users"},
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
	must(t, err)
	if len(facts.Domains) != 0 || len(facts.Warnings) != 1 {
		t.Errorf("got %+v, want no domain and a warning", facts)
	}
}

func create(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sqldb.CreateSQLite(path)
	must(t, err)
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		must(t, err)
	}
	must(t, db.Close())
}

func read(t *testing.T, path string) (collector.Facts, error) {
	t.Helper()
	source, err := sqldb.ParseSource("sqlite:" + path)
	must(t, err)
	classes := activity.SynapseClasses()
	return synapse.New(synapse.Options{Database: source}, classes).Read(t.Context(), time.Now(), activity.NewCalendar(activity.Key{}, classes))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sampleSQLite(t *testing.T) string {
	t.Helper()
	file, err := os.Open(samples + "homeserver-sqlite-day69.db.gz")
	must(t, err)
	defer func() { _ = file.Close() }()
	content, err := gzip.NewReader(file)
	must(t, err)
	path := filepath.Join(t.TempDir(), "homeserver.db")
	copied, err := os.Create(path)
	must(t, err)
	_, err = io.Copy(copied, content)
	must(t, err)
	must(t, copied.Close())
	return path
}
