package dendrite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

const day = 24 * time.Hour

// lateVisits is for how long after midnight visits of the day before may still come.
// Dendrite writes every three hours, and dates the first ones after midnight one day
// back; and the database that is read may be six hours behind, as a standby may be.
const lateVisits = 12 * time.Hour

// visitDay is the UTC day of a visit. Dendrite dates visits 00:00 UTC of their day,
// but reckons "one day back" in local time: on the day after clocks were changed that
// is an hour too early or too late. So a time is rounded to the nearest midnight.
func visitDay(milli int64) activity.Day { return activity.DayOf(time.UnixMilli(milli).Add(day / 2)) }

// between is true of the visits, in the table v, of some days, the last excluded.
func between(from, to activity.Day) string {
	bound := func(date activity.Day) int64 { return date.Start().Add(-day / 2).UnixMilli() }
	return fmt.Sprintf(`v.timestamp >= %d AND v.timestamp < %d`, bound(from), bound(to))
}

// visits reports the daily visits of native accounts, from which r30v2 and growth
// are counted.
//
// Only days that can have changed are read: those since the last Read. For some of
// the older ones the rows are counted, for all that are known, however old, when
// everything is asked for: the last Read may have been before they were over. A day
// with another count is read again. No other day is: whether a device was idle on a
// day can be recognized best on that day; see readDays.
//
// If a recent day has lost rows, the records are no longer those that were read: a backup
// was restored, and people may have used it. So when everything is asked for, the days of
// r30v2 are read again from the day before the oldest one that has lost rows: on later ones,
// as many others may have come.
//
// It says whether all older visits are known as well; see past.
func (r *reading) visits(ctx context.Context) (all bool, err error) {
	today := activity.DayOf(r.now)
	first, end := activity.DayOf(r.now.Add(-activity.RetentionDays*day)), today+2 // a clock may be ahead
	changed, from := today-1, activity.FirstDay(r.now, activity.MaxWindow)
	if !r.since.IsZero() {
		from = first
		if err := r.continues(ctx, first, end); err != nil {
			return false, err
		}
		changed = min(today, activity.DayOf(r.since))
	}
	settled, before := r.known(from, first, end, changed)
	stale := make(map[activity.Day]bool)
	for date := range before {
		stale[date] = true
	}
	if err := r.countSettled(ctx, settled, first, changed, before, stale); err != nil {
		return false, err
	}
	older := r.unknownPast(first)
	if len(stale)+len(older) >= scanDays {
		wanted := maps.Clone(stale)
		for _, date := range older {
			wanted[date] = true
		}
		if scanned, err := r.scan(ctx, wanted); scanned || err != nil {
			return true, errors.Join(err, r.keptRows(before))
		}
	}
	for from, to := range runs(from, end, func(date activity.Day) bool { return stale[date] }) {
		if err := r.readDays(ctx, from, to); err != nil {
			return false, err
		}
	}
	if err := r.keptRows(before); err != nil {
		return false, err
	}
	return r.past(ctx, older)
}

// countSettled adds to stale those of the settled days that have to be read again, and to
// before the newest one that has visits, which may not have lost any.
func (r *reading) countSettled(ctx context.Context, settled []activity.Day, first, changed activity.Day, before map[activity.Day]int, stale map[activity.Day]bool) error {
	if !r.since.IsZero() {
		newest, rows := activity.NewestWithRows(r.rec, r.server, first, changed)
		if rows > 0 {
			before[newest] = rows
		}
		_, err := r.verify(ctx, r.toVerify(settled, newest), stale)
		return err
	}
	lost, err := r.verify(ctx, settled, stale)
	for _, date := range settled {
		if date >= max(first, lost-1) {
			stale[date] = true
		}
	}
	return err
}

// known returns which of the days from one on, the end excluded, are known and have not
// changed, and how many rows are known of the others. Days before first that are not
// known are in neither: they are for past.
func (r *reading) known(from, first, end, changed activity.Day) (settled []activity.Day, others map[activity.Day]int) {
	others = make(map[activity.Day]int)
	for date := from; date < end; date++ {
		rows, known := r.rec.Rows(r.server, date)
		switch {
		case known && date < changed:
			settled = append(settled, date)
		case known || date >= first:
			others[date] = rows
		}
	}
	return settled, others
}

// keptRows returns ErrStartOver if one of some days, which were read again, has fewer
// rows than before, as when somebody uses a server after the restore of a backup.
func (r *reading) keptRows(before map[activity.Day]int) error {
	for date, rows := range before {
		if now, _ := r.rec.Rows(r.server, date); now < rows && !r.since.IsZero() {
			return collector.ErrStartOver
		}
	}
	return nil
}

