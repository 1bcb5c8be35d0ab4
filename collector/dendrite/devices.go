package dendrite

import (
	"context"
	"fmt"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// overlap is how far behind the last Read last-seen times are read again: a row may
// take its time to be committed, and clocks differ by a little.
const overlap = 5 * time.Minute

// madeByServer is true of the devices that Dendrite makes for itself, given the
// name of the table: for the senders of application services, again at each start,
// and for server notices. They have no agent and were never used. A person's device
// is like that only if its client sends no agent and never synchronised.
func madeByServer(table string) string {
	return fmt.Sprintf(`(COALESCE(%[1]s.user_agent, '') = '' AND %[1]s.last_seen_ts = COALESCE(%[1]s.created_ts, 0))`, table)
}

// lastSeen reports when devices were last seen. Dendrite writes that at the
// registration, at a login and, for a device at most once a minute, at /sync. It says
// how many times were damaged, which only SQLite can hold, and whether any was not.
//
// If the newest time that is known is gone and nobody has come since, its device was logged
// out, or a backup was restored.
func (r *reading) lastSeen(ctx context.Context) (damaged int, anyReadable bool, err error) {
	after, known := r.now.Add(-activity.MaxWindow), r.rec.Newest(r.server)
	if !r.since.IsZero() {
		after = r.since
		if known.Before(after) { // the database or Dendrite's clock may be behind
			after = known
		}
		after = after.Add(-overlap)
	}
	lastSeen := `last_seen_ts`
	if r.Engine == sqldb.SQLite { // text in place of a number is later than all numbers
		lastSeen = `CASE WHEN typeof(last_seen_ts) = 'integer' THEN last_seen_ts END`
	}
	// A scan: no index knows the time. There is a row for each device that is logged in.
	query := fmt.Sprintf(`SELECT localpart, user_agent, %s FROM userapi_devices AS d
		WHERE server_name = %s AND last_seen_ts > %d AND NOT %s`, lastSeen, r.literal(), after.UnixMilli(), madeByServer("d"))
	goesOn := r.since.IsZero() || known.IsZero()
	err = r.Stream(ctx, query, 3, func(row *sqldb.Row) {
		if row.Text(2) == nil {
			damaged++
			return
		}
		anyReadable = true
		at := time.UnixMilli(row.Integer(2))
		goesOn = goesOn || !at.Before(known)
		r.rec.Seen(r.server, row.Text(0), r.classify.Of(row.Text(1)), at)
	})
	if err == nil && !goesOn {
		err = fmt.Errorf("the newest last-seen time is gone: %w", collector.ErrStartOver)
	}
	return damaged, anyReadable, err
}
