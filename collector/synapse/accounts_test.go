package synapse

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// Counting the accounts that came, and those that have left the last 24 hours, gives what
// a scan of all of them gives, also of those who came late, and whatever the clock does.
func TestNewAccountsAndThoseNoLongerNew(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	dbtest.Exec(t, location, `CREATE TABLE users (name TEXT UNIQUE, creation_ts BIGINT, is_guest SMALLINT DEFAULT 0 NOT NULL, appservice_id TEXT, deactivated SMALLINT DEFAULT 0 NOT NULL, user_type TEXT)`,
		`CREATE INDEX users_creation_ts ON users (creation_ts)`)
	source := must.Get(sqldb.ParseSource(location))(t)
	execute := func(statement string) { dbtest.Exec(t, location, statement, `SELECT pg_stat_force_next_flush()`) }
	random := rand.New(rand.NewPCG(1, 1))
	created := 0
	insert := func(at time.Time) {
		created++
		execute(fmt.Sprintf(`INSERT INTO users (name, creation_ts, is_guest, appservice_id, user_type) VALUES ('@%d:big.example', %d, %d, %s, %s)`,
			created, at.Unix(), random.IntN(4)/3, []string{"NULL", "NULL", "''", "'irc'"}[random.IntN(4)], []string{"NULL", "'bot'", "'invented'"}[random.IntN(3)]))
	}
	scans := 0
	now, since, calendar := noon.Truncate(24*time.Hour).Add(time.Minute), time.Time{}, activity.NewCalendar(activity.Key{1}, activity.SynapseClasses())
	for i := range 200 {
		for range random.IntN(4) {
			insert(now.Add(-time.Duration(random.Int64N(int64(overlap)))))
		}
		switch {
		case i%11 == 3: // by a clock that is ahead
			insert(now.Add(time.Duration(random.Int64N(int64(10 * time.Hour)))))
		case i%13 == 5: // one that took long to be committed
			insert(now.Add(-time.Duration(random.Int64N(int64(30 * time.Hour)))))
		case i%17 == 7:
			execute(`UPDATE users SET deactivated = 1 - deactivated WHERE name = (SELECT name FROM users ORDER BY random() LIMIT 1)`)
		case i%19 == 9:
			execute(`BEGIN; INSERT INTO users (name) VALUES ('@taken back:big.example'); ROLLBACK`)
		}
		must.Succeed(t, source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
			r := &reading{View: view, since: since, now: now, server: []byte("big.example"), rec: calendar, extras: extras{created: extra{readable: true}, kinds: extra{readable: true}}}
			must.Succeed(t, r.lookUpChanges(ctx, view))
			r.recall()
			got, _, err := r.accounts(ctx)
			must.Succeed(t, err)
			r.leave()
			if r.Counts.Accounts.At.Equal(now) {
				scans++
			}
			want, err := r.countAccounts(ctx, "")
			must.Succeed(t, err)
			if got, want := sums(got), sums(want); !maps.Equal(got, want) {
				t.Errorf("%d: accounts are %v, want %v", i, got, want)
			}
			return nil
		}))
		since = now
		switch now = now.Add(countsEvery + time.Duration(random.Int64N(int64(time.Hour)))); i {
		case 50: // the exporter's clock is set back
			now = now.Add(-3 * time.Hour)
		case 100, 150: // it had days off
			now = now.Add(30 * time.Hour)
		}
	}
	if scans > 100 {
		t.Errorf("%d of 200 times all accounts were scanned", scans)
	}
}

// sums are the numbers of accounts by what figures tell apart.
func sums(groups []accountGroup) map[accountGroup]int {
	all := make(map[accountGroup]int)
	for _, g := range groups {
		n := g.Accounts
		g.Accounts, g.Settled = 0, false
		if all[g] += n; all[g] == 0 {
			delete(all, g)
		}
	}
	return all
}
