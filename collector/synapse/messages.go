package synapse

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

const (
	// messageDays is how far back messages are read, once: the longest window of the
	// figures of senders and rooms that every server has.
	messageDays = 30 * 24 * time.Hour
	// messagePositions is how many positions of the stream one refresh looks at in the
	// past, so that it does not take long.
	messagePositions = 500_000
)

// messages counts the messages of the last day and the rooms they are in, plain
// and encrypted, as Synapse does: by order of arrival. The first event of the
// day itself is not counted, so that a message that arrives first is missing
// (synapse/storage/databases/main/metrics.py, 1.160).
//
// Only what is new is read: what came after the position up to which no event could
// come any more at the last Read. The messages of the whole day are read again at the
// first Read of a UTC day, and when everything is asked for: somebody may have deleted
// a room, or purged it.
func (r *reading) messages(ctx context.Context, statistics map[string]float64) error {
	day, err := r.positionAt(ctx, r.now.Add(-24*time.Hour))
	if err != nil {
		return err
	}
	m := r.rec.Messages(r.server)
	if r.newestEvent.position == 0 { // no events, or none that were not backfilled
		m.Forget()
		m.Since = activity.AlwaysKnown
	} else if err := r.readMessages(ctx, m, day-1); err != nil {
		return err
	}
	plain, encrypted := m.After(day, false), m.After(day, true)
	for name, n := range map[string]int{
		"daily_messages": plain.Messages, "daily_sent_messages": plain.Sent, "daily_active_rooms": plain.Rooms,
		"daily_e2ee_messages": encrypted.Messages, "daily_sent_e2ee_messages": encrypted.Sent, "daily_active_e2ee_rooms": encrypted.Rooms,
	} {
		statistics[name] = float64(n)
	}
	return nil
}

// readMessages brings what is known of messages up to date. Figures need those after first.
func (r *reading) readMessages(ctx context.Context, m *activity.Messages, first int64) error {
	from := m.Settled
	if m.Last == 0 || first-m.Settled > messagePositions || first < m.First || r.beginsDay() {
		var err error
		if from, err = r.beginDay(ctx, m); err != nil {
			return err
		}
	}
	newest := r.newestEvent
	// Events get their position before they are committed, and their moment after they got
	// the position. An event that comes later with an earlier position than an old message
	// is from a transaction that took longer than overlap, and is found with the next day.
	old := time.UnixMilli(min(newest.arrived, r.now.UnixMilli())).Add(-overlap)
	lastOld, firstNew := m.Settled, int64(math.MaxInt64)
	err := r.Stream(ctx, r.messageRows(from, math.MaxInt64), messageColumns, func(row *sqldb.Row) {
		if row.Integer(1) < old.UnixMilli() {
			lastOld = max(lastOld, row.Integer(0))
		} else {
			firstNew = min(firstNew, row.Integer(0))
		}
		addMessage(m, row)
	})
	if err != nil {
		return err
	}
	settled := max(m.Settled, min(lastOld, firstNew-1)) // the writers' clocks may differ
	if newest.position-settled > unsettledPositions {   // there are few messages among many events
		recent, err := r.positionAt(ctx, old)
		if err != nil {
			return err
		}
		settled = max(settled, recent-1)
	}
	m.Last, m.Arrived, m.Settled, r.positionsRead = newest.position, newest.arrived, settled, newest.position-from
	return nil
}

// unsettledPositions is behind how many positions it is looked up which of them are settled,
// unless messages show it.
const unsettledPositions = 1000

// beginDay prepares to read the messages of the last 24 hours, and returns the position
// after which they have to be read.
func (r *reading) beginDay(ctx context.Context, m *activity.Messages) (from int64, err error) {
	// Moments of events that lie near each other in the stream may be in another order.
	began := r.now.Add(-24*time.Hour - overlap)
	first, err := r.positionAt(ctx, began)
	if err != nil {
		return 0, err
	}
	if first--; m.Last == 0 || first-m.Settled > messagePositions {
		m.Forget()
		m.Settled, m.First, m.Oldest, m.Since = first, first, first, began.UnixMilli()
	}
	m.ForgetPositions()
	if first < m.Oldest {
		m.Oldest, m.Since = first, min(m.Since, began.UnixMilli())
	}
	m.Begin(first)
	return min(m.Settled, first), nil
}

