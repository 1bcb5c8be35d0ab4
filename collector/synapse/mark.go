package synapse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"active_users_exporter/collector"
)

// A mark is what a database ended with at one Read. If the next Read does not find it
// there, a backup was restored, also if somebody has used the server since: then what
// was recorded of the time after the backup has not happened.
type mark struct {
	seen     int64 // the newest user_ips.last_seen, in milliseconds; 0 if there is none
	accounts int   // in users, where Synapse deletes nothing
	// event is the position of the newest event, and arrived when it came, in
	// milliseconds; 0 if there is none, or if events cannot be read. An event never
	// changes its position. It goes with its room, if an administrator deletes that:
	// then everything is read again for nothing.
	event, arrived int64
}

// mark sets what the database ends with, and returns an error if it does not go on from
// what it ended with before. The accounts are counted later.
func (r *reading) mark(ctx context.Context, end *mark) error {
	seen, last := r.ends.newest(), *end
	if seen < last.seen || !r.since.IsZero() && seen > 0 && seen < r.known.UnixMilli() {
		return fmt.Errorf("user_ips.last_seen: %w", collector.ErrStartOver)
	}
	end.seen = seen
	if !r.extras.events.readable {
		return nil
	}
	if last.event > 0 {
		arrived, err := r.arrivalAt(ctx, last.event)
		if err != nil {
			return fmt.Errorf("look for the newest event of the last refresh: %w", err)
		}
		if arrived != last.arrived {
			return fmt.Errorf("the newest event of the last refresh is gone: %w", collector.ErrStartOver)
		}
	}
	var newest *int64
	// The end of the index of stream positions: see messages.
	if err := r.GetContext(ctx, &newest, `SELECT MAX(stream_ordering) FROM events`); err != nil || newest == nil || *newest <= 0 {
		return err
	}
	arrived, err := r.arrivalAt(ctx, *newest)
	end.event, end.arrived = *newest, arrived
	return err
}

// arrivalAt returns when the event at a position arrived, in milliseconds; -1 if there
// is none.
func (r *reading) arrivalAt(ctx context.Context, position int64) (arrived int64, err error) {
	// One row of the same index.
	err = r.GetContext(ctx, &arrived, r.Rebind(`SELECT COALESCE(received_ts, 0) FROM events WHERE stream_ordering = ?`), position)
	if errors.Is(err, sql.ErrNoRows) {
		return -1, nil
	}
	return arrived, err
}
