package synapse

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"active_users_exporter/collector/sqldb"
)

// messages counts the messages of the last day and the rooms they are in, plain
// and encrypted, as Synapse does: by order of arrival. The first event of the
// day itself is not counted, so that a message that arrives first is missing
// (synapse/storage/databases/main/metrics.py, 1.160).
func (r *reading) messages(ctx context.Context, statistics map[string]float64) error {
	position, err := r.positionAt(ctx, r.now.Add(-24*time.Hour))
	if err != nil {
		return err
	}
	// Rows by stream position: the primary key on SQLite, a unique index on
	// PostgreSQL. SQLite would rather walk the index (room_id,
	// stream_ordering), every event there ever was, and must be kept from it.
	const counts = `
		SELECT COUNT(CASE WHEN type = 'm.room.message' THEN 1 END),
		       COUNT(CASE WHEN type = 'm.room.encrypted' THEN 1 END),
		       COUNT(CASE WHEN type = 'm.room.message' AND sender LIKE ? THEN 1 END),
		       COUNT(CASE WHEN type = 'm.room.encrypted' AND sender LIKE ? THEN 1 END),
		       COUNT(DISTINCT CASE WHEN type = 'm.room.message' THEN room_id END),
		       COUNT(DISTINCT CASE WHEN type = 'm.room.encrypted' THEN room_id END)
		FROM events `
	const where = ` WHERE type IN ('m.room.message', 'm.room.encrypted') AND stream_ordering > ?`
	query := counts + where
	if r.Engine == sqldb.SQLite {
		query = counts + `NOT INDEXED` + where
	}
	local := "%:" + string(r.server) // _ and % in the name are wildcards for Synapse as well
	var n [6]float64
	if err := r.QueryRowContext(ctx, r.Rebind(query), local, local, position).Scan(&n[0], &n[1], &n[2], &n[3], &n[4], &n[5]); err != nil {
		return err
	}
	for i, name := range []string{
		"daily_messages", "daily_e2ee_messages", "daily_sent_messages", "daily_sent_e2ee_messages",
		"daily_active_rooms", "daily_active_e2ee_rooms",
	} {
		statistics[name] = n[i]
	}
	return nil
}

// positionAt returns the smallest stream position whose event arrived at or
// after a moment; one more than the last if there is none, 0 without events.
// It bisects as Synapse does, since no index knows when events arrived: a
// position without an event takes the time of the nearest one below.
// Backfilled events have negative positions and are never looked at.
func (r *reading) positionAt(ctx context.Context, at time.Time) (int64, error) {
	var last *int64
	if err := r.GetContext(ctx, &last, `SELECT MAX(stream_ordering) FROM events`); err != nil || last == nil {
		return 0, err
	}
	// One row of the same index.
	query := r.Rebind(`SELECT COALESCE(received_ts, 0) FROM events WHERE stream_ordering <= ? ORDER BY stream_ordering DESC LIMIT 1`)
	low, high := int64(0), *last+1
	for low < high {
		middle := low + (high-low)/2
		var arrived int64
		err := r.GetContext(ctx, &arrived, query, middle)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			low = middle + 1
		case err != nil:
			return 0, err
		case arrived < at.UnixMilli():
			low = middle + 1
		default:
			high = middle
		}
	}
	return low, nil
}
