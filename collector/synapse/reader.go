// Package synapse reads the records that Matrix Synapse keeps in its database:
// who was seen when (user_ips, devices, user_daily_visits), which accounts
// exist (users), and what its usage report counts beside them.
package synapse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/synapse/mas"
	"active_users_exporter/collector/usagereport"
)

// Options say where a Synapse's records are.
type Options struct {
	Database sqldb.Source
	// ServerName is the homeserver's name, "" to learn it from the accounts.
	ServerName string
	// PasswordFile is that of sqldb.Options.
	PasswordFile string
	// Configured is what its own configuration says, nil if that is not read.
	Configured *Configured
	// Bots are patterns of the names of accounts that are those of bots, although
	// Synapse's administrators have not said so.
	Bots chatserver.Bots
	// MAS is the Matrix Authentication Service beside it, zero if there is none.
	MAS mas.Options
}

// Configured are the parts of the usage report that stand in Synapse's
// configuration.
type Configured struct {
	ServerContext  string
	CacheFactor    float64
	EventCacheSize int
	// MSC3861 says that Synapse leaves logins to MAS as it was first made
	// (experimental_features.msc3861, 1.86 to 1.156).
	MSC3861 bool
}

// A Reader reads one homeserver. It implements collector.Reader.
type Reader struct {
	options Options
	classes *activity.Classes
	limits  limits
	// restored says that a Read found older records than the one before it, so that
	// nothing of what is known of the days of r30v2 is taken for granted.
	restored bool
	// startsOver says that no notes are of use: the last Read asked to start over.
	startsOver bool
	hasRead    bool // a Read has succeeded
	failures   int  // Reads in a row that failed, in everything or in what is read further
	// activeInMAS is a moment after which somebody was active in Matrix by MAS' records;
	// the zero time if that is not known.
	activeInMAS time.Time
	connection  *sqldb.Kept
}

// New returns a Reader that sorts clients into the given classes. It connects
// to nothing yet.
func New(o Options, classes *activity.Classes) *Reader {
	return &Reader{options: o, classes: classes, limits: defaultLimits(o.Database.Engine()), connection: &sqldb.Kept{}}
}

// A reading is one Read under way.
type reading struct {
	sqldb.View
	notes
	since, now  time.Time
	known       time.Time // the newest moment that was read before, by Synapse's clock
	server      []byte    // the homeserver's name
	rec         activity.Recorder
	classify    *activity.Classifier
	extras      extras
	bots        chatserver.Bots // see Options
	limits      limits
	ends        ends
	density     density
	restored    bool // see Reader
	startsOver  bool // see Reader
	begins      bool // no Read of the Reader has succeeded yet
	newestEvent event
	// positionsRead is how many positions of the stream of events this Read has looked at.
	positionsRead int64
	changes       map[string]changes // of tables, by name
	access        sqldb.Access
	// visitsSince is the oldest day of visits, in milliseconds; nil if there are none.
	visitsSince *int64
	// homeserver are the statistics of the usage report, without those that are counted
	// from activity; nil if the server's name is not known.
	homeserver *usagereport.Homeserver
}

// beginsDay says that everything is asked for, or that this is the first Read of a UTC day.
func (r *reading) beginsDay() bool {
	return r.since.IsZero() || activity.DayOf(r.since) != activity.DayOf(r.now)
}

// Read implements collector.Reader. All figures come from one consistent view
// of the database.
func (r *Reader) Read(ctx context.Context, since, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	var facts collector.Facts
	read := &reading{
		since: since, now: now, rec: rec, classify: r.classes.Classifier(), bots: r.options.Bots, limits: r.limits.afterFailures(r.failures),
		restored: r.restored, startsOver: r.startsOver, begins: !r.hasRead,
	}
	options := sqldb.Options{PasswordFile: r.options.PasswordFile, Kept: r.connection, Before: read.lookUpChanges}
	err := r.options.Database.Read(ctx, options, func(ctx context.Context, view sqldb.View) (err error) {
		read.View = view
		facts, err = r.readView(ctx, read)
		facts.Resumable = err != nil && since.IsZero() && view.IsSnapshot()
		return err
	})
	switch {
	case errors.Is(err, collector.ErrStartOver):
		facts.Resumable, r.startsOver = false, true
		r.restored = r.restored || !errors.Is(err, errTooMuch)
	case err == nil || facts.Resumable:
		r.restored, r.startsOver = read.restored, false
		r.hasRead = r.hasRead || err == nil
	}
	if r.failures++; err == nil && facts.PartialErr == nil || errors.Is(err, collector.ErrStartOver) {
		r.failures = 0
	}
	if err != nil {
		return facts, r.explain(ctx, err)
	}
	if read.homeserver == nil {
		return facts, nil
	}
	domain := &facts.Domains[0]
	known, err := r.readMAS(ctx, domain.Name, now)
	facts.PartialErr = errors.Join(facts.PartialErr, err)
	if known != nil {
		facts.Warnings = append(facts.Warnings, known.Warnings...)
	}
	domain.NotRecorded = r.notRecorded(*domain, read.Mark.Seen, now)
	domain.HasLastSeen = domain.NotRecorded == ""
	facts.Special = special(*read.homeserver, known, *domain, now)
	return facts, nil
}

