package prosody_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/must"
)

// row is a row of mod_storage_sql's table: user, store, key, type, value.
type row [5]string

// readRows reads a database in which example.org has the given rows, with the
// journal as Prosody leaves it, and as its administrator may set it: the library
// of SQLite reads the second.
func readRows(t *testing.T, rows ...row) (figures, collector.Facts, error) {
	t.Helper()
	scanned, scannedFacts, scannedErr := readRowsOf(t, "delete", rows...)
	got, facts, err := readRowsOf(t, "wal", rows...)
	if diff := cmp.Diff([]any{scanned, scannedFacts, scannedErr == nil}, []any{got, facts, err == nil}); diff != "" {
		t.Errorf("rows %q (-journal +WAL):\n%s", rows, diff)
	}
	return scanned, scannedFacts, scannedErr
}

func readRowsOf(t *testing.T, journal string, rows ...row) (figures, collector.Facts, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prosody.sqlite")
	db, err := sqldb.CreateSQLite(path)
	must.Succeed(t, err)
	for _, statement := range []string{
		`PRAGMA journal_mode = ` + journal,
		`CREATE TABLE prosody (host TEXT NOT NULL, "user" TEXT NOT NULL, store TEXT NOT NULL, "key" TEXT NOT NULL, type TEXT NOT NULL, value TEXT NOT NULL)`,
		`CREATE INDEX prosody_index ON prosody (host, "user", store, "key")`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		must.Succeed(t, err)
	}
	tx, err := db.BeginTxx(t.Context(), nil)
	must.Succeed(t, err)
	for _, r := range rows {
		_, err := tx.ExecContext(t.Context(), `INSERT INTO prosody VALUES ('example.org', ?, ?, ?, ?, ?)`, r[0], r[1], r[2], r[3], r[4])
		must.Succeed(t, err)
	}
	must.Succeed(t, tx.Commit())
	defer func() { _ = db.Close() }() // a WAL is there as long as its writer
	source, err := sqldb.ParseSource("sqlite:" + path)
	must.Succeed(t, err)
	cal := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
	facts, err := prosody.New(prosody.Options{Database: source}, activity.SynapseClasses()).Read(t.Context(), time.Time{}, now, cal)
	return count(cal, facts, now), facts, err
}

func TestWhoIsActiveInADatabase(t *testing.T) {
	ll2 := func(key, timestamp string) row {
		return row{"u", "lastlog2", key, "json", `{"timestamp":` + timestamp + `}`}
	}
	act := func(timestamp string) row { return row{"u", "account_activity", "timestamp", "number", timestamp} }
	sound := row{"v", "lastlog2", "login", "json", `{"timestamp":5}`} // else nothing would be known
	account := func(user string) row { return row{user, "accounts", "stored_key", "string", "abc"} }
	disabled := func(value string) row { return row{"u", "accounts", "disabled", "boolean", value} }
	for name, c := range map[string]struct {
		rows    []row
		want    [3]int
		damaged int
	}{
		"a second less than a day":   {[]row{ll2("login", "1749902401")}, [3]int{1, 1, 1}, 0},
		"a day":                      {[]row{ll2("login", "1749902400")}, [3]int{0, 1, 1}, 0},
		"half a second less":         {[]row{ll2("login", "1749902400.5")}, [3]int{1, 1, 1}, 0},
		"in the future":              {[]row{ll2("login", "1849902400")}, [3]int{1, 1, 1}, 0},
		"logout after login":         {[]row{ll2("login", "1"), ll2("logout", "1749988799")}, [3]int{1, 1, 1}, 0},
		"login after logout":         {[]row{ll2("login", "1749988799"), ll2("logout", "1")}, [3]int{1, 1, 1}, 0},
		"registration alone":         {[]row{ll2("registered", "1749988799")}, [3]int{0, 0, 0}, 0},
		"with an address":            {[]row{{"u", "lastlog2", "login", "json", `{"ip":"192.0.2.1","timestamp":1749988799}`}}, [3]int{1, 1, 1}, 0},
		"an empty table":             {[]row{{"u", "lastlog2", "login", "json", `{}`}}, [3]int{0, 0, 0}, 0},
		"the later of two rows wins": {[]row{ll2("login", "1749988799"), ll2("login", "5")}, [3]int{0, 0, 0}, 0},
		"account_activity":           {[]row{act("1749988799")}, [3]int{1, 1, 1}, 0},
		"with a fraction":            {[]row{act("1749902400.25")}, [3]int{1, 1, 1}, 0},
		"negative":                   {[]row{act("-5")}, [3]int{0, 0, 0}, 0},
		"no number":                  {[]row{act("nan")}, [3]int{0, 0, 0}, 0},
		"the later of both stores":   {[]row{act("5"), ll2("login", "1749988799"), account("u")}, [3]int{1, 1, 1}, 0},
		"the host's own rows":        {[]row{{"", "lastlog2", "login", "json", `{"timestamp":1749988799}`}, act("5")}, [3]int{0, 0, 0}, 0},
		"enabled":                    {[]row{act("1749988799"), account("u")}, [3]int{1, 1, 1}, 0},
		"disabled":                   {[]row{act("1749988799"), account("u"), disabled("true")}, [3]int{0, 0, 0}, 0},
		"enabled again":              {[]row{act("1749988799"), account("u"), disabled("false")}, [3]int{1, 1, 1}, 0},
		"no account on Prosody 13":   {[]row{act("1749988799"), account("v")}, [3]int{0, 0, 0}, 0},
		"no account on Prosody 0.12": {[]row{ll2("login", "1749988799"), account("v")}, [3]int{1, 1, 1}, 0},
		"a row of another store":     {[]row{{"u", "roster", "v@example.org", "json", `{"timestamp":1749988799}`}, act("5")}, [3]int{0, 0, 0}, 0},
		"another key":                {[]row{ll2("other", "soon"), act("5")}, [3]int{0, 0, 0}, 0},
		"a damaged row after a good": {[]row{ll2("login", "1749988799"), ll2("login", "soon")}, [3]int{1, 1, 1}, 1},
		"no JSON":                    {[]row{{"u", "lastlog2", "login", "json", `{"timestamp":`}, sound}, [3]int{0, 0, 0}, 1},
		"another type":               {[]row{{"u", "lastlog2", "login", "string", `1749988799`}, sound}, [3]int{0, 0, 0}, 1},
		"text for a time":            {[]row{{"u", "lastlog2", "login", "json", `{"timestamp":"1749988799"}`}, sound}, [3]int{0, 0, 0}, 1},
		"no number at all":           {[]row{{"u", "account_activity", "timestamp", "number", `soon`}, sound}, [3]int{0, 0, 0}, 1},
	} {
		got, facts, err := readRows(t, c.rows...)
		must.Succeed(t, err)
		if got["example.org"] != c.want || facts.Domains[0].Damaged != c.damaged || len(facts.Warnings) != c.damaged {
			t.Errorf("%s: %v, %d damaged and warnings %q, want %v and %d", name, got["example.org"], facts.Domains[0].Damaged, facts.Warnings, c.want, c.damaged)
		}
	}
}

