package synapse

import (
	"context"
	"database/sql"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// lastSeen reports when each user was last seen, as Synapse's
// daily_active_users and monthly_active_users count it: by user_ips.last_seen
// in milliseconds, guests and bridged users included. Synapse deletes rows
// after user_ips_max_age, 28 days by default, and so cuts its own 30-day
// figure; this one is equal to it.
func lastSeen(ctx context.Context, view sqldb.View, now time.Time, server []byte, rec activity.Recorder) error {
	// Index user_ips_last_seen_only (last_seen).
	query := view.Rebind(`SELECT user_id, last_seen FROM user_ips WHERE last_seen > ?`)
	rows, err := view.QueryContext(ctx, query, now.Add(-activity.MaxWindow).UnixMilli())
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var user sql.RawBytes
	var at int64
	for rows.Next() {
		if err := rows.Scan(&user, &at); err != nil {
			return err
		}
		rec.Seen(server, user, time.UnixMilli(at))
	}
	return rows.Err()
}
