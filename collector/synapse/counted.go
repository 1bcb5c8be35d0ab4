package synapse

import (
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// countsEvery is how often what takes a scan of a table of PostgreSQL is counted at most:
// a little less than the interval of refreshes that is usual.
const countsEvery = 50 * time.Minute

// counts are what was counted by scans of tables.
type counts struct {
	Accounts   counted[accountCount]
	Rooms      counted[int]
	Joined     counted[int]
	Federation counted[map[string]int]
}

// counted is what a scan of a table gave.
type counted[T any] struct {
	Value   T
	At      time.Time // the zero time if nothing was counted
	Changes changes   // of the table, up to then
}

// forgotten says that what was counted is of no use any more, whatever has changed since:
// it was counted on another UTC day, for the server's word is not final: it says nothing of
// changes of the last seconds. An SQLite file is small, and is scanned each time.
func (c counted[T]) forgotten(r *reading) bool {
	return c.At.IsZero() || r.since.IsZero() || activity.DayOf(c.At) != activity.DayOf(r.now) || r.now.Before(c.At) || r.Engine == sqldb.SQLite
}

// expired says that a table must be scanned again: the database server says that it has
// changed, or does not say, and the last scan was not just before. After a start of the
// exporter, or if another table is there, it does not matter how long ago it was.
func (c counted[T]) expired(r *reading, now changes) bool {
	unchanged := now.Known && now == c.Changes
	another := c.Changes.Known && !now.sameTable(c.Changes)
	return c.forgotten(r) || !unchanged && (r.begins || another || r.now.Sub(c.At) >= countsEvery)
}

// count returns what is known of a table, or what count gives if that has expired.
func count[T any](r *reading, last *counted[T], table string, count func() (T, error)) (T, error) {
	now := r.changes[table]
	if !last.expired(r, now) {
		return last.Value, nil
	}
	value, err := count()
	if err == nil {
		*last = counted[T]{value, r.now, now}
	}
	return value, err
}
