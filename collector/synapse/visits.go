package synapse

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// writeDelay is how long after midnight Synapse may still write visits of the day before:
// it does so every five minutes.
const writeDelay = 15 * time.Minute

// visits reports the daily visits of native accounts that r30v2 is counted
// from. Synapse writes one row per user, device and day, dated 00:00 UTC in
// milliseconds, and never deletes any; rows repeat where a device has no id.
//
// Only days that can have changed are read: those since the last Read, and those
// that are not known. For others the rows are counted, and a day with another count
// is read again. That is for each day once in activity.VerifyEvery; and for all
// days that are known, however old, when everything is asked for: the last Read may
// have been before they were over. Nothing is counted while it is sure that rows were
// added, and nothing else happened; see ledger.
//
// The newest day before those, of all that have rows, is always counted: a backup that is
// restored lacks the newest rows. If a recent day has lost rows, the records are no longer
// those that were read, and nothing of what is known of r30v2's days is taken for granted.
func (r *reading) visits(ctx context.Context) error {
	// The end of index user_daily_visits_ts_idx (timestamp).
	if err := r.GetContext(ctx, &r.visitsSince, `SELECT MIN(timestamp) FROM user_daily_visits`); err != nil {
		return err
	}
	everything := r.readsAllVisits()
	added, all, err := r.newVisits(ctx)
	if err != nil {
		return err
	}
	days := r.visitDays(all)
	// What is found by verifying may have been inserted long ago.
	recent := maps.Clone(days.stale)
	before := r.rowsIn(recent)
	if err := r.verify(ctx, days.counted, days.stale); err != nil {
		return err
	}
	for _, run := range runs(slices.Sorted(maps.Keys(days.stale)), activity.RetentionDays) {
		if err := r.readDays(ctx, run.from, run.to); err != nil {
			return err
		}
	}
	for date, n := range days.rows {
		if now, _ := r.rec.Rows(r.server, date); now < n {
			return fmt.Errorf("visits of a recent day are gone: %w", collector.ErrStartOver)
		}
	}
	now := r.changes["user_daily_visits"]
	if everything { // all days were read or counted
		r.Ledger = ledger{Changes: now}
	} else {
		r.Ledger.enter(now, added+r.rowsIn(recent)-before, r.now)
	}
	if all {
		return nil
	}
	return r.lookUpVisitsEnd(ctx)
}

// readsAllVisits says that nothing of what is known of the days of r30v2 is taken for
// granted.
func (r *reading) readsAllVisits() bool { return r.since.IsZero() || r.restored }

// rowsIn returns how many visits are known of some days.
func (r *reading) rowsIn(days map[activity.Day]bool) (rows int64) {
	for date := range days {
		n, _ := r.rec.Rows(r.server, date)
		rows += int64(n)
	}
	return rows
}

// visitDays are the days of visits that a Read looks at.
type visitDays struct {
	stale   map[activity.Day]bool // those to read
	counted []activity.Day        // those to read if they have lost or gained rows, in order
	rows    map[activity.Day]int  // how many are known of those that may not lose any
}

// visitDays returns the days to look at; if nothing but what was already reported has
// changed, only those that are not known or to be verified.
func (r *reading) visitDays(unchanged bool) visitDays {
	const day = 24 * time.Hour
	today := activity.DayOf(r.now)
	first, end := activity.FirstDay(r.now, activity.RetentionDays*day), activity.DayOf(r.now.Add(day))+1
	// Days from changed on are read, from counted on counted; from recent on, none may
	// have lost rows.
	changed, counted, recent := today-1, activity.FirstDay(r.now, activity.MaxWindow), first
	from := counted
	if !r.readsAllVisits() {
		last := r.lastKnown().Add(-writeDelay)
		from, changed = first, min(today, activity.DayOf(last))
		recent, _ = activity.NewestWithRows(r.rec, r.server, first, changed)
		counted = recent
	}
	if unchanged {
		changed, counted = end, end
	}
	if r.restored { // so that none of them has as many rows as the database
		r.forgetDays(first, end)
		r.restored = false
	}
	days := visitDays{make(map[activity.Day]bool), nil, make(map[activity.Day]int)}
	isSure := r.Ledger.isSure(r.changes["user_daily_visits"], r.since)
	for date := from; date < end; date++ {
		rows, known := r.rec.Rows(r.server, date)
		switch {
		case !known && date < first: // that is for past
			continue
		case !known, date >= changed:
			days.stale[date] = true
		case date >= counted, !isSure && date.VerifiedBetween(r.since, r.now):
			days.counted = append(days.counted, date)
		}
		if date >= recent {
			days.rows[date] = rows
		}
	}
	return days
}

// forgetDays forgets the visits of some days, the last excluded.
func (r *reading) forgetDays(from, to activity.Day) {
	for date := from; date < to; date++ {
		r.rec.Forget(r.server, date)
	}
}

// A run is some days in a row, the last excluded.
type run struct{ from, to activity.Day }