// continues returns ErrStartOver if visits that were read before are newer than any
// that there is now, as after the restore of a backup: Dendrite deletes none.
func (r *reading) continues(ctx context.Context, first, end activity.Day) error {
	newest, rows := activity.NewestWithRows(r.rec, r.server, first, end)
	if rows == 0 {
		return nil // none were read before
	}
	var latest *int64
	// The end of index userapi_daily_visits_timestamp_idx (timestamp).
	if err := r.GetContext(ctx, &latest, `SELECT MAX(timestamp) FROM userapi_daily_visits`); err != nil {
		return err
	}
	if latest == nil || visitDay(*latest) < newest {
		return collector.ErrStartOver
	}
	return nil
}

// toVerify chooses from the days that are settled: yesterday while visits of it may
// still come, the newest one that has visits, and others at times of their own.
func (r *reading) toVerify(settled []activity.Day, newest activity.Day) (chosen []activity.Day) {
	uncertain := activity.DayOf(r.since.Add(-lateVisits))
	for _, date := range settled {
		if date >= uncertain || date == newest || date.VerifiedBetween(r.since, r.now) {
			chosen = append(chosen, date)
		}
	}
	return chosen
}

// verify adds to stale those of the given days, in order, that do not have as many
// rows as were read, and returns the oldest one that has fewer, or one that will not come.
func (r *reading) verify(ctx context.Context, days []activity.Day, stale map[activity.Day]bool) (lost activity.Day, err error) {
	lost = math.MaxInt32
	if len(days) == 0 {
		return lost, nil
	}
	asked, counted := make(map[activity.Day]bool), make(map[activity.Day]int)
	for _, date := range days {
		asked[date] = true
	}
	for from, to := range runs(days[0], days[len(days)-1]+1, func(date activity.Day) bool { return asked[date] }) {
		err := r.Stream(ctx, r.visitCounts(from, to), 2, func(row *sqldb.Row) { counted[visitDay(row.Integer(0))] += int(row.Integer(1)) })
		if err != nil {
			return lost, err
		}
	}
	for _, date := range days {
		n, _ := r.rec.Rows(r.server, date)
		if n != counted[date] {
			stale[date] = true
		}
		if n > counted[date] {
			lost = min(lost, date)
		}
	}
	return lost, nil
}

// visitCounts are the numbers of visits of some days, the last excluded, by time.
func (r *reading) visitCounts(from, to activity.Day) string {
	return fmt.Sprintf(`SELECT v.timestamp, COUNT(*) FROM userapi_daily_visits AS v WHERE %s GROUP BY v.timestamp`, r.visitsOn(from, to))
}

const (
	// pastRows is how many older visits one refresh reads at most: the first figures
	// should not wait for growth.
	pastRows = 1_000_000
	// chunkDays is how many days are read at a time: the visits of idle devices wait in
	// memory for those of their users.
	chunkDays = 10
)

// oldestVisit returns the time of the oldest visit in milliseconds, nil if there is none.
func oldestVisit(ctx context.Context, view sqldb.View) (oldest *int64, err error) {
	// The end of index userapi_daily_visits_timestamp_idx (timestamp).
	err = view.GetContext(ctx, &oldest, `SELECT MIN(timestamp) FROM userapi_daily_visits`)
	return oldest, err
}

// unknownPast returns the days before those of r30v2, back to MaxWindow, that may have
// visits and were not read yet, the newest first.
func (r *reading) unknownPast(end activity.Day) (days []activity.Day) {
	if r.visitsSince == nil {
		return nil
	}
	first := max(visitDay(*r.visitsSince), activity.DayOf(r.now.Add(-activity.MaxWindow))+1)
	for date := end - 1; date >= first; date-- {
		if _, known := r.rec.Rows(r.server, date); !known {
			days = append(days, date)
		}
	}
	return days
}

// past reports the visits of such days, as many as one refresh should read. It says
// whether all of them are known now.
func (r *reading) past(ctx context.Context, days []activity.Day) (all bool, err error) {
	read := 0
	for len(days) > 0 {
		if read > pastRows {
			return false, nil
		}
		n := 1 // days in a row
		for n < min(chunkDays, len(days)) && days[n] == days[0]-activity.Day(n) {
			n++
		}
		from, to := days[n-1], days[0]+1
		if err := r.readDays(ctx, from, to); err != nil {
			return false, err
		}
		for date := from; date < to; date++ {
			rows, _ := r.rec.Rows(r.server, date)
			read += rows
		}
		days = days[n:]
	}
	return true, nil
}

// runs yields the beginning and the end, which is excluded, of each run of days in a
// row that are wanted.
func runs(first, end activity.Day, wanted func(activity.Day) bool) func(yield func(from, to activity.Day) bool) {
	return func(yield func(from, to activity.Day) bool) {
		for date := first; date < end; date++ {
			if !wanted(date) {
				continue
			}
			from := date
			for date < end && wanted(date) {
				date++
			}
			if !yield(from, date) {
				return
			}
		}
	}
}
