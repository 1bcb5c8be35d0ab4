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

// VerifyEvery is how often a reader should look whether the server still has the
// records of a day of r30v2 that were read: one day an hour.
const VerifyEvery = RetentionDays * time.Hour

// VerifiedBetween says whether the moment at which a reader looks at a day again lies
// after since, and not after now. It comes once in VerifyEvery; those of RetentionDays
// days in a row are spread evenly over that time. It depends on the day alone, so that
// none is passed over when others come and go.
func (d Day) VerifiedBetween(since, now time.Time) bool {
	const every, hour = int64(VerifyEvery / time.Second), int64(time.Hour / time.Second)
	offset := int64(d) * hour % every
	turn := func(t time.Time) int64 { return (t.Unix() - offset) / every }
	return turn(since) != turn(now)
}

// oldestDay returns the first day that matters to a figure of today.
func oldestDay(today Day) Day { return today - Day(MaxWindow/day) + 1 }

// Start returns the first moment of the day, 00:00:00 UTC.
func (d Day) Start() time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

// String writes the day as in 2026-11-09.
func (d Day) String() string { return d.Start().Format(time.DateOnly) }
