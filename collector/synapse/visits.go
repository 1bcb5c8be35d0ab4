package synapse

import (
	"context"
	"database/sql"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// visits reports the daily visits of native accounts that r30v2 is counted
// from. Synapse writes one row per user, device and day, dated 00:00 UTC in
// milliseconds, and never deletes any; rows repeat where a device has no id.
func visits(ctx context.Context, view sqldb.View, now time.Time, server []byte, classes *activity.Classes, rec activity.Recorder) error {
	// Index user_daily_visits_ts_idx (timestamp). The upper bound drops rows
	// of a badly wrong clock, as Synapse does; the calendar decides the exact
	// bounds.
	query := view.Rebind(`SELECT user_id, user_agent, timestamp FROM user_daily_visits WHERE timestamp > ? AND timestamp < ?`)
	const day = 24 * time.Hour
	from, to := now.Add(-activity.RetentionDays*day), now.Add(day)
	rows, err := view.QueryContext(ctx, query, from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var user, agent sql.RawBytes // agent is NULL in rows older than Synapse 1.22
	var at int64
	for rows.Next() {
		if err := rows.Scan(&user, &agent, &at); err != nil {
			return err
		}
		rec.Visit(server, user, classes.Of(agent), activity.DayOf(time.UnixMilli(at)))
	}
	return rows.Err()
}
