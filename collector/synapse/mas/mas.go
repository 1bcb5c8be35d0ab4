// Package mas reads the database of a Matrix Authentication Service (MAS), which
// knows what the homeserver beside it does not: clients by name, sessions, locked
// accounts, registrations. Its figures have names of their own, because they are
// not the homeserver's: MAS sees tokens being issued, refreshed and checked, not
// requests; it knows no bridged users; and it also signs people in to services that
// are not Matrix.
//
// Definitions are those of MAS 1.22; databases since 0.12 can be read.
package mas

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb"
)

// Options say where the database of a MAS is. The zero value is none.
type Options struct {
	Database sqldb.Source
	// PasswordFile is that of sqldb.Options.
	PasswordFile string
	// Homeserver is the name of the homeserver by MAS' configuration, "" if that is
	// not read.
	Homeserver string
}

// IsZero returns true if there is no MAS.
func (o Options) IsZero() bool { return o == Options{} }

// Figures are what MAS knows at one moment. What could not be read is nil or not
// known. They do not change once read.
type Figures struct {
	// At is the moment of the figures, UTC.
	At time.Time
	// Domain is the name of the homeserver.
	Domain string
	// Accounts are all accounts by state: active, locked, deactivated. One that is
	// both locked and deactivated is deactivated.
	Accounts map[string]int
	// Created is the number of accounts created in the last 24 hours, in whatever
	// way; WithoutPassword that of accounts that are not deactivated and have no
	// password.
	Created, WithoutPassword *int
	// Linked is the number of accounts that are not deactivated and are linked to
	// an identity provider, by provider. They do not add up.
	Linked map[string]int
	// Registrations are forms started and completed in the last 24 hours, and those
	// abandoned: not completed an hour after they were started, within the 30 days
	// for which MAS keeps them.
	Registrations map[string]int
	// Sessions are open sessions.
	Sessions map[Session]int
	// Active are distinct users by kind of session and window, Clients by name of
	// the client and window. A user is active in a window if the moment of last
	// activity lies in it: t > At - window.
	Active, Clients map[Activity]int
	// Warnings say what may not be read, with the statement that allows it.
	Warnings []string
}

// A Session is a kind of open sessions: oauth2, compat, personal, client (of a
// program, without a user) or browser (of MAS' own pages). Rights are admin for
// those with the scope or the right of an administrator, else user.
type Session struct{ Kind, Rights string }

// An Activity is what active users are counted by: a kind of session (oauth2,
// compat, personal, or matrix for users with any of these that is for Matrix) or
// the name of a client, within a window.
type Activity struct {
	Name   string
	Window activity.Window
}

// A reading is one Read under way.
type reading struct {
	sqldb.View
	now     time.Time
	classes *activity.Classes
	access  sqldb.Access
	figures *Figures
}