// special returns what only Synapse has: the statistics of its usage report, and what MAS
// knows, if that could be read. Those about activity are left out if none is recorded.
func special(homeserver usagereport.Homeserver, known *mas.Figures, domain collector.DomainFacts, now time.Time) func(*activity.Calendar) []any {
	return func(cal *activity.Calendar) []any {
		if domain.HasLastSeen {
			homeserver = withActivity(homeserver, now, domain.LastSeenSince, cal)
		}
		if known == nil {
			return []any{homeserver}
		}
		return []any{homeserver, known}
	}
}

// readMAS reads what the Matrix Authentication Service knows. It fails alone: its last
// good figures stay until they are stale, see collector.Lasting.
func (r *Reader) readMAS(ctx context.Context, domain string, now time.Time) (*mas.Figures, error) {
	if r.options.MAS.IsZero() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.limits.mas)
	defer cancel()
	figures, err := mas.Read(ctx, r.options.MAS, cmp.Or(r.options.MAS.Homeserver, domain), r.classes, now)
	if err != nil {
		return nil, fmt.Errorf("MAS: %w", err)
	}
	if figures.Active[mas.Activity{Name: "matrix", Window: activity.Daily()}] > 0 {
		r.activeInMAS = now.Add(-activity.Daily().Duration())
	}
	return figures, nil
}

// readView reads one view of the database.
//
// The order matters. The name of the server comes first, for everything is recorded
// under it. What may be read comes before whatever needs it. Whether the records
// are still those of the last Read is asked before any of them is recorded. Visits
// come before last-seen times: they come in the order of days, so that users get
// numbers in that order, and the sets of older days are shorter.
func (r *Reader) readView(ctx context.Context, reading *reading) (facts collector.Facts, err error) {
	if reading.access, err = reading.Access(ctx, tableNames()...); err != nil {
		return facts, err
	}
	facts.Database = strings.TrimSpace(string(reading.Engine) + " " + reading.Version)
	if r.options.Configured == nil {
		facts.Assumed = "the database is in use, and its accounts have the server's name"
	}
	server, err := r.serverName(ctx, reading.View)
	if err != nil {
		return facts, fmt.Errorf("read the server's name from users (is this Synapse's database?): %w", err)
	}
	if server == "" {
		facts.Warnings = append(facts.Warnings, "there are no accounts yet, and without one the server's name is unknown: no figures")
		return facts, nil
	}
	reading.server = []byte(server)
	reading.recall()
	defer reading.leave()
	reading.extras = reading.lookUpExtras()
	facts.Warnings = reading.extras.warnings()
	if reading.ends, err = reading.lookUpEnds(ctx); err != nil {
		return facts, fmt.Errorf("read last-seen times from user_ips: %w", err)
	}
	reading.known = reading.rec.Newest(reading.server)
	if reading.prunedSince(reading.ends) {
		return facts, fmt.Errorf("rows of user_ips were deleted since the last refresh: %w", collector.ErrStartOver)
	}
	if err = reading.mark(ctx); err != nil {
		return facts, err
	}
	domain := collector.DomainFacts{
		Name: server, KeepsVisits: true, MarksBots: true, MarksSupport: true, Clients: reading.extras.agents.readable, LastSeenSince: reading.ends.kept(reading.now),
	}
	if err := reading.activity(ctx); err != nil {
		return facts, err
	}
	if reading.homeserver, err = reading.usage(ctx, &domain); err != nil {
		return facts, err
	}
	accounts := int(reading.homeserver.Statistics["total_users"])
	if accounts < reading.Mark.Accounts {
		return facts, fmt.Errorf("accounts in users are gone: %w", collector.ErrStartOver)
	}
	reading.Mark.Accounts = accounts
	facts.PartialErr = reading.further(ctx, &domain)
	domain.ClientsSince = reading.rec.Progress(reading.server).ClientsSince
	facts.Unfinished = !domain.AllVisits || !reading.rec.Progress(reading.server).Unread.IsZero() || reading.lacksMessages()
	r.addConfigured(reading.homeserver)
	facts.Domains = []collector.DomainFacts{domain}
	return facts, nil
}

// activity reports what current figures are counted from: visits and last-seen times.
func (r *reading) activity(ctx context.Context) error {
	if err := r.visits(ctx); err != nil {
		return fmt.Errorf("read visits from user_daily_visits: %w", err)
	}
	if err := r.lastSeen(ctx); err != nil {
		return fmt.Errorf("read last-seen times: %w", err)
	}
	return nil
}

// further reports what some figures wait for, as much as one refresh should read. An
// error costs no other figure.
func (r *reading) further(ctx context.Context, domain *collector.DomainFacts) (err error) {
	if domain.AllVisits, err = r.past(ctx); err != nil {
		return fmt.Errorf("read older visits from user_daily_visits: %w", err)
	}
	if err := r.earlierMessages(ctx); err != nil {
		return fmt.Errorf("read older messages from events: %w", err)
	}
	if r.since.IsZero() { // the first figures do not wait for slices
		return nil
	}
	if err := r.slices(ctx); err != nil {
		return fmt.Errorf("read last-seen times of other clients from user_ips: %w", err)
	}
	return nil
}

// Close implements collector.Reader.
func (r *Reader) Close() error { return r.connection.Close() }
