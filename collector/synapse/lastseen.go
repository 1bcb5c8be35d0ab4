package synapse

import (
	"context"
	"fmt"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// overlap is how far behind the last Read last-seen rows are read again.
// Synapse keeps them in memory for seconds before it writes them, and a row may
// take its time to be committed.
const overlap = 5 * time.Minute

// ends are the oldest and the newest moment in user_ips, nil if it is empty.
type ends struct{ Oldest, Newest *int64 }

// ends looks them up by both ends of index user_ips_last_seen_only (last_seen).
func (r *reading) ends(ctx context.Context) (e ends, err error) {
	err = r.GetContext(ctx, &e, `SELECT (SELECT MIN(last_seen) FROM user_ips) AS oldest, (SELECT MAX(last_seen) FROM user_ips) AS newest`)
	return e, err
}

// kept is the moment from which user_ips is complete.
func (e ends) kept(now time.Time) time.Time {
	if e.Oldest == nil {
		return now
	}
	return time.UnixMilli(*e.Oldest)
}

// newest is 0 for an empty table.
func (e ends) newest() int64 {
	if e.Newest == nil {
		return 0
	}
	return *e.Newest
}

// lastSeen reports when users were last seen, as Synapse's daily_active_users
// and monthly_active_users count it: by user_ips.last_seen in milliseconds,
// guests and bridged users included.
//
// Synapse deletes rows after user_ips_max_age, 28 days by default. The time before
// its oldest row comes from devices.last_seen. Synapse writes that in the same batch
// and never prunes it, though a logout deletes the device.
func (r *reading) lastSeen(ctx context.Context, kept time.Time) error {
	if !r.since.IsZero() {
		return r.seenIn(ctx, r.lastSeenRows(r.lastKnown().Add(-overlap)))
	}
	horizon := r.now.Add(-activity.MaxWindow)
	if err := r.seenIn(ctx, r.lastSeenRows(horizon)); err != nil {
		return err
	}
	if !r.extras.devices.readable || !kept.After(horizon) {
		return nil
	}
	return r.seenIn(ctx, deviceRows(horizon, kept))
}

// lastKnown is the moment up to which the last Read knew everything: Synapse's clock may
// be behind ours, and ours may have been ahead before the exporter was started again.
func (r *reading) lastKnown() time.Time {
	if !r.known.IsZero() && r.known.Before(r.since) {
		return r.known
	}
	return r.since
}

// prunedSince says whether Synapse may have deleted rows of user_ips that came after the
// last Read: then devices alone know of them.
func (r *reading) prunedSince(e ends) bool {
	return !r.since.IsZero() && !r.known.IsZero() && e.Oldest != nil && *e.Oldest > r.known.UnixMilli()
}

// lastSeenRows are the rows seen later than a moment, by index
// user_ips_last_seen_only (last_seen).
func (r *reading) lastSeenRows(after time.Time) string {
	agent := "user_agent"
	if !r.extras.agents.readable {
		agent = "NULL"
	}
	return fmt.Sprintf(`SELECT user_id, %s, last_seen FROM user_ips WHERE last_seen > %d`, agent, after.UnixMilli())
}

// deviceRows are those between two moments, both excluded. No index knows the
// time: a scan, when everything is read.
func deviceRows(after, before time.Time) string {
	return fmt.Sprintf(`SELECT user_id, user_agent, last_seen FROM devices WHERE last_seen > %d AND last_seen < %d`, after.UnixMilli(), before.UnixMilli())
}

// seenIn reports the rows of a query for user, agent and last-seen time.
func (r *reading) seenIn(ctx context.Context, query string) error {
	return r.Stream(ctx, query, 3, func(row *sqldb.Row) {
		r.rec.Seen(r.server, row.Text(0), r.classify.Of(row.Text(1)), time.UnixMilli(row.Integer(2)))
	})
}
