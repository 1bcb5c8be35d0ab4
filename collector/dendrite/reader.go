// Package dendrite reads the records that Dendrite, a Matrix homeserver, keeps in
// the database of its user API: which accounts exist (userapi_accounts), when their
// devices were last seen (userapi_devices), who came on which day
// (userapi_daily_visits), and how many messages a day had (userapi_daily_stats).
//
// What it says about Dendrite was seen in a running Dendrite 0.15.2 and read in its
// source, if nothing else is said.
package dendrite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb"
)

// Options say where a Dendrite's records are.
type Options struct {
	// Database is that of the user API.
	Database sqldb.Source
	// Rooms is that of the room server. The zero Source says that it is the same
	// database, or that it is not known.
	Rooms sqldb.Source
	// ServerName is the homeserver's name, "" to take the names that stand in the
	// accounts.
	ServerName string
	// Hint and RoomsHint are added to the error if the database cannot be read, "" for
	// nothing.
	Hint, RoomsHint string
	// Bots are patterns of the names of accounts that are those of bots.
	Bots chatserver.Bots
	// PasswordFile is that of sqldb.Options.
	PasswordFile string
	// CountsMessages says that report_stats is enabled in Dendrite's configuration:
	// a day without a row in userapi_daily_stats then had no messages.
	CountsMessages bool
}

// A Reader reads one homeserver. It implements collector.Reader.
type Reader struct {
	options Options
	classes *activity.Classes
	// read says that a Read has succeeded.
	read bool
}

// New returns a Reader that sorts clients into the given classes. It connects to
// nothing yet.
func New(o Options, classes *activity.Classes) *Reader {
	return &Reader{options: o, classes: classes}
}

// A reading is one Read of one domain under way.
type reading struct {
	sqldb.View
	since, now time.Time
	first      bool   // nothing was read by this Reader before
	server     []byte // the homeserver's name
	several    bool   // there are accounts of other names as well
	rec        activity.Recorder
	classify   *activity.Classifier
	access     access
	bots       chatserver.Bots // see Options
	// countsMessages is that of Options.
	countsMessages bool
	// visitsSince is the time of the oldest visit of any server name, in milliseconds; nil
	// if there is none.
	visitsSince *int64
}

// Read implements collector.Reader. All figures about users come from one
// consistent view of the database.
func (r *Reader) Read(ctx context.Context, since, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	var facts collector.Facts
	options := sqldb.Options{PasswordFile: r.options.PasswordFile}
	var known []homeserver
	err := r.options.Database.Read(ctx, options, func(ctx context.Context, view sqldb.View) (err error) {
		facts, known, err = r.facts(ctx, view, since, now, rec)
		return err
	})
	if err != nil {
		return facts, withHint(err, r.options.Hint)
	}
	r.read = true
	if r.options.ServerName == "" { // no dendrite.yaml
		facts.Assumed = "the database is in use, every server name with accounts in it is served, and rooms are in the same database"
	}
	facts.PartialErr = r.addRooms(ctx, known)
	facts.Special = func(cal *activity.Calendar) []any { return special(known, now, cal) }
	return facts, nil
}

// facts reads all that the database of the user API knows.
func (r *Reader) facts(ctx context.Context, view sqldb.View, since, now time.Time, rec activity.Recorder) (facts collector.Facts, all []homeserver, err error) {
	facts.Database = strings.TrimSpace(string(view.Engine) + " " + view.Version)
	found, err := lookUp(ctx, view)
	if err != nil {
		return facts, nil, err
	}
	if err := found.sufficient(); err != nil {
		return facts, nil, err
	}
	names, warnings, err := r.serverNames(ctx, view)
	if err != nil {
		return facts, nil, fmt.Errorf("read the server's name from userapi_accounts: %w", err)
	}
	facts.Warnings = slices.Concat(warnings, found.warnings(dailyStatsPart))
	if r.options.Rooms.IsZero() && found.hasTable(parts()[roomsPart].table) { // else the room server has a database of its own
		facts.Warnings = append(facts.Warnings, found.warnings(roomsPart)...)
	}
	oldest, err := oldestVisit(ctx, view)
	if err != nil {
		return facts, nil, fmt.Errorf("read visits from userapi_daily_visits: %w", err)
	}
	classify := r.classes.Classifier()
	for _, name := range names {
		reading := reading{
			View: view, since: since, now: now, first: !r.read, server: []byte(name), several: len(names) > 1,
			rec: rec, classify: classify, access: found, bots: r.options.Bots, countsMessages: r.options.CountsMessages, visitsSince: oldest,
		}
		domain, err := reading.domain(ctx)
		if err != nil {
			return facts, nil, err
		}
		homeserver, err := reading.homeserver(ctx, &domain)
		if err != nil {
			return facts, nil, err
		}
		facts.Domains, all = append(facts.Domains, domain), append(all, homeserver)
	}
	if slices.ContainsFunc(facts.Domains, isDamaged) && !slices.ContainsFunc(facts.Domains, isKnown) {
		return facts, nil, failure.New(failure.Unexpected, "all last-seen times in userapi_devices are damaged")
	}
	return facts, all, nil
}

func isDamaged(d collector.DomainFacts) bool { return d.Damaged > 0 }
func isKnown(d collector.DomainFacts) bool   { return d.HasLastSeen }

func withHint(err error, hint string) error {
	if hint == "" {
		return err
	}
	return fmt.Errorf("%w (%s)", err, hint)
}

// Close implements collector.Reader; nothing is open between two Reads.
func (r *Reader) Close() error { return nil }

// lastSeenSince is the moment before which visits stand in for last-seen times: all
// moments there are. A logout deletes the device, and its last-seen time with it; the
// visit of the day stays.
func lastSeenSince(now time.Time) time.Time { return now.Add(24 * time.Hour) }

// domain reads who was active under one server name.
func (r *reading) domain(ctx context.Context) (collector.DomainFacts, error) {
	domain := collector.DomainFacts{
		Name: string(r.server), HasLastSeen: true, Clients: true, KeepsVisits: true, MarksBots: len(r.bots) > 0,
		LastSeenSince: lastSeenSince(r.now),
	}
	// Visits come first, for they come in the order of days: users then have numbers
	// in that order, and the sets of older days are shorter.
	var err error
	if domain.AllVisits, err = r.visits(ctx); err != nil {
		return domain, fmt.Errorf("read visits from userapi_daily_visits: %w", err)
	}
	var anyReadable bool
	if domain.Damaged, anyReadable, err = r.lastSeen(ctx); err != nil {
		return domain, fmt.Errorf("read last-seen times from userapi_devices: %w", err)
	}
	// If all are damaged, nobody must take that for nobody.
	domain.HasLastSeen = domain.Damaged == 0 || anyReadable || !r.rec.Newest(r.server).IsZero()
	return domain, nil
}
