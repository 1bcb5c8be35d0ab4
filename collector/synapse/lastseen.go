package synapse

import (
	"context"
	"fmt"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// overlap is how far behind the last Read last-seen rows are read again.
// Synapse keeps them in memory for seconds before it writes them, and a row may
// take its time to be committed.
const overlap = 5 * time.Minute

// lastSeen reports when users were last seen, as Synapse's daily_active_users
// and monthly_active_users count it: by user_ips.last_seen in milliseconds,
// guests and bridged users included. It returns the oldest and the newest
// moment in that table: newest is what this returned at the last Read.
//
// Synapse deletes rows after user_ips_max_age, 28 days by default. For the time
// before its oldest row, devices.last_seen speaks, which the same batch of
// Synapse's writes and nothing prunes, though it goes with a logout.
func (r *reading) lastSeen(ctx context.Context, newest int64) (kept time.Time, newestNow int64, err error) {
	var ends struct{ Oldest, Newest *int64 }
	// Both ends of index user_ips_last_seen_only (last_seen).
	if err := r.GetContext(ctx, &ends, `SELECT (SELECT MIN(last_seen) FROM user_ips) AS oldest, (SELECT MAX(last_seen) FROM user_ips) AS newest`); err != nil {
		return kept, 0, fmt.Errorf("read last-seen times from user_ips: %w", err)
	}
	kept = r.now
	if ends.Oldest != nil {
		kept, newestNow = time.UnixMilli(*ends.Oldest), *ends.Newest
	}
	horizon := r.now.Add(-activity.MaxWindow)
	if !r.since.IsZero() {
		if newestNow < newest {
			return kept, newestNow, fmt.Errorf("user_ips.last_seen: %w", collector.ErrStartOver)
		}
		if err := r.seenIn(ctx, r.lastSeenRows(r.since.Add(-overlap))); err != nil {
			return kept, newestNow, fmt.Errorf("read last-seen times from user_ips: %w", err)
		}
		return kept, newestNow, nil
	}
	if err := r.seenIn(ctx, r.lastSeenRows(horizon)); err != nil {
		return kept, newestNow, fmt.Errorf("read last-seen times from user_ips: %w", err)
	}
	if r.extras.devices.readable && kept.After(horizon) {
		if err := r.seenIn(ctx, deviceRows(horizon, kept)); err != nil {
			return kept, newestNow, fmt.Errorf("read last-seen times from devices: %w", err)
		}
	}
	return kept, newestNow, nil
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
