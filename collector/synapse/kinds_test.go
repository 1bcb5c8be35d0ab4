package synapse_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// accountCounter counts the accounts that a Reader reports.
type accountCounter struct {
	activity.Recorder
	accounts int
}

func (c *accountCounter) Account(domain, user []byte, kind activity.Kind, age activity.Age) {
	c.accounts++
	c.Recorder.Account(domain, user, kind, age)
}

// A refresh reads the accounts that have changed, and all of them only on a new day,
// or if somebody has changed what no index knows.
func TestAccountsAreReadOnce(t *testing.T) {
	const all = 400
	path := filepath.Join(t.TempDir(), "homeserver.db")
	must.Succeed(t, synapsetest.Population{Users: all, Days: 62, Now: noon}.FillSQLite(t.Context(), path))
	create(t, path, `UPDATE users SET deactivated = 0, creation_ts = creation_ts - 100000`, `UPDATE users SET deactivated = 1 WHERE name LIKE '%0:%'`)
	source := must.Get(sqldb.ParseSource("sqlite:" + path))(t)
	classes := activity.SynapseClasses()
	reader := synapse.New(synapse.Options{Database: source, ServerName: synapsetest.Server}, classes)
	calendar, since := activity.NewCalendar(activity.Key{1}, classes), time.Time{}
	for _, step := range []struct {
		name       string
		after      time.Duration
		statements []string
		want       int
	}{
		{"at first", 0, nil, all},
		{"nothing happened", time.Hour, nil, 0},
		{"one was created", 2 * time.Hour, []string{fmt.Sprintf(`INSERT INTO users (name, creation_ts) VALUES ('@new:x', %d)`, noon.Add(90*time.Minute).Unix())}, 1},
		{"one was deactivated", 3 * time.Hour, []string{`UPDATE users SET deactivated = 1 WHERE name LIKE '%00000001:%'`}, all/10 + 1},
		{"one became a bot", 4 * time.Hour, []string{`UPDATE users SET user_type = 'bot' WHERE name = '@new:x'`}, (all/10 + 1) + (all + 1)},
		{"still a bot", 5 * time.Hour, nil, 0},
		{"the next day", 13 * time.Hour, nil, all + 1},
	} {
		if step.statements != nil {
			create(t, path, step.statements...)
		}
		counter := &accountCounter{Recorder: calendar}
		facts, err := reader.Read(t.Context(), since, noon.Add(step.after), counter)
		must.Succeed(t, err)
		since = noon.Add(step.after)
		if counter.accounts != step.want || !facts.Domains[0].AllAccounts {
			t.Errorf("%s: %d accounts were read, want %d; all known: %t", step.name, counter.accounts, step.want, facts.Domains[0].AllAccounts)
		}
	}
}

// Without the permission to read the column, the log says which GRANT gives it.
func TestGrantOfKindsIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "homeserver.db")
	must.Succeed(t, synapsetest.Population{Users: 50, Days: 62, Now: noon}.FillSQLite(t.Context(), path))
	create(t, path, `ALTER TABLE users DROP COLUMN user_type`)
	source := must.Get(sqldb.ParseSource("sqlite:" + path))(t)
	classes := activity.SynapseClasses()
	facts, err := synapse.New(synapse.Options{Database: source}, classes).Read(t.Context(), time.Time{}, noon, activity.NewCalendar(activity.Key{1}, classes))
	must.Succeed(t, err)
	const want = "no permission to read name, user_type of table users, or this Synapse has none: " +
		"active users by kind of account and dormant accounts are left out (on PostgreSQL: GRANT SELECT (name, user_type) ON users)"
	if facts.Domains[0].AllAccounts || !slices.Contains(facts.Warnings, want) {
		t.Errorf("accounts known: %t, warnings %q", facts.Domains[0].AllAccounts, facts.Warnings)
	}
}

