// Package collector turns what chat servers have recorded into metrics: a
// Reader reads one server, a Refresher makes Snapshots of it in the
// background, and the Collector serves the newest ones without waiting.
package collector

import (
	"context"
	"errors"
	"slices"
	"time"

	"active_users_exporter/collector/activity"
)

// A Reader reads the records of one chat server. It is all that differs between
// kinds of chat server. Life cycle: the Refresher calls Read again and again, never
// two at once, and Close once at the end.
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
	// reason. ErrStartOver asks to be called once more, for everything.
	Read(ctx context.Context, since, now time.Time, rec activity.Recorder) (Facts, error)
	// Close closes connections. No Read is running or follows.
	Close() error
}

// ErrStartOver says that the records are not a continuation of those that were
// read before, as after the restore of a backup.
var ErrStartOver = errors.New("the records are older than at the last refresh")

// Facts are what a Reader learns in addition to activity. What a server does not
// know is left at its zero value and is then absent from the metrics, never 0.
type Facts struct {
	// Version of the chat server's software, "" if it is not recorded.
	Version string
	// Database is the kind of storage that was read: "postgresql 15.18",
	// "sqlite", "files".
	Database string
	// Complete says that this Read has reported all last-seen times that there
	// are, and that the next one will again, whatever since it is given.
	Complete bool
	// Unfinished says that there is more to read, which the next Read goes on with: it
	// had better come soon.
	Unfinished bool
	// Resumable says, beside an error of a Read that was asked for everything, that what
	// it reported is true: the next one is given the same Recorder, asked for everything
	// as well, and goes on from there.
	Resumable bool
	// Special returns what only this kind of server has. It is called once, with
	// the calendar of the refresh, and what it returns, which must not change
	// afterwards, is kept in the Snapshot: the owner of each value's type shows it;
	// see Specials. Nil if there is nothing of the kind.
	Special func(*activity.Calendar) []any
	// PartialErr says that a second source, such as the running server beside its
	// database, could not be read. What it alone knows is absent, the rest is shown,
	// and the server is not up.
	PartialErr error
	// Online says whether the running server told who is connected, OnlineErr why it
	// did not although it was asked: people who stay connected may then be missing from
	// activity. Figures that lack nobody are shown instead until they are stale, and
	// the server is not up.
	Online    OnlineState
	OnlineErr error
	// Domains are the Matrix server names or XMPP virtual hosts found, each
	// once, in any order. Activity of a domain that is not listed is not shown.
	Domains []DomainFacts
	// Modules are the server's modules and their states. They have their own
	// error: a status page that does not answer says nothing about activity.
	Modules    []Module
	ModulesErr error
	// Assumed says what was taken for granted because nothing told what the server is
	// configured to use, as where only a database is given; "" if its configuration was
	// read. It goes on after "assumed that".
	Assumed string
	// Warnings are sentences for the log about what was skipped. They name
	// files and tables, not users.
	Warnings []string
}

// DomainFacts are what a Reader learns of one domain in addition to activity.
//
// Who sets the flags:
//
//	                   Synapse, Dendrite   Prosody, ejabberd, MongooseIM
//	HasLastSeen        if requests are     if some store records logins, or mod_last does
//	KeepsVisits        always              –
//	AllVisits          once all are read   –
//	LastSeenSince      always              –
//	ClientsSince       Synapse             –
//	AllAccounts        if readable         if accounts can be listed
//	MarksBots          Synapse; Dendrite   –
//	                   by configuration
//	MarksSupport       Synapse             –
//	Guests             –                   where SASL ANONYMOUS lets people in
//	LogoutsUnrecorded  –                   ejabberd and MongooseIM, if they say who is online
//	ActiveByServer     –                   Prosody, with metrics_url
type DomainFacts struct {
	Name string
	// HasLastSeen says that last-seen times of this domain are kept. Without
	// them, the number of active users is unknown, not 0.
	HasLastSeen bool
	// NotRecorded says in a sentence without a full stop why no store holds activity,
	// and what to do, such as which module to enable; "" if activity is recorded, or
	// if nothing is wrong with that, as on a host for anonymous guests.
	NotRecorded string
	// ActiveByServer are active users by window, where the server itself counts
	// them and knows more than its records do.
	ActiveByServer map[activity.Window]int
	// Clients says that the classes of clients are recorded with activity.
	Clients bool
	// ClientsSince is the moment after which the classes of clients are recorded
	// completely: those of windows that reach before it are left out. The zero time if
	// they are complete.
	ClientsSince time.Time
	// LastSeenSince is the moment since which last-seen times are complete: the
	// server has pruned older ones. The zero time if it prunes none.
	LastSeenSince time.Time
	// KeepsVisits says that the server itself keeps each day's visits, which
	// retention is counted from. If it does not, the exporter records them, and
	// the last-seen times of the server are then all that there are.
	KeepsVisits bool
	// AllVisits says that the Reader has also reported the visits before the days
	// of retention, back to MaxWindow. Growth is not known without them.
	AllVisits bool
	// AllAccounts says that all accounts there are have been reported with Account.
	AllAccounts bool
	// MarksBots says that accounts can be marked as those of bots, MarksSupport as those
	// of support.
	MarksBots, MarksSupport bool
	// Guests says who gets in without an account.
	Guests Guests
	// LogoutsUnrecorded says that people who are online may leave without a
	// last-seen time in the server's records.
	LogoutsUnrecorded bool
	// Registered is the number of accounts by type: Native, Bridged, Guest.
	// Created is the number of accounts made in the last 24 hours.
	Registered, Created map[AccountType]int
	// Online is the number of distinct users who are connected now.
	Online Count
	// Damaged is the number of activity records that could not be read and
	// were left out.
	Damaged int
}

// LacksActivity says whether no store holds activity although somebody may have an
// account. Where only guests get in, none need be stored.
func (d DomainFacts) LacksActivity() bool {
	accounts, counted := d.Registered[Native]
	return !d.HasLastSeen && d.Damaged == 0 && d.Guests != OnlyGuests && (!counted || accounts > 0)
}

// An OnlineState says whether it is known who is connected.
type OnlineState int

// The states of Facts.Online.
const (
	OnlineNotApplicable OnlineState = iota // activity of this kind of server lacks nobody who is connected
	OnlineUnknown
	OnlineKnown
)

// Guests says who gets in without an account.
type Guests int

// The Guests of a domain.
const (
	NoGuests   Guests = iota // nobody does, or nobody knows
	SomeGuests               // people with accounts, and anonymous guests
	OnlyGuests               // anonymous guests; there are no accounts
)

// GuestsOf says who gets in without an account, by the methods of authentication.
// The one for guests is called anonymous by ejabberd and MongooseIM.
func GuestsOf(methods []string) Guests {
	switch anonymous := slices.Contains(methods, "anonymous"); {
	case !anonymous:
		return NoGuests
	case len(methods) == 1:
		return OnlyGuests
	}
	return SomeGuests
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

// An AccountType distinguishes people's own accounts from those that stand for
// others.
type AccountType string

// The account types, as Synapse's usage statistics name them. XMPP servers
// have native accounts only.
const (
	Native  AccountType = "native"
	Bridged AccountType = "bridged" // made by an application service (a bridge)
	Guest   AccountType = "guest"
)
