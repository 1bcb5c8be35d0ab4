package synapse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"active_users_exporter/collector"
)

// A mark is what a database ended with at one Read. If the next Read does not find it
// there, a backup was restored, also if somebody has used the server since: then what
// was recorded of the time after the backup has not happened. The newest event, which
// shows it as well, is known from the messages; see event.
type mark struct {
	Seen     int64 // the newest user_ips.last_seen, in milliseconds; 0 if there is none
	Accounts int   // in users, where Synapse deletes nothing
}

// mark sets what the database ends with, and returns an error if it does not go on from
// what it ended with before. The accounts are counted later.
func (r *reading) mark(ctx context.Context) error {
	seen := r.ends.newest()
	if seen < r.Mark.Seen || !r.since.IsZero() && seen > 0 && seen < r.known.UnixMilli() {
		return fmt.Errorf("user_ips.last_seen: %w", collector.ErrStartOver)
	}
	r.Mark.Seen = seen
	if !r.extras.events.readable {
		return nil
	}
	var err error
	if r.newestEvent, err = r.newestUpTo(ctx, math.MaxInt64); err != nil {
		return fmt.Errorf("look for the newest event: %w", err)
	}
	return r.sameEvents(ctx)
}

// sameEvents returns an error if the newest event of the last Read is gone. An event never
// changes its position. It goes with its room, if an administrator deletes that: then
// everything is read again for nothing.
func (r *reading) sameEvents(ctx context.Context) error {
	m := r.rec.Messages(r.server)
	if m.Last == 0 || r.restored {
		m.Forget()
		return nil
	}
	last, err := r.newestUpTo(ctx, m.Last)
	if err != nil {
		return fmt.Errorf("look for the newest event of the last refresh: %w", err)
	}
	if last != (event{m.Last, m.Arrived}) {
		return fmt.Errorf("the newest event of the last refresh is gone: %w", collector.ErrStartOver)
	}
	return nil
}

// event is a row of events.
type event struct {
	position, arrived int64 // arrived in milliseconds, noEvent if there is no such row
}

// noEvent is the moment of an event that is not there.
const noEvent = -1

// newestUpTo returns the newest event up to a position, without those that were
// backfilled, which have negative positions. It is one row of the index of positions: the
// primary key on SQLite, a unique index on PostgreSQL.
func (r *reading) newestUpTo(ctx context.Context, position int64) (e event, err error) {
	query := r.Rebind(`SELECT stream_ordering, COALESCE(received_ts, 0) FROM events WHERE stream_ordering > 0 AND stream_ordering <= ? ORDER BY stream_ordering DESC LIMIT 1`)
	err = r.QueryRowContext(ctx, query, position).Scan(&e.position, &e.arrived)
	if errors.Is(err, sql.ErrNoRows) {
		return event{arrived: noEvent}, nil
	}
	return e, err
}
