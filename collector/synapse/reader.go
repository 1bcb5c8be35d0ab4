// Package synapse reads the records that Matrix Synapse keeps in its database:
// who was seen when (user_ips, user_daily_visits) and which accounts exist
// (users).
package synapse

import (
	"context"
	"fmt"
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
}

// A Reader reads one homeserver. It implements collector.Reader.
type Reader struct {
	options Options
	classes *activity.Classes
}

// New returns a Reader that sorts clients into the given classes. It connects
// to nothing yet.
func New(o Options, classes *activity.Classes) *Reader {
	return &Reader{options: o, classes: classes}
}

// Read implements collector.Reader. All figures come from one consistent view
// of the database.
func (r *Reader) Read(ctx context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	var facts collector.Facts
	options := sqldb.Options{PasswordFile: r.options.PasswordFile}
	err := r.options.Database.Read(ctx, options, func(ctx context.Context, view sqldb.View) error {
		facts = collector.Facts{Database: strings.TrimSpace(string(view.Engine) + " " + view.Version)}
		server, err := r.serverName(ctx, view)
		if err != nil {
			return fmt.Errorf("read the server's name from users (is this Synapse's database?): %w", err)
		}
		if server == "" {
			facts.Warnings = append(facts.Warnings, "there are no accounts yet, and without one the server's name is unknown: no figures")
			return nil
		}
		domain := collector.DomainFacts{Name: server, Activity: true, Visits: true}
		if domain.Registered, err = accounts(ctx, view); err != nil {
			return fmt.Errorf("count accounts in users: %w", err)
		}
		facts.Domains = []collector.DomainFacts{domain}
		if err := lastSeen(ctx, view, now, []byte(server), rec); err != nil {
			return fmt.Errorf("read last-seen times from user_ips: %w", err)
		}
		if err := visits(ctx, view, now, []byte(server), r.classes, rec); err != nil {
			return fmt.Errorf("read visits from user_daily_visits: %w", err)
		}
		return nil
	})
	return facts, err
}

// Close implements collector.Reader; nothing is open between two Reads.
func (r *Reader) Close() error { return nil }
