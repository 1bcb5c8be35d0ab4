package synapse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// A countingRecorder counts the visits that are reported.
type countingRecorder struct {
	activity.Recorder
	visits int
}

func (c *countingRecorder) Visit(domain, user []byte, client activity.Client, date activity.Day) {
	c.visits++
	c.Recorder.Visit(domain, user, client, date)
}

// The visits of today are read once, and then those that are new; they are read again
// when anything else may have happened. What is known afterwards is what is there.
func TestOnlyNewVisitsAreRead(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	must.Succeed(t, synapsetest.Population{Users: 3000, Days: 62, Now: noon}.FillPostgreSQL(t.Context(), location))
	source := must.Get(sqldb.ParseSource(location))(t)
	dbtest.Exec(t, location, `VACUUM FULL user_daily_visits`) // which leaves no gaps
	today := activity.DayOf(noon)
	visit := func(date activity.Day, users int) string {
		return fmt.Sprintf(`INSERT INTO user_daily_visits (user_id, device_id, timestamp, user_agent)
			SELECT '@' || random() || ':big.example', 'D', %d, 'Mozilla' FROM generate_series(1, %d)`, date.Start().UnixMilli(), users)
	}
	const newest = `(SELECT MAX(ctid) FROM user_daily_visits)`
	writers := make([]*pgx.Conn, 3) // they go on with different pages
	for i := range writers {
		writers[i] = must.Get(pgx.Connect(t.Context(), location))(t)
		t.Cleanup(func() { _ = writers[i].Close(context.Background()) })
	}

	reader := newVisitsReader(t, source)
	now := noon
	for i, step := range []struct {
		name       string
		after      time.Duration
		statements string
		read       int // how many visits are reported; whole for all of today
	}{
		{"first", 0, ``, whole},
		{"nothing happened", time.Minute, ``, 0},
		{"some came", time.Minute, visit(today, 40), 40},
		{"some came, one by one", time.Minute, visit(today, 1) + ";" + visit(today, 2), 3},
		{"to tomorrow by a clock that is ahead", time.Minute, visit(today+1, 5), 5},
		{"a late one, of yesterday", time.Minute, visit(today, 1) + ";" + visit(today-1, 1), whole},
		{"and more today", time.Minute, visit(today, 10), 10},
		{"some that were taken back", time.Minute, `BEGIN;` + visit(today, 10) + `;ROLLBACK`, whole},
		{"one is deleted", time.Minute, `DELETE FROM user_daily_visits WHERE ctid = ` + newest, whole},
		{"one is deleted, and another one comes", time.Minute, `DELETE FROM user_daily_visits WHERE ctid = ` + newest + `;` + visit(today, 1), whole},
		{"one is changed", time.Minute, `UPDATE user_daily_visits SET user_agent = 'Element Android' WHERE ctid = ` + newest, whole},
		{"old ones are deleted, which leaves gaps", time.Minute, fmt.Sprintf(`DELETE FROM user_daily_visits WHERE timestamp < %d;VACUUM user_daily_visits`, (today - 45).Start().UnixMilli()), whole},
		{"some come into the gaps", time.Minute, visit(today, 20), whole},
		{"the table is rewritten", time.Minute, `VACUUM FULL user_daily_visits;` + visit(today, 3), whole},
		{"some come behind it", time.Minute, visit(today, 3), 3},
		{"a backup is restored", time.Minute, `CREATE TEMPORARY TABLE backup AS SELECT * FROM user_daily_visits;
			TRUNCATE user_daily_visits;INSERT INTO user_daily_visits SELECT * FROM backup;` + visit(today, 5), whole},
		{"the next day", 12 * time.Hour, visit(today+1, 50), whole},
		{"which has more", time.Hour, visit(today+1, 7), 7},
	} {
		if step.statements != "" {
			for statement := range strings.SplitSeq(step.statements+";SELECT pg_stat_force_next_flush()", ";") {
				_ = must.Get(writers[i%len(writers)].Exec(t.Context(), statement))(t)
			}
		}
		now = now.Add(step.after)
		read, inDatabase := reader.read(now)
		for date := activity.DayOf(now) - 40; date <= activity.DayOf(now)+1; date++ {
			if known, _ := reader.calendar.Rows([]byte(synapsetest.Server), date); known != inDatabase[date] {
				t.Errorf("%s: %d visits are known of day %s, %d are there", step.name, known, date, inDatabase[date])
			}
		}
		if ofToday := inDatabase[activity.DayOf(now)]; step.read == whole && read < ofToday || step.read != whole && read != step.read {
			t.Errorf("%s: %d visits were read, want %d (%d is for all of today, which has %d)", step.name, read, step.read, whole, ofToday)
		}
	}
}

const whole = -1

// A visitsReader reads visits alone, time and again.
type visitsReader struct {
	t        *testing.T
	source   sqldb.Source
	calendar *activity.Calendar
	since    time.Time
	ledger   ledger
}

func newVisitsReader(t *testing.T, source sqldb.Source) *visitsReader {
	return &visitsReader{t: t, source: source, calendar: activity.NewCalendar(activity.Key{1}, activity.SynapseClasses())}
}

// read returns how many visits were reported, and how many of each day there are.
func (v *visitsReader) read(now time.Time) (reported int, inDatabase map[activity.Day]int) {
	v.t.Helper()
	err := errors.New("not read yet")
	for err != nil {
		batch := activity.NewBatch(v.calendar)
		recorder := &countingRecorder{Recorder: batch}
		err = v.source.Read(v.t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
			r := &reading{View: view, since: v.since, known: v.since, now: now, server: []byte(synapsetest.Server), rec: recorder, classify: activity.SynapseClasses().Classifier(), extras: extras{visitPages: true}}
			r.limits.slice = 1_000_000
			must.Succeed(v.t, r.lookUpChanges(ctx, view))
			inDatabase = countVisits(ctx, v.t, view)
			r.recall()
			err := r.visits(ctx)
			r.leave()
			v.ledger = r.Ledger
			return err
		})
		batch.Flush()
		reported += recorder.visits
		if errors.Is(err, collector.ErrStartOver) {
			v.calendar, v.since = activity.NewCalendar(activity.Key{1}, activity.SynapseClasses()), time.Time{}
		} else {
			must.Succeed(v.t, err)
		}
	}
	v.since = now
	return reported, inDatabase
}

func countVisits(ctx context.Context, t *testing.T, view sqldb.View) map[activity.Day]int {
	t.Helper()
	counts := make(map[activity.Day]int)
	must.Succeed(t, view.Stream(ctx, `SELECT timestamp, COUNT(*) FROM user_daily_visits GROUP BY timestamp`, 2, func(row *sqldb.Row) {
		counts[dayOfMillis(row.Integer(0))] = int(row.Integer(1))
	}))
	return counts
}

// A day that is no work to read is read whole: the database server's statistics are asked
// for nothing that matters.
func TestAFewVisitsAreReadAgain(t *testing.T) {
	if least := defaultLimits(sqldb.PostgreSQL).wholeDay; least < 1000 {
		t.Errorf("new visits alone are read from %d rows on", least)
	}
}
