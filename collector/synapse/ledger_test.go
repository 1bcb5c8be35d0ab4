package synapse

import (
	"fmt"
	"testing"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// What was read before is taken for granted while the database server's numbers agree with
// what was read.
func TestLedger(t *testing.T) {
	table := changes{Known: true, File: 1, Inserted: 1000}
	l, now := ledger{Changes: table}, noon
	for _, step := range []struct {
		name           string
		after          time.Duration
		happened, read func() int64
		sure           bool
	}{
		{"nothing happened", time.Hour, none, none, true},
		{"rows were inserted and read", time.Hour, inserted(&table, 7), rows(7), true},
		{"rows were read of which the server says nothing yet", time.Hour, none, rows(5), false},
		{"which it says now", time.Minute, inserted(&table, 5), none, true},
		{"rows were inserted after the view began", time.Hour, inserted(&table, 2), none, false},
		{"which are read now", time.Minute, none, rows(2), true},
		{"rows came to a day that is not read", time.Minute, inserted(&table, 3), none, false},
		{"once more nothing", time.Minute, none, none, false},
		{"and a third time", time.Minute, none, none, false},
		{"before all days are verified", activity.VerifyEvery - time.Minute, inserted(&table, 1), rows(1), false},
		{"when they are", time.Minute, none, none, true},
		{"a row was deleted", time.Hour, func() int64 { table.Deleted++; return 0 }, none, false},
		{"long ago", activity.VerifyEvery, none, none, true},
		{"a row was changed", time.Hour, func() int64 { table.Updated++; return 0 }, none, false},
		{"long ago", activity.VerifyEvery, none, none, true},
		{"the table was rewritten", time.Hour, func() int64 { table.File++; return 0 }, none, false},
		{"long ago", activity.VerifyEvery, none, none, true},
		{"another database has a table in a file of that number", time.Hour, func() int64 { table.Database++; return 0 }, none, false},
		{"long ago", activity.VerifyEvery, none, none, true},
		{"the server began again to count", time.Hour, func() int64 { table.Began, table.Inserted = 1, 0; return 0 }, none, false},
		{"long ago", activity.VerifyEvery, none, none, true},
		{"the server does not say", time.Hour, func() int64 { table = changes{}; return 0 }, none, false},
		{"for long", 2 * activity.VerifyEvery, none, none, false},
	} {
		now = now.Add(step.after)
		step.happened()
		l.enter(table, step.read(), now)
		if sure := l.isSure(table, now); sure != step.sure {
			t.Errorf("%s: is sure: %t, want %t", step.name, sure, step.sure)
		}
	}
}

func none() int64 { return 0 }

func rows(n int64) func() int64 { return func() int64 { return n } }

func inserted(table *changes, n int64) func() int64 {
	return func() int64 {
		table.Inserted += n
		return n
	}
}

// A ledger without entries verifies all days once.
func TestALedgerThatBegins(t *testing.T) {
	var l ledger
	table := changes{Known: true, File: 1, Inserted: 1000}
	l.enter(table, 0, noon)
	if l.isSure(table, noon.Add(time.Hour)) {
		t.Error("what nobody has entered is taken for granted")
	}
}

// A visit that is deleted from an old day, or added to it, is found, although old days were
// not counted before.
func TestOldDaysAreVerified(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	must.Succeed(t, synapsetest.Population{Users: 3000, Days: 62, Now: noon}.FillPostgreSQL(t.Context(), location))
	reader := newVisitsReader(t, must.Get(sqldb.ParseSource(location))(t))
	now, old := noon, activity.DayOf(noon)-30
	for _, step := range []struct{ name, statement string }{
		{"nothing", `SELECT 1`},
		{"deleted", fmt.Sprintf(`DELETE FROM user_daily_visits WHERE ctid = (SELECT MIN(ctid) FROM user_daily_visits WHERE timestamp = %d)`, old.Start().UnixMilli())},
		{"added", fmt.Sprintf(`INSERT INTO user_daily_visits (user_id, device_id, timestamp, user_agent) VALUES ('@late:big.example', 'D', %d, 'Mozilla')`, old.Start().UnixMilli())},
	} {
		dbtest.Exec(t, location, step.statement, `SELECT pg_stat_force_next_flush()`)
		var inDatabase map[activity.Day]int
		// Turns come on the hour, refreshes do not.
		for range activity.VerifyEvery/time.Hour + mostMisses + 2 {
			_, inDatabase = reader.read(now)
			now = now.Add(59*time.Minute + 30*time.Second)
		}
		now = now.Add(time.Hour)
		if known, _ := reader.calendar.Rows([]byte(synapsetest.Server), old); known != inDatabase[old] {
			t.Errorf("%s: %d visits of an old day are known, %d are there", step.name, known, inDatabase[old])
		}
		if !reader.ledger.isSure(reader.ledger.Changes, now.Add(-time.Hour)) {
			t.Errorf("%s: old days are verified for ever", step.name)
		}
		if days := daysCounted(reader, now, reader.ledger); len(days) > 0 {
			t.Errorf("%s: %d days are counted, though it is sure that nothing has changed", step.name, len(days))
		}
	}
	inDoubt := reader.ledger
	inDoubt.Doubts = now.Add(activity.VerifyEvery)
	first, last := activity.DayOf(now)-activity.RetentionDays+4, activity.DayOf(now)-1 // the window moves on meanwhile
	for date, days := first, daysCounted(reader, now, inDoubt); date <= last; date++ {
		if !days[date] {
			t.Errorf("in doubt, day %s is not counted", date)
		}
	}
}

// A late visit of an old day that comes when another one is found does not make up for it.
func TestLateVisitsOneAfterTheOther(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	must.Succeed(t, synapsetest.Population{Users: 1000, Days: 62, Now: noon}.FillPostgreSQL(t.Context(), location))
	reader := newVisitsReader(t, must.Get(sqldb.ParseSource(location))(t))
	_, _ = reader.read(noon)
	const interval = 59*time.Minute + 30*time.Second
	turn := func(date activity.Day) (refreshes int) {
		for !date.VerifiedBetween(reader.since.Add(time.Duration(refreshes)*interval), reader.since.Add(time.Duration(refreshes+1)*interval)) {
			refreshes++
		}
		return refreshes
	}
	late := make(map[int]activity.Day) // by the refresh before which the visit comes
	for date := activity.DayOf(noon) - 50; len(late) < 2; date++ {
		switch turn(date) {
		case 20: // is found then
			late[0] = date
		case 15: // has just had its turn
			late[20] = date
		}
	}
	var inDatabase map[activity.Day]int
	for refresh := range 20 + int(activity.VerifyEvery/interval) + 1 {
		if date, ok := late[refresh]; ok {
			dbtest.Exec(t, location, fmt.Sprintf(`INSERT INTO user_daily_visits (user_id, device_id, timestamp, user_agent) VALUES ('@late:big.example', 'D', %d, 'Mozilla')`, date.Start().UnixMilli()),
				`SELECT pg_stat_force_next_flush()`)
		}
		_, inDatabase = reader.read(reader.since.Add(interval))
	}
	for refresh, date := range late {
		if known, _ := reader.calendar.Rows([]byte(synapsetest.Server), date); known != inDatabase[date] {
			t.Errorf("%d visits of %s are known, %d are there: one came before refresh %d", known, date, inDatabase[date], refresh)
		}
	}
}

// daysCounted returns the days that are counted by refreshes at odd times, until nothing is in
// doubt any more, if nothing but new visits comes.
func daysCounted(reader *visitsReader, now time.Time, l ledger) map[activity.Day]bool {
	days := make(map[activity.Day]bool)
	for end := now.Add(activity.VerifyEvery + 3*time.Hour); now.Before(end); {
		since := now
		now = now.Add(59*time.Minute + 30*time.Second)
		r := &reading{since: since, now: now, server: []byte(synapsetest.Server), rec: activity.NewBatch(reader.calendar), notes: notes{Ledger: l}}
		r.changes = map[string]changes{"user_daily_visits": l.Changes}
		for _, date := range r.visitDays(true).counted {
			days[date] = true
		}
	}
	return days
}
