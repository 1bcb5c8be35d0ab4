package reports

import (
	"context"
	"math"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/activity"
)

// worked are the days on which receivers were at work: evidence of how much time
// has passed, which one wrong clock is not. They are sorted.
type worked []activity.Day

// work notes that a receiver is at work today, and returns all such days.
func work(ctx context.Context, db *sqlx.DB, now time.Time) (days worked, err error) {
	today := db.Rebind(`INSERT INTO reports_days (day) VALUES (?) ON CONFLICT (day) DO NOTHING`)
	if _, err := db.ExecContext(ctx, today, int64(activity.DayOf(now))); err != nil {
		return nil, err
	}
	return workedOn(ctx, db)
}

// workedOn returns the days on which receivers were at work.
func workedOn(ctx context.Context, db *sqlx.DB) (days worked, err error) {
	err = db.SelectContext(ctx, &days, `SELECT day FROM reports_days ORDER BY day`)
	return days, err
}

// age returns the moment by which reports are old: now, or an earlier one if it is
// not proven that so much time has passed.
func (w worked) age(now time.Time) time.Time {
	if proven := activity.ProvenDay(w, activity.DayOf(now)); proven < activity.DayOf(now) {
		return proven.Start()
	}
	return now
}

// proven returns a moment up to which times of receipt are believed, whatever the
// clock shows: the end of the day after the newest one that is proven to have come.
func (w worked) proven() time.Time {
	return (activity.ProvenDay(w, math.MaxInt32) + 2).Start()
}

// plausible returns a moment after which no report can have been received, if the
// clock is proven to be right, and else one that never comes.
func (w worked) plausible(now time.Time) time.Time {
	today := activity.DayOf(now)
	if len(w) > 0 && activity.ProvenDay(w, today) == today && activity.ProvenDay(w, math.MaxInt32) == today {
		return now.Add(24 * time.Hour)
	}
	return time.UnixMilli(math.MaxInt64)
}