// On databases that real Synapses have written, kinds and ages, rooms and other servers
// are those of plain SQL; kinds and ages add up.
func TestKindsAndAgesOfRealServers(t *testing.T) {
	for name, c := range map[string]struct {
		expected string
		location func(t *testing.T) string
		days     int64 // since the moment of the records
	}{
		"SQLite":                  {"expected-sqlite-day69.json", func(t *testing.T) string { return "sqlite:" + sampleSQLite(t) }, 0},
		"SQLite, a year later":    {"expected-sqlite-day69.json", func(t *testing.T) string { return "sqlite:" + sampleSQLite(t) }, 370},
		"PostgreSQL":              {"expected-pg-day31.json", samplePostgreSQL, 0},
		"PostgreSQL, months away": {"expected-pg-day31.json", samplePostgreSQL, 100},
	} {
		t.Run(name, func(t *testing.T) {
			location := c.location(t)
			now := time.Unix(expected(t, c.expected).Now+c.days*24*60*60, 0)
			got := refresh(t, newRefresher(t, location, &now))
			of := func(all map[string]int) map[string]int {
				maps.DeleteFunc(all, func(name string, n int) bool {
					return n == 0 || !slices.ContainsFunc([]string{"active type ", "dormant ", "rooms ", "federation "}, func(kept string) bool { return strings.HasPrefix(name, kept) })
				})
				return all
			}
			agree(t, name, of(database{location: location}.truth(t, now)), of(shown(got)))
			dormant, natives := 0, 0
			for _, n := range got.Dormancy {
				dormant += n
			}
			for _, a := range got.Registered {
				if a.Type == collector.Native {
					natives = a.Users
				}
			}
			if dormant != natives || natives < 50 {
				t.Errorf("%d accounts by age, %d native ones, want the same and at least 50", dormant, natives)
			}
			for _, a := range got.Active {
				sum := 0
				for _, k := range a.Kinds {
					sum += k.Users
				}
				if sum != a.Users {
					t.Errorf("%s: %d active users by kind, %d in all", a.Window, sum, a.Users)
				}
			}
		})
	}
}

func samplePostgreSQL(t *testing.T) string {
	t.Helper()
	location := dbtest.PostgreSQL(t)
	dbtest.LoadDump(t, location, samples+"homeserver-pg-day31.sql.gz")
	return location
}

// A countedReader counts the accounts that are read by a Refresher.
type countedReader struct {
	collector.Reader
	accountCounter
}

func (c *countedReader) Read(ctx context.Context, since, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	c.Recorder = rec
	return c.Reader.Read(ctx, since, now, &c.accountCounter)
}

// After a restart accounts are remembered, with their kinds: those that were created
// meanwhile are read, and all if what is remembered does not add up, or is from before
// patterns of bots were changed.
func TestAccountsAreRemembered(t *testing.T) {
	engines(t, synapsetest.Population{Users: 600, Days: 40, Now: noon}, func(t *testing.T, db database) {
		now, folder := noon, t.TempDir()
		const person = `(SELECT MIN(name) FROM users WHERE name LIKE '@user%' AND deactivated = 0 AND is_guest = 0 AND appservice_id IS NULL AND user_type IS NULL)`
		for _, step := range []struct {
			name      string
			statement string
			bots      []string
			read      int // how many accounts at most, all for each of them once or twice
		}{
			{"first", ``, nil, all},
			{"nothing happened", ``, nil, 0},
			{"somebody registered", `INSERT INTO users (name, creation_ts, deactivated, is_guest) VALUES ('@new:big.example', ` + fmt.Sprint(noon.Add(90*time.Minute).Unix()) + `, 0, 0)`, nil, few},
			{"nothing happened again", ``, nil, few},
			{"somebody becomes a bot", `UPDATE users SET user_type = 'bot' WHERE name = ` + person, nil, all},
			{"two swap", `UPDATE users SET user_type = CASE user_type WHEN 'bot' THEN NULL ELSE 'bot' END WHERE name IN (` + person + `, (SELECT MIN(name) FROM users WHERE user_type = 'bot' AND name > '@user-'))`, []string{"new"}, all},
			{"the same pattern", ``, []string{"new"}, few},
			{"another pattern", ``, []string{"ne?"}, all},
			{"no pattern", ``, nil, all},
		} {
			if step.statement != "" {
				db.runAndCount(step.statement)
			}
			counter := &countedReader{}
			r, store := started(t, db.location, must.Get(storage.Parse(folder))(t), &now, withBots(t, db.location, step.bots...), func(o *collector.RefresherOptions) {
				counter.Reader = o.Reader
				o.Reader = counter
			})
			got := shown(refresh(t, r))
			r.Close()
			must.Succeed(t, store.Close())
			if step.read == all && counter.accounts < 600 || step.read != all && counter.accounts > step.read {
				t.Errorf("%s: %d accounts were read, want at most %d (%d is for all)", step.name, counter.accounts, step.read, all)
			}
			fresh := newRefresher(t, db.location, &now, withBots(t, db.location, step.bots...))
			agree(t, step.name, shown(refresh(t, fresh)), got)
			now = now.Add(time.Hour)
		}
	})
}

// all stands for the number of all accounts; few are those so new that others of the same
// moment may come.
const (
	all = -1
	few = 5
)
