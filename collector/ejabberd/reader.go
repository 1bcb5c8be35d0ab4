// Package ejabberd reads an ejabberd server: who was last there when (the table
// "last" of mod_last) and which accounts exist (the table users), from its SQL
// database; and who is connected, from its HTTP API (mod_http_api). Where its
// records are in Mnesia, the API is all there is.
package ejabberd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/webapi"
)

// Options say where an ejabberd's records are: in databases, or else, one
// question for each account, behind its API.
type Options struct {
	// Databases are those of sql_database: one with the multihost schema, or
	// one for each virtual host with the legacy schema.
	Databases []Database
	// PasswordFile is that of sqldb.Options.
	PasswordFile string
	// API is mod_http_api, the zero Endpoint not to ask the running server.
	API webapi.Endpoint
	// APIPasswordFile is that of webapi.New.
	APIPasswordFile string
	// Modules are the configured modules by virtual host. ejabberd has no
	// command that lists them, and does not start without one of them: they
	// are loaded if it runs, which takes API.
	Modules map[string][]string
	// RequiredModules are the modules to watch: "name", to be loaded anywhere,
	// or "domain/name". They need Modules and API.
	RequiredModules []string
}

// A Database is where records are.
type Database struct {
	Source sqldb.Source
	// Host is the virtual host that a database with the legacy schema is of:
	// its tables do not say. "" if it is not known.
	Host string
}

// A Reader reads one ejabberd. It implements collector.Reader.
type Reader struct {
	options Options
	api     api
}

// New returns a Reader. It opens nothing yet.
func New(o Options) *Reader {
	return &Reader{options: o, api: api{webapi.New(o.API, o.APIPasswordFile)}}
}

// Close implements collector.Reader.
func (r *Reader) Close() error {
	r.api.Close()
	return nil
}

// A reading is one Read under way.
type reading struct {
	*Reader
	now    time.Time
	server *running // nil without an API
	found  collector.DomainSet
	rec    activity.Recorder
	facts  collector.Facts
}

// Read implements collector.Reader. Three sources say who was active: the sessions
// of the running server, the table last, and last activity by the API. The first
// comes first: ejabberd writes last activity when a session ends, so whoever logs
// out during the Read is then in both, and not in neither.
func (r *Reader) Read(ctx context.Context, _, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	reading := &reading{
		Reader: r, now: now, rec: rec, found: make(collector.DomainSet),
		facts: collector.Facts{Complete: true, Database: "api"},
	}
	for _, step := range []func(context.Context) error{reading.askWhoIsOnline, reading.readDatabases, reading.askForTheRest} {
		if err := step(ctx); err != nil {
			return collector.Facts{}, err
		}
	}
	if err := reading.check(); err != nil {
		return collector.Facts{}, err
	}
	reading.facts.Domains = reading.found.Facts()
	reading.facts.Warnings = append(reading.facts.Warnings, warnings(reading.found)...)
	if reading.server != nil {
		reading.facts.Modules = collector.Require(r.modules(), r.options.RequiredModules)
	}
	return reading.facts, nil
}

// askWhoIsOnline asks the running server, if it has an API.
func (r *reading) askWhoIsOnline(ctx context.Context) (err error) {
	if r.options.API.IsZero() {
		return nil
	}
	if r.server, err = r.api.ask(ctx); err != nil {
		return err
	}
	r.facts.Version = r.server.version
	r.facts.Warnings = append(r.facts.Warnings, r.server.warnings...)
	r.server.recordOnline(r.now, r.found, r.rec)
	return nil
}

func (r *reading) readDatabases(ctx context.Context) error {
	for _, database := range r.options.Databases {
		if err := r.readDatabase(ctx, database); err != nil {
			return err
		}
	}
	return nil
}

// askForTheRest asks the API for what is in no database. Without a database that is
// everything. With one, accounts may be elsewhere; and mod_last may have its default
// backend, Mnesia, although the accounts are in SQL: if the API does not answer that,
// who was active stays unknown.
func (r *reading) askForTheRest(ctx context.Context) error {
	switch {
	case len(r.options.Databases) == 0:
		return r.readLast(ctx)
	case r.server == nil:
		return nil
	}
	if err := r.countAccounts(ctx); err != nil {
		return err
	}
	if len(r.found) == 0 || r.found.HasLastSeen() {
		return nil
	}
	if err := r.readLast(ctx); err != nil {
		r.facts.Warnings = append(r.facts.Warnings, fmt.Sprintf("the table last is empty, and the API does not tell who was active: %s", err))
	}
	return nil
}

// check says what is wrong with what was found, if it must not be shown.
func (r *reading) check() error {
	switch {
	case len(r.found) == 0 && len(r.options.Databases) == 0:
		return r.api.Fail("registered_vhosts", failure.Unexpected, "the server has no virtual hosts")
	case len(r.found) == 0:
		return fmt.Errorf("%s: the tables last and users are empty: does ejabberd keep its records elsewhere, as in Mnesia?", r.options.Databases[0].Source)
	case r.found.AllDamaged(): // which only rows of a database can be
		return fmt.Errorf("%s: the time in all rows of the table last is no number", r.options.Databases[0].Source)
	}
	return nil
}

// modules returns the modules of a server that runs.
func (r *Reader) modules() (all []collector.Module) {
	for name, modules := range r.options.Modules {
		for _, module := range modules {
			all = append(all, collector.Module{Domain: name, Name: module, Loaded: true})
		}
	}
	return all
}

// warnings returns sentences about rows that were left out.
func warnings(found collector.DomainSet) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if n := found[name].Damaged; n > 0 {
			all = append(all, fmt.Sprintf("%d damaged rows of %q in the table last left out: their time is no number", n, name))
		}
	}
	return all
}