// If no time of a host can be read, it is not known who was active there: that is
// no zero, and without any other host the server has failed.
func TestAllTimesOfADatabaseAreDamaged(t *testing.T) {
	_, facts, err := readRows(t, row{"ada", "account_activity", "timestamp", "string", "2026-11-09"}, row{"ada", "accounts", "stored_key", "string", "abc"})
	if err == nil || !strings.Contains(err.Error(), "damaged") || facts.Domains != nil {
		t.Errorf("%+v and error %v", facts.Domains, err)
	}
}

// Damaged records of clients say nothing of who was active.
func TestClientsOfADatabaseAreDamaged(t *testing.T) {
	client := row{"ada", "clients", "client/1", "string", "soon"}
	_, facts, err := readRows(t, client, row{"ada", "accounts", "stored_key", "string", "abc"})
	must.Succeed(t, err)
	if d := facts.Domains[0]; d.HasLastSeen || d.Damaged != 1 {
		t.Errorf("without last-seen times: %+v", d)
	}
	got, facts, err := readRows(t, client, row{"ada", "lastlog2", "registered", "json", `{"timestamp":5}`})
	must.Succeed(t, err)
	if d := facts.Domains[0]; !d.HasLastSeen || d.Damaged != 1 || got["example.org"] != [3]int{0, 0, 0} {
		t.Errorf("of somebody who never logged in: %+v and %v", d, got)
	}
}

// Rows in any order, users with several of them far from each other: the later
// row of each counts.
func TestManyRowsInADatabase(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	logins, logouts := make(map[string]bool), make(map[string]bool) // within the day
	var rows []row
	for range 4000 {
		user, key, last, timestamp := fmt.Sprint("user", random.IntN(900)), "login", logins, "1749988799"
		if random.IntN(2) == 0 {
			key, last = "logout", logouts
		}
		if last[user] = random.IntN(3) == 0; !last[user] {
			timestamp = "5"
		}
		rows = append(rows, row{user, "lastlog2", key, "json", `{"timestamp":` + timestamp + `}`})
	}
	want := 0
	for i := range 900 {
		if user := fmt.Sprint("user", i); logins[user] || logouts[user] {
			want++
		}
	}
	got, _, err := readRows(t, rows...)
	must.Succeed(t, err)
	if got["example.org"] != [3]int{want, want, want} || want < 100 {
		t.Errorf("%v, want %d", got, want)
	}
}

func TestWhatIsNotInADatabaseIsUnknown(t *testing.T) {
	_, facts, err := readRows(t, row{"u", "accounts", "password", "string", "abc"}, row{"u", "accounts", "created", "number", "5"}, row{"v", "accounts", "password", "string", "abc"})
	must.Succeed(t, err)
	want := []collector.DomainFacts{{Name: "example.org", Registered: map[collector.AccountType]int{collector.Native: 2}, AllAccounts: true, NotRecorded: facts.Domains[0].NotRecorded}}
	if !strings.Contains(facts.Domains[0].NotRecorded, "add mod_lastlog2") {
		t.Errorf("the module is not named: %q", facts.Domains[0].NotRecorded)
	}
	if diff := cmp.Diff(want, facts.Domains); diff != "" {
		t.Errorf("accounts alone (-want +got):\n%s", diff)
	}
	_, _, err = readRows(t, row{"u", "roster", "v@example.org", "json", "{}"})
	if err == nil || !strings.Contains(err.Error(), "are they kept in files?") {
		t.Errorf("error %v, want one that asks for files", err)
	}
}

func TestDatabasesThatAreNotProsodys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.sqlite")
	db, err := sqldb.CreateSQLite(path)
	must.Succeed(t, err)
	_, err = db.ExecContext(t.Context(), `CREATE TABLE x (y)`)
	must.Succeed(t, err)
	must.Succeed(t, db.Close())
	for location, says := range map[string]string{
		path:              "is this the database of mod_storage_sql?",
		path + ".nowhere": "no such file",
	} {
		source, err := sqldb.ParseSource("sqlite:" + location)
		must.Succeed(t, err)
		_, err = prosody.New(prosody.Options{Database: source}, activity.SynapseClasses()).Read(t.Context(), time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), location) {
			t.Errorf("error %v, want one that names %s and says %q", err, location, says)
		}
	}
}
