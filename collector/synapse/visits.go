package synapse

import (
	"context"
	"fmt"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// settling is how long after midnight Synapse may still write visits of the
// day before: it does so every five minutes.
const settling = 15 * time.Minute

// visits reports the daily visits of native accounts that r30v2 is counted
// from. Synapse writes one row per user, device and day, dated 00:00 UTC in
// milliseconds, and never deletes any; rows repeat where a device has no id.
//
// Only days that can have changed are read: those since the last Read. For one of
// the older days at each turn, or for all when everything is asked for, the rows are
// counted; a day with another count is read again.
func (r *reading) visits(ctx context.Context, turn int) error {
	const day = 24 * time.Hour
	first, end := activity.DayOf(r.now.Add(-activity.RetentionDays*day)), activity.DayOf(r.now.Add(day))+1
	changed := min(activity.DayOf(r.now), activity.DayOf(r.since.Add(-settling)))
	if r.since.IsZero() {
		changed = activity.DayOf(r.now) - 1
	}
	stale := make(map[activity.Day]bool)
	var settled []activity.Day
	for date := first; date < end; date++ {
		if _, known := r.rec.Rows(r.server, date); known && date < changed {
			settled = append(settled, date)
		} else {
			stale[date] = true
		}
	}
	if len(settled) > 0 && !r.since.IsZero() {
		turn %= len(settled)
		settled = settled[turn : turn+1]
	}
	if err := r.verify(ctx, settled, stale); err != nil {
		return err
	}
	// Days in a row are read together.
	for date := first; date < end; date++ {
		if !stale[date] {
			continue
		}
		from := date
		for stale[date] {
			date++
		}
		if err := r.readDays(ctx, from, date); err != nil {
			return err
		}
	}
	return nil
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
	var oldest *int64
	// The end of index user_daily_visits_ts_idx (timestamp).
	if err := r.GetContext(ctx, &oldest, `SELECT MIN(timestamp) FROM user_daily_visits`); err != nil || oldest == nil {
		return err == nil, err
	}
	const day = 24 * time.Hour
	first := max(activity.DayOf(time.UnixMilli(*oldest)), activity.DayOf(r.now.Add(-activity.MaxWindow))+1)
	read := 0
	for end := activity.DayOf(r.now.Add(-activity.RetentionDays * day)); end > first; end-- {
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

// dayByDayMax is how many days are better read one by one: the rows of one day need no
// date, which is a seventh of what it costs the database to send them.
const dayByDayMax = 3

// readDays reads the visits of some days, the last excluded, in full.
func (r *reading) readDays(ctx context.Context, from, to activity.Day) error {
	for date := from; date < to; date++ {
		r.rec.Forget(r.server, date)
	}
	if to-from > dayByDayMax {
		return r.Stream(ctx, visitRows(from, to), 3, func(row *sqldb.Row) {
			r.visit(row, activity.DayOf(time.UnixMilli(row.Integer(2))))
		})
	}
	for date := from; date < to; date++ {
		if err := r.Stream(ctx, dayRows(date), 2, func(row *sqldb.Row) { r.visit(row, date) }); err != nil {
			return err
		}
	}
	return nil
}

// visit reports one row. The agent is NULL in rows older than Synapse 1.22.
func (r *reading) visit(row *sqldb.Row, date activity.Day) {
	r.rec.Visit(r.server, row.Text(0), r.classify.Of(row.Text(1)), date)
}

// verify adds to stale those of the given days, in order, that do not have as
// many rows as were read.
func (r *reading) verify(ctx context.Context, days []activity.Day, stale map[activity.Day]bool) error {
	if len(days) == 0 {
		return nil
	}
	counted := make(map[activity.Day]int)
	err := r.Stream(ctx, visitCounts(days[0], days[len(days)-1]+1), 2, func(row *sqldb.Row) {
		counted[activity.DayOf(time.UnixMilli(row.Integer(0)))] += int(row.Integer(1))
	})
	for _, date := range days {
		if n, _ := r.rec.Rows(r.server, date); n != counted[date] {
			stale[date] = true
		}
	}
	return err
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