// runs returns days, which are in order, as runs of some days at most.
func runs(days []activity.Day, longest activity.Day) (all []run) {
	for _, date := range days {
		if last := len(all) - 1; last >= 0 && all[last].to == date && date < all[last].from+longest {
			all[last].to++
		} else {
			all = append(all, run{date, date + 1})
		}
	}
	return all
}

// pastRows is how many older visits one refresh reads at most, and pastDays in
// how many days at a time: the first figures should not wait for growth.
const (
	pastRows = 1_000_000
	pastDays = 10
)

// past reports the visits before the days of r30v2, back to MaxWindow, the
// newest first, as many as one refresh should read. It says whether all of them
// are known now.
func (r *reading) past(ctx context.Context) (complete bool, err error) {
	if r.visitsSince == nil {
		return true, nil
	}
	const day = 24 * time.Hour
	first := max(dayOfMillis(*r.visitsSince), activity.FirstDay(r.now, activity.MaxWindow))
	read := 0
	for end := activity.FirstDay(r.now, activity.RetentionDays*day); end > first; end-- {
		if _, known := r.rec.Rows(r.server, end-1); known {
			continue
		}
		if read > pastRows {
			return false, nil
		}
		from := max(first, end-pastDays)
		if err := r.readDays(ctx, from, end); err != nil {
			return false, err
		}
		for date := from; date < end; date++ {
			n, _ := r.rec.Rows(r.server, date)
			read += n
		}
	}
	return true, nil
}

// The rows of one day need no date, which is a seventh of what it costs the database to send
// them. So up to dayByDayMax days are read one by one, and so are days of at least
// dayByDayRows each, for which the statements themselves cost little.
const (
	dayByDayMax  = 3
	dayByDayRows = 10_000
)

// readDays reads the visits of some days, the last excluded, in full, as many days at a
// time as one statement should read.
func (r *reading) readDays(ctx context.Context, from, to activity.Day) error {
	for days := activity.Day(1); from < to; {
		end := min(to, from+days)
		rows, err := r.readDaysAtOnce(ctx, from, end)
		if err != nil {
			return err
		}
		days = activity.Day(max(1, min(r.limits.slice*int64(end-from)/max(1, rows), activity.RetentionDays)))
		if rows >= int64(end-from)*dayByDayRows {
			days = min(days, dayByDayMax)
		}
		from = end
	}
	return nil
}

// readDaysAtOnce returns how many rows some days have.
func (r *reading) readDaysAtOnce(ctx context.Context, from, to activity.Day) (rows int64, err error) {
	r.forgetDays(from, to)
	if to-from > dayByDayMax {
		err = r.Stream(ctx, visitRows(from, to), 3, func(row *sqldb.Row) {
			rows++
			r.visit(row, dayOfMillis(row.Integer(2)))
		})
		return rows, err
	}
	for date := from; date < to && err == nil; date++ {
		err = r.Stream(ctx, dayRows(date), 2, func(row *sqldb.Row) {
			rows++
			r.visit(row, date)
		})
	}
	return rows, err
}

// visit reports one row. The agent is NULL in rows older than Synapse 1.22.
func (r *reading) visit(row *sqldb.Row, date activity.Day) {
	r.rec.Visit(r.server, row.Text(0), r.classify.Of(row.Text(1)), date)
}

func dayOfMillis(at int64) activity.Day { return activity.DayOf(time.UnixMilli(at)) }

// verifyDays is how many days are counted at a time.
const verifyDays = 30

// verify adds to stale those of the given days, in order, that do not have as
// many rows as were read.
func (r *reading) verify(ctx context.Context, days []activity.Day, stale map[activity.Day]bool) error {
	for _, run := range runs(days, verifyDays) {
		counted := make(map[activity.Day]int)
		err := r.Stream(ctx, visitCounts(run.from, run.to), 2, func(row *sqldb.Row) {
			counted[dayOfMillis(row.Integer(0))] += int(row.Integer(1))
		})
		if err != nil {
			return err
		}
		for date := run.from; date < run.to; date++ {
			if n, _ := r.rec.Rows(r.server, date); n != counted[date] {
				stale[date] = true
			}
		}
	}
	return nil
}

// dayRows are the rows of a day, by index user_daily_visits_ts_idx (timestamp).
func dayRows(date activity.Day) string {
	return fmt.Sprintf(`SELECT user_id, user_agent FROM user_daily_visits WHERE timestamp >= %d AND timestamp < %d`,
		date.Start().UnixMilli(), (date + 1).Start().UnixMilli())
}

// visitRows are the rows of some days, the last excluded, by the same index.
func visitRows(from, to activity.Day) string {
	return fmt.Sprintf(`SELECT user_id, user_agent, timestamp FROM user_daily_visits WHERE timestamp >= %d AND timestamp < %d`,
		from.Start().UnixMilli(), to.Start().UnixMilli())
}

// visitCounts are the numbers of those rows, by the same index alone.
func visitCounts(from, to activity.Day) string {
	return fmt.Sprintf(`SELECT timestamp, COUNT(*) FROM user_daily_visits WHERE timestamp >= %d AND timestamp < %d GROUP BY timestamp`,
		from.Start().UnixMilli(), to.Start().UnixMilli())
}
