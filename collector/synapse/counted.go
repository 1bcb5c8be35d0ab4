package synapse

import (
	"context"
	"fmt"
	"strings"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// countsEvery is how often what takes a scan of a table of PostgreSQL is counted at most:
// a little less than the interval of refreshes that is usual.
const countsEvery = 50 * time.Minute

// counts are what was counted by scans of tables.
type counts struct {
	accounts   counted[accountCount]
	rooms      counted[int]
	joined     counted[int]
	federation counted[map[string]int]
}

// counted is what a scan of a table gave.
type counted[T any] struct {
	value   T
	at      time.Time // the zero time if nothing was counted
	changes changes   // of the table, up to then
}

// changes are how many rows of a table have been inserted, updated and deleted since the
// database server began to count, as far as that is known, and in which file the table
// is. Transactions that were taken back are counted as well. A table that was restored,
// emptied or rewritten is in another file.
type changes struct {
	known                      bool
	file                       int64
	inserted, updated, deleted int64
}

// only says that since some earlier changes, rows were inserted and nothing else.
func (c changes) only(earlier changes) bool {
	earlier.inserted = c.inserted
	return c.known && c == earlier
}

// forgotten says that what was counted is of no use any more, whatever has changed since:
// it was counted on another UTC day, for the server's word is not final: it says nothing of
// changes of the last seconds. An SQLite file is small, and is scanned each time.
func (c counted[T]) forgotten(r *reading) bool {
	return c.at.IsZero() || r.since.IsZero() || activity.DayOf(c.at) != activity.DayOf(r.now) || r.now.Before(c.at) || r.Engine == sqldb.SQLite
}

// expired says that a table must be scanned again: the database server says that it has
// changed, or does not say, and the last scan was not just before.
func (c counted[T]) expired(r *reading, now changes) bool {
	unchanged := now.known && now == c.changes
	return c.forgotten(r) || !unchanged && r.now.Sub(c.at) >= countsEvery
}

// count returns what is known of a table, or what count gives if that has expired.
func count[T any](r *reading, last *counted[T], table string, count func() (T, error)) (T, error) {
	now := r.changes[table]
	if !last.expired(r, now) {
		return last.value, nil
	}
	value, err := count()
	if err == nil {
		*last = counted[T]{value, r.now, now}
	}
	return value, err
}

// lookUpChanges asks the database server how its tables have changed, which every role
// may. It must come before all other statements: what it counts must be in the view that
// is read. A standby does not know it; nor is it known of a view, which has no file.
func (r *reading) lookUpChanges(ctx context.Context) error {
	r.changes = make(map[string]changes)
	if r.Engine != sqldb.PostgreSQL {
		return nil
	}
	var selects []string
	for _, table := range []string{"users", "rooms", "room_stats_current", "destinations", "user_daily_visits", "user_ips"} {
		selects = append(selects, fmt.Sprintf(`SELECT '%[1]s', pg_relation_filenode(to_regclass('%[1]s')), pg_stat_get_tuples_inserted(to_regclass('%[1]s')), pg_stat_get_tuples_updated(to_regclass('%[1]s')), pg_stat_get_tuples_deleted(to_regclass('%[1]s'))
			WHERE pg_relation_filenode(to_regclass('%[1]s')) IS NOT NULL AND NOT pg_is_in_recovery() AND current_setting('track_counts') = 'on'`, table))
	}
	rows, err := r.QueryContext(ctx, strings.Join(selects, " UNION ALL "))
	if err != nil {
		return fmt.Errorf("ask for the statistics of tables: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var table string
		c := changes{known: true}
		if err := rows.Scan(&table, &c.file, &c.inserted, &c.updated, &c.deleted); err != nil {
			return err
		}
		r.changes[table] = c
	}
	return rows.Err()
}