// Read reads everything, in one consistent view of the database. Names of clients
// are sorted by the configured rules of classes. An error says that nothing could
// be read; its reason is that of failure.Of.
func Read(ctx context.Context, o Options, domain string, classes *activity.Classes, now time.Time) (*Figures, error) {
	if o.Database.Engine() != sqldb.PostgreSQL {
		return nil, errors.New("MAS keeps its data in PostgreSQL alone")
	}
	f := &Figures{At: now, Domain: domain}
	err := o.Database.Read(ctx, sqldb.Options{PasswordFile: o.PasswordFile}, func(ctx context.Context, view sqldb.View) error {
		r := &reading{View: view, now: now, classes: classes, figures: f}
		if err := r.lookUp(ctx); err != nil {
			return err
		}
		for _, part := range r.parts() {
			if missing := r.missing(part.needs); missing != "" {
				f.Warnings = append(f.Warnings, fmt.Sprintf("MAS: %s unknown without: %s", part.what, missing))
				continue
			}
			if part.read == nil {
				continue
			}
			if err := part.read(ctx); err != nil {
				return fmt.Errorf("read %s: %w", part.what, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// table is a table with the columns that some figures need; an earlier MAS may lack the
// later ones.
type table struct {
	name           string
	columns, later []string
}

// part is a part of the figures that is read by itself, if what it needs may be read. One
// that another part reads too has no read.
type part struct {
	what  string // with the verb
	needs []table
	read  func(context.Context) error
}

func (r *reading) parts() []part {
	withState := table{"users", []string{"user_id"}, []string{"deactivated_at"}}
	return []part{
		{"accounts are", []table{{"users", []string{"user_id", "created_at", "locked_at"}, []string{"deactivated_at"}}}, r.accounts},
		{"accounts without password are", []table{withState, {"user_passwords", []string{"user_id"}, nil}}, r.withoutPassword},
		{"linked accounts are", []table{
			withState,
			{"upstream_oauth_links", []string{"user_id", "upstream_oauth_provider_id"}, nil},
			{"upstream_oauth_providers", []string{"upstream_oauth_provider_id", "human_name", "issuer"}, nil},
		}, r.linked},
		{"registrations are", []table{{"user_registrations", nil, []string{"created_at", "completed_at"}}}, r.registrations},
		{"open sessions are", []table{
			{"oauth2_sessions", []string{"user_id", "scope_list", "finished_at"}, nil},
			{"compat_sessions", []string{"is_synapse_admin", "finished_at"}, nil},
			{"user_sessions", []string{"finished_at"}, nil},
		}, r.sessions},
		{"open personal sessions are", personalOpen(), nil},
		{"active users are", []table{
			{"oauth2_sessions", []string{"oauth2_client_id", "user_id", "scope_list", "last_active_at"}, nil},
			{"oauth2_clients", []string{"oauth2_client_id", "client_name"}, nil},
			{"compat_sessions", []string{"user_id", "last_active_at"}, nil},
		}, r.active},
		{"active users of the kinds personal and matrix are", personalActive(), nil},
		{"active users by client are", static(), nil},
	}
}

// lookUp asks the catalogue what there is, and what of it may be read.
func (r *reading) lookUp(ctx context.Context) error {
	var names []string
	for _, need := range Needs() {
		names = append(names, need.Table)
	}
	var err error
	if r.access, err = r.Access(ctx, names...); err != nil {
		return err
	}
	if !r.access.Exists("oauth2_sessions", "user_id") || !r.access.Exists("compat_sessions", "user_id") {
		return failure.New(failure.Unexpected, "there are no tables oauth2_sessions and compat_sessions in the search path: is it MAS' database, and the right schema?")
	}
	return nil
}

// missing returns the statements that grant what is needed and may not be read, "" if
// there are none. What an earlier MAS does not have yet is not needed.
func (r *reading) missing(needs []table) string {
	var all []string
	for _, t := range needs {
		var hidden []string
		for _, column := range slices.Concat(t.columns, t.later) {
			if r.access.Exists(t.name, column) && !r.access.Readable(t.name, column) {
				hidden = append(hidden, column)
			}
		}
		if len(hidden) > 0 {
			all = append(all, fmt.Sprintf("GRANT SELECT (%s) ON %s TO the exporter's role", strings.Join(hidden, ", "), t.name))
		}
		for _, column := range t.columns {
			if !r.access.Exists(t.name, column) {
				all = append(all, fmt.Sprintf("the column %s of the table %s, which this MAS does not have", column, t.name))
			}
		}
	}
	return strings.Join(all, "; ")
}

// complete says that all that is needed may be read, the later columns as well.
func (r *reading) complete(needs []table) bool {
	return !slices.ContainsFunc(needs, func(t table) bool {
		return slices.ContainsFunc(slices.Concat(t.columns, t.later), func(column string) bool { return !r.access.Readable(t.name, column) })
	})
}

// orNull returns the column, or NULL of its type in a database that does not have
// it yet.
func (r *reading) orNull(table, column, kind string) string {
	if r.access.Readable(table, column) {
		return table + "." + column
	}
	return "NULL::" + kind
}

// ago returns the moment before now as SQL.
func (r *reading) ago(d time.Duration) string {
	return fmt.Sprintf("(TIMESTAMPTZ 'epoch' + INTERVAL '%d microseconds')", r.now.Add(-d).UnixMicro())
}

// Needs are all parts of the database that are read, those of later versions included.
func Needs() []sqldb.Need {
	return []sqldb.Need{
		{Table: "users", Columns: []string{"user_id", "created_at", "locked_at", "deactivated_at"}},
		{Table: "oauth2_sessions", Columns: []string{"oauth2_client_id", "user_id", "scope_list", "finished_at", "last_active_at"}},
		{Table: "oauth2_clients", Columns: []string{"oauth2_client_id", "client_name", "is_static"}},
		{Table: "compat_sessions", Columns: []string{"user_id", "is_synapse_admin", "finished_at", "last_active_at"}},
		{Table: "user_sessions", Columns: []string{"finished_at"}},
		{Table: "personal_sessions", Columns: []string{"personal_session_id", "actor_user_id", "scope_list", "revoked_at", "last_active_at"}},
		{Table: "personal_access_tokens", Columns: []string{"personal_session_id", "expires_at", "revoked_at"}},
		{Table: "user_registrations", Columns: []string{"created_at", "completed_at"}},
		{Table: "user_passwords", Columns: []string{"user_id"}},
		{Table: "upstream_oauth_links", Columns: []string{"user_id", "upstream_oauth_provider_id"}},
		{Table: "upstream_oauth_providers", Columns: []string{"upstream_oauth_provider_id", "human_name", "issuer"}},
	}
}