// lacksMessages says that there may be earlier messages that figures need.
func (r *reading) lacksMessages() bool {
	return r.newestEvent.position > 0 && r.rec.Messages(r.server).Since > r.now.Add(-messageDays).UnixMilli()
}

// earlierMessages reads the messages at some more positions of the past, the newest
// first, until they reach back far enough or to the first event.
func (r *reading) earlierMessages(ctx context.Context) error {
	positions := messagePositions - r.positionsRead
	if positions <= 0 || !r.lacksMessages() {
		return nil
	}
	m := r.rec.Messages(r.server)
	oldest := max(-1, m.Oldest-positions)
	if err := r.Stream(ctx, r.messageRows(oldest, m.Oldest), messageColumns, func(row *sqldb.Row) { addMessage(m, row) }); err != nil {
		return err
	}
	before, err := r.newestUpTo(ctx, oldest)
	if err != nil {
		return err
	}
	if m.Oldest, m.Since = oldest, before.arrived; before.arrived == noEvent {
		m.Since = activity.AlwaysKnown
	}
	return nil
}

// messageColumns is how many columns messageRows have.
const messageColumns = 5

// messageRows are the messages at the positions after one up to another: the primary key
// on SQLite, a unique index on PostgreSQL. SQLite would rather walk another index, every
// event there ever was, and must be kept from it. A user of this server is recognised
// as Synapse does it: _ and % in its name are wildcards.
func (r *reading) messageRows(after, upTo int64) string {
	hint := ""
	if r.Engine == sqldb.SQLite {
		hint = "NOT INDEXED "
	}
	return fmt.Sprintf(`
		SELECT stream_ordering, COALESCE(received_ts, 0), room_id, CASE WHEN sender LIKE '%%:%s' THEN sender END, CASE type WHEN 'm.room.encrypted' THEN 1 ELSE 0 END
		FROM events %sWHERE type IN ('m.room.message', 'm.room.encrypted') AND stream_ordering > %d AND stream_ordering <= %d`,
		strings.ReplaceAll(string(r.server), "'", "''"), hint, after, upTo)
}

func addMessage(m *activity.Messages, row *sqldb.Row) {
	m.Add(activity.Message{
		Position: row.Integer(0), Arrived: row.Integer(1), Room: row.Text(2), Sender: row.Text(3), Encrypted: row.Integer(4) == 1,
	})
}

// positionAt returns the smallest stream position whose event arrived at or
// after a moment; one more than the last if there is none, 0 without events.
// It bisects as Synapse does, since no index knows when events arrived: a
// position without an event takes the time of the nearest one below.
// Backfilled events have negative positions and are never looked at.
func (r *reading) positionAt(ctx context.Context, at time.Time) (position int64, err error) {
	// One row of the index of stream positions at each of its steps: there are
	// as many as the number of positions has binary digits. Each step has found out whether
	// the event in its middle is too early, so that it is looked up once.
	const event = `COALESCE((SELECT received_ts FROM events WHERE stream_ordering <= `
	const isEarly = ` ORDER BY stream_ordering DESC LIMIT 1), 0) < ?`
	const query = `
		WITH RECURSIVE search (low, high, early) AS (
			SELECT CAST(0 AS BIGINT), whole.high, ` + event + `whole.high / 2` + isEarly + ` FROM (SELECT COALESCE((SELECT MAX(stream_ordering) + 1 FROM events), 0) AS high) AS whole
			UNION ALL
			SELECT CASE WHEN early THEN (low + high) / 2 + 1 ELSE low END, CASE WHEN early THEN high ELSE (low + high) / 2 END,
			       ` + event + `CASE WHEN early THEN ((low + high) / 2 + 1 + high) / 2 ELSE (low + (low + high) / 2) / 2 END` + isEarly + `
			FROM search WHERE low < high)
		SELECT low FROM search WHERE low >= high`
	err = r.GetContext(ctx, &position, r.Rebind(query), at.UnixMilli(), at.UnixMilli())
	return position, err
}
