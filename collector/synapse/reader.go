// Package synapse reads the records that Matrix Synapse keeps in its database:
// who was seen when (user_ips, devices, user_daily_visits), which accounts
// exist (users), and what its usage report counts beside them.
package synapse

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
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
}

// Configured are the parts of the usage report that stand in Synapse's
// configuration.
type Configured struct {
	ServerContext  string
	CacheFactor    float64
	EventCacheSize int
}

// A Reader reads one homeserver. It implements collector.Reader.
type Reader struct {
	options Options
	classes *activity.Classes
	newest  int64 // user_ips.last_seen at the last Read, milliseconds
	turn    int   // counts Reads, for the days that are verified in turn
}

// New returns a Reader that sorts clients into the given classes. It connects
// to nothing yet.
func New(o Options, classes *activity.Classes) *Reader {
	// After a restart, verification goes on anywhere.
	return &Reader{options: o, classes: classes, turn: rand.IntN(activity.RetentionDays)}
}

// A reading is one Read under way.
type reading struct {
	sqldb.View
	since, now time.Time
	known      time.Time // the newest moment that was read before, by Synapse's clock
	server     []byte    // the homeserver's name
	rec        activity.Recorder
	classify   *activity.Classifier
	extras     extras
}

// Read implements collector.Reader. All figures come from one consistent view
// of the database.
func (r *Reader) Read(ctx context.Context, since, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	var facts collector.Facts
	var newest int64
	options := sqldb.Options{PasswordFile: r.options.PasswordFile}
	err := r.options.Database.Read(ctx, options, func(ctx context.Context, view sqldb.View) (err error) {
		facts = collector.Facts{Database: strings.TrimSpace(string(view.Engine) + " " + view.Version)}
		server, err := r.serverName(ctx, view)
		if err != nil {
			return fmt.Errorf("read the server's name from users (is this Synapse's database?): %w", err)
		}
		if server == "" {
			facts.Warnings = append(facts.Warnings, "there are no accounts yet, and without one the server's name is unknown: no figures")
			return nil
		}
		reading := reading{View: view, since: since, now: now, server: []byte(server), rec: rec, classify: r.classes.Classifier()}
		domain := collector.DomainFacts{Name: server, HasLastSeen: true, KeepsVisits: true}
		found, err := reading.access(ctx)
		if err != nil {
			return err
		}
		reading.extras = found.extras()
		facts.Warnings = reading.extras.warnings()
		domain.Clients = reading.extras.agents.readable
		ends, err := reading.ends(ctx)
		if err != nil {
			return fmt.Errorf("read last-seen times from user_ips: %w", err)
		}
		reading.known = rec.Newest(reading.server)
		if newest = ends.newest(); !since.IsZero() && (newest < r.newest || newest > 0 && newest < reading.known.UnixMilli()) {
			return fmt.Errorf("user_ips.last_seen: %w", collector.ErrStartOver)
		}
		domain.LastSeenSince = ends.kept(now)
		// Visits come first, for they come in the order of days: users then
		// have numbers in that order, and the sets of older days are shorter.
		if err := reading.visits(ctx, r.turn); err != nil {
			return fmt.Errorf("read visits from user_daily_visits: %w", err)
		}
		if domain.AllVisits, err = reading.past(ctx); err != nil {
			return fmt.Errorf("read older visits from user_daily_visits: %w", err)
		}
		if err := reading.lastSeen(ctx, domain.LastSeenSince); err != nil {
			return fmt.Errorf("read last-seen times: %w", err)
		}
		homeserver, err := reading.usage(ctx, &domain)
		if err != nil {
			return err
		}
		r.addConfigured(homeserver)
		facts.Special = func(cal *activity.Calendar) any {
			return withActivity(*homeserver, now, domain.LastSeenSince, cal)
		}
		facts.Domains = []collector.DomainFacts{domain}
		return nil
	})
	if err != nil {
		return facts, outdated(err)
	}
	r.newest = newest
	r.turn++
	return facts, nil
}

// Close implements collector.Reader; nothing is open between two Reads.
func (r *Reader) Close() error { return nil }

// outdated adds a sentence to the error of a database that lacks something.
// Nothing that is read here has changed in Synapse since 1.22.0 (schema 58).
func outdated(err error) error {
	for _, sign := range []string{"SQLSTATE 42703", "SQLSTATE 42P01", "no such column", "no such table"} {
		if strings.Contains(err.Error(), sign) {
			return fmt.Errorf("%w: Synapse 1.22.0 (schema 58) is the oldest whose database can be read", err)
		}
	}
	return err
}
