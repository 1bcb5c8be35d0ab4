package synapse

import (
	"time"

	"active_users_exporter/collector/activity"
)

// A ledger accounts for the changes of a table to which Synapse only ever adds rows. As
// long as the database server says that as many rows were inserted as were read, and none
// updated or deleted, what was read before is still what is there.
//
// The database server's word comes seconds late, and counts rows whose transaction was
// taken back. So a few Reads may pass until the numbers agree.
type ledger struct {
	Changes changes   // of the table, when all of them were last accounted for
	Rows    int64     // that were read since
	Misses  int       // Reads in a row after which the numbers did not agree
	Doubts  time.Time // up to when what was read before is verified
}

// mostMisses is how many Reads may pass.
const mostMisses = 2

// unread returns how many rows were inserted and not read yet, and true if nothing else
// has changed.
func (l ledger) unread(now changes) (rows int64, only bool) {
	return now.Inserted - l.Changes.Inserted - l.Rows, now.only(l.Changes)
}

// enter notes how many rows were read at a Read, and how the table had changed.
func (l *ledger) enter(now changes, rows int64, at time.Time) {
	l.Rows += rows
	switch unread, only := l.unread(now); {
	case only && unread == 0:
		l.Changes, l.Rows, l.Misses = now, 0, 0
	case only && l.Misses < mostMisses:
		l.Misses++
	default:
		*l = ledger{Changes: now, Doubts: at.Add(activity.VerifyEvery)}
	}
}

// isSure says that nothing that was read before need be verified of what has its turn
// since the last Read. Rows that were inserted since and are not read by this Read are left
// to the next ones, which are not sure then.
func (l ledger) isSure(now changes, since time.Time) bool {
	_, only := l.unread(now)
	return only && l.Misses == 0 && !since.Before(l.Doubts)
}
