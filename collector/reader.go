// Package collector turns what chat servers have recorded into metrics: a
// Reader reads one server, a Refresher makes Snapshots of it in the
// background, and the Collector serves the newest ones without waiting.
package collector

import (
	"context"
	"errors"
	"time"

	"active_users_exporter/collector/activity"
)

// A Reader reads one chat server's records. It is the only thing that differs
// between chat servers.
type Reader interface {
	// Read reports to rec what has been recorded since the last successful
	// Read, which was at since, and returns what else is true of the server at
	// now. The zero time asks for everything that can matter to a figure: rec
	// then has no last-seen times, but may know visits.
	//
	// It obeys ctx, never writes to the server and logs nothing. An error
	// means that the activity is not complete and none of it may be shown;
	// what else could not be read stands in the Facts. Errors say what was
	// being done to what and carry no user's name; failure.Of finds their
	// reason. ErrStartOver asks to be called again for everything.
	Read(ctx context.Context, since, now time.Time, rec activity.Recorder) (Facts, error)
	// Close lets go of connections. No Read is running or follows.
	Close() error
}

// ErrStartOver says that the records are not a continuation of those that were
// read before, as after the restore of a backup.
var ErrStartOver = errors.New("the records are older than at the last refresh")

// Facts are what a Reader learns beside activity. What a server cannot tell is
// left at its zero value and then absent from the metrics, never 0.
type Facts struct {
	// Version of the chat server's software, "" where it is not recorded.
	Version string
	// Database is the kind of storage that was read: "postgresql 15.18",
	// "sqlite", "files".
	Database string
	// Complete says that all last-seen times there are have been reported, and
	// will be again at the next Read, whatever since it is given.
	Complete bool
	// Domains are the Matrix server names or XMPP virtual hosts found, each
	// once, in any order. Activity of a domain that is not listed is not shown.
	Domains []DomainFacts
	// Modules are the server's modules and how they are, with their own
	// error: a status page that does not answer says nothing about activity.
	Modules    []Module
	ModulesErr error
	// Special returns what only this kind of server has. It is called once, with
	// the calendar of the refresh, and what it returns, which must not change
	// afterwards, is kept in the Snapshot: the owner of its type shows it; see
	// Specials. Nil if there is nothing of the kind.
	Special func(*activity.Calendar) any
	// Warnings are sentences for the log about what was skipped. They name
	// files and tables, not users.
	Warnings []string
}

// DomainFacts are what a Reader learns of one domain beside activity.
type DomainFacts struct {
	Name string
	// HasLastSeen says that last-seen times of this domain are kept: without
	// them active users are unknown, not none.
	HasLastSeen bool
	// ActiveByServer are the active users by window where the server itself has
	// counted them, and better than its records can tell.
	ActiveByServer map[activity.Window]int
	// Clients says that the classes of clients are recorded with activity.
	Clients bool
	// LastSeenSince is the moment from which last-seen times are complete: the server
	// has pruned older ones. The zero time if it prunes none.
	LastSeenSince time.Time
	// KeepsVisits says that the server itself keeps each day's visits, which is
	// what retention is counted from. Of servers that do not, the exporter
	// records them: their Activity is then all last-seen times there are.
	// AllVisits says that also those before the days of retention have been
	// reported, back to MaxWindow, without which growth is not known.
	KeepsVisits, AllVisits bool
	// LogoutsUnrecorded says that people who are online may leave without a last-seen
	// time in the server's records.
	LogoutsUnrecorded bool
	// Registered is the number of accounts by type: Native, Bridged, Guest.
	// Created is the number of those made in the last 24 hours.
	Registered, Created map[AccountType]int
	// Online is the number of distinct users who are connected now.
	Online Count
	// Damaged is the number of activity records that could not be read and
	// were left out.
	Damaged int
}

// A Count is a number that may be unknown, which the zero value is.
type Count struct {
	Number int
	Known  bool
}

// Known returns a Count that is known.
func Known(n int) Count { return Count{n, true} }

// Native returns the Count as that of native accounts, the only ones that XMPP
// servers have; nil if it is not known.
func (c Count) Native() map[AccountType]int {
	if !c.Known {
		return nil
	}
	return map[AccountType]int{Native: c.Number}
}

// An AccountType tells people's own accounts from those that stand for others.
type AccountType string

// The account types, as Synapse's usage statistics name them. XMPP servers
// have native accounts only.
const (
	Native  AccountType = "native"
	Bridged AccountType = "bridged" // made by an application service (a bridge)
	Guest   AccountType = "guest"
)
