// Package activity is the arithmetic of active users: trailing windows,
// client classes, the calendar of day sets and what is counted from it.
//
// It is pure. It opens nothing, logs nothing and has no clock of its own:
// every figure is a function of the recorded evidence and of the moment asked
// about. All times are UTC; a day is a UTC day.
package activity

import "time"

// A Recorder takes the evidence of activity that a chat server's records hold,
// and remembers what it took before.
//
// The caller may overwrite domain and user as soon as a call returns: a Recorder
// keeps a keyed hash of them and nothing else. A Recorder is for one goroutine.
type Recorder interface {
	// Seen says that the user was active at the given moment with a client of
	// the given class, Unknown if that is not recorded. If there are several
	// moments for one user, the latest counts. A moment in the future counts as
	// it is, as it does for the chat servers themselves.
	Seen(domain, user []byte, client Client, at time.Time)
	// Exists says that the user has an account, though no activity counts: it is
	// disabled, or the last time lies too long ago to matter. Age says how long ago;
	// see Account. What is known of the user stays known. It makes nobody known.
	Exists(domain, user []byte, age Age)
	// Newest returns the latest moment that any user of the domain was seen,
	// the zero time if nobody was.
	Newest(domain []byte) time.Time
	// RecordedSince returns the first day whose visits are recorded by the exporter
	// itself, false if there is none: before this, the domain was never read.
	RecordedSince(domain []byte, now time.Time) (first Day, recorded bool)
	// Visit says that the server itself recorded the user as active on the
	// given day, with a client of the given class. A repeat changes no set,
	// only the number of rows.
	Visit(domain, user []byte, client Client, day Day)
	// Rows returns how often Visit was called for the day since it was last
	// forgotten, and whether it was ever called or forgotten: a day that is
	// known may have no visits.
	Rows(domain []byte, day Day) (n int, known bool)
	// Forget empties a day, which is then known: the reader is about to
	// report all of its visits.
	Forget(domain []byte, day Day)
	// ForgetAccounts drops the accounts of a domain: the reader is about to report
	// all of them.
	ForgetAccounts(domain []byte)
	// Account says that the user has an account of a kind; see Kind. Age is that of the
	// account if no later activity was or is reported: Never if all activity since it
	// was created is, Unremembered if there may have been other. If the account was
	// reported before, the new kind and age count, once Accounts has been called in
	// between. It makes nobody known.
	Account(domain, user []byte, kind Kind, age Age)
	// Accounts returns how many accounts were reported, and false if ForgetAccounts
	// was never called: then not all of them are known.
	Accounts(domain []byte) (counts KindCounts, known bool)
	// Progress returns how far the reading of last-seen times has come, and SetProgress
	// notes it: a reader that reads them in parts goes on from there at its next Read.
	Progress(domain []byte) Progress
	SetProgress(domain []byte, p Progress)
	// ForgetSeen drops all last-seen times of a domain, and whatever could be kept.
	ForgetSeen(domain []byte)
	// KeepClients takes up what was known before a full read, once it has reported each
	// user's newest time: times with other classes of clients, not before from and not
	// later than the newest one. It returns false if nothing was known that may be kept.
	KeepClients(domain []byte, from time.Time) bool
	// BeginSlice says that Seen reports, from now to EndSlice, all times later than one
	// moment and not later than another. They replace what was known of that time,
	// except each user's newest time. A slice that was begun and not ended changes
	// nothing.
	BeginSlice(domain []byte)
	EndSlice(domain []byte, after, until time.Time)
	// Messages returns what is known of the messages of a domain, to be added to.
	Messages(domain []byte) *Messages
	// Notes returns what the reader left at its last successful Read, nil for nothing, and
	// SetNotes leaves something to the next one: what it has counted beside activity, in a
	// form of its own. They are stored with what is known of the domain, and lost with any
	// of it. No user's name may be in them. They do not change once set.
	Notes(domain []byte) []byte
	SetNotes(domain, notes []byte)
}

// NewestWithRows returns the newest of some days, the last excluded, that has rows, and
// how many: a backup that is restored lacks the newest rows. It returns end and 0 if none
// of them has any.
func NewestWithRows(rec Recorder, domain []byte, from, end Day) (newest Day, rows int) {
	for date := end - 1; date >= from; date-- {
		if n, _ := rec.Rows(domain, date); n > 0 {
			return date, n
		}
	}
	return end, 0
}
