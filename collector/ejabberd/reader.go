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

// Read implements collector.Reader. The table "last" is written when a session
// ends: who is connected is not in it, or with an older time, so that people
// online are counted beside it. They are asked for first: whoever logs out in
// between is then in both.
func (r *Reader) Read(ctx context.Context, _, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	facts := collector.Facts{Complete: true, Database: "api"}
	found := make(collector.DomainSet)
	var server *running
	if !r.options.API.IsZero() {
		var err error
		if server, err = r.api.ask(ctx); err != nil {
			return collector.Facts{}, err
		}
		facts.Version = server.version
		facts.Warnings = append(facts.Warnings, server.warnings...)
		server.report(now, found, rec)
	}
	for _, database := range r.options.Databases {
		if err := r.readDatabase(ctx, database, server, now, found, rec, &facts); err != nil {
			return collector.Facts{}, err
		}
	}
	if len(r.options.Databases) == 0 {
		if err := r.api.readLast(ctx, server, now, found, rec); err != nil {
			return collector.Facts{}, err
		}
	} else if server != nil {
		warning, err := r.api.countAccounts(ctx, server, found)
		if err != nil {
			return collector.Facts{}, err
		}
		facts.Warnings = append(facts.Warnings, warning...)
		if len(found) > 0 && !found.HasLastSeen() {
			// Accounts are in SQL, but mod_last has its default backend, Mnesia.
			if err := r.api.readLast(ctx, server, now, found, rec); err != nil {
				facts.Warnings = append(facts.Warnings, fmt.Sprintf("the table last is empty, and the API does not tell who was active: %s", err))
			}
		}
	}
	if len(found) == 0 {
		return collector.Facts{}, fmt.Errorf("%s: the tables last and users are empty: does ejabberd keep its records elsewhere, as in Mnesia?", r.options.Databases[0].Source)
	}
	if found.AllDamaged() {
		return collector.Facts{}, fmt.Errorf("%s: the time in all rows of the table last is no number", r.options.Databases[0].Source)
	}
	facts.Domains = found.Facts()
	facts.Warnings = append(facts.Warnings, warnings(found)...)
	if server != nil {
		facts.Modules = collector.Require(r.modules(), r.options.RequiredModules)
	}
	return facts, nil
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

// warnings tells of rows that were left out.
func warnings(found collector.DomainSet) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if n := found[name].Damaged; n > 0 {
			all = append(all, fmt.Sprintf("%d damaged rows of %q in the table last left out: their time is no number", n, name))
		}
	}
	return all
}
