package activity

import "time"

// A Day is a UTC calendar day, counted from 1970-01-01 (day 0).
type Day int32

const secondsPerDay = 24 * 60 * 60

// DayOf returns the UTC day that holds t.
func DayOf(t time.Time) Day {
	s := t.Unix()
	d := s / secondsPerDay
	if s%secondsPerDay < 0 {
		d--
	}
	return Day(d)
}

// FirstDay returns the first UTC day of the time that ends at now and is so long:
// the first that begins within it. What was recorded on an earlier day lies outside,
// since a visit counts from 00:00 of its day.
func FirstDay(now time.Time, length time.Duration) Day { return DayOf(now.Add(-length)) + 1 }

// oldestDay returns the first day that matters to a figure of today.
func oldestDay(today Day) Day { return today - Day(MaxWindow/day) + 1 }

// Start returns the first moment of the day, 00:00:00 UTC.
func (d Day) Start() time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

// String writes the day as in 2026-11-09.
func (d Day) String() string { return d.Start().Format(time.DateOnly) }
