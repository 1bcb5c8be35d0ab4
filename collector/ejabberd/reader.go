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
	"active_users_exporter/collector/chatserver"
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
	// Hosts are the virtual hosts that ejabberd.yml lists, with the places of their
	// records; nil if it was not read. Others are not served.
	Hosts map[string]Host
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
	served  []string // the virtual hosts, as the running server said last
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
	// unserved are domains with records that the server does not serve.
	unserved map[string]bool
	asked    int // accounts that the API was asked for
}

// Read implements collector.Reader. Three sources say who was active: the sessions
// of the running server, the table last, and last activity by the API. The first
// comes first: ejabberd writes last activity when a session ends, so a user who logs
// out during the Read is then in both, and not in neither.
func (r *Reader) Read(ctx context.Context, _, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	reading := &reading{
		Reader: r, now: now, rec: rec, found: make(collector.DomainSet), unserved: make(map[string]bool),
		facts: collector.Facts{Complete: true, Database: "api"},
	}
	for name := range r.options.Hosts {
		reading.found.Of([]byte(name))
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
	for i := range reading.facts.Domains {
		d := &reading.facts.Domains[i]
		d.Guests = r.options.Hosts[d.Name].Guests
		d.NotRecorded = reading.notRecorded(*d)
		if reading.facts.OnlineErr != nil { // nobody is forgotten for that
			d.LogoutsUnrecorded = true
		}
	}
	reading.facts.Warnings = slices.Concat(reading.facts.Warnings, warnings(reading.found), collector.Unserved(reading.unserved))
	reading.facts.Assumed = r.assumed()
	if reading.server != nil {
		reading.facts.Modules = collector.Require(r.modules(), r.options.RequiredModules)
	}
	return reading.facts, nil
}

// askWhoIsOnline asks the running server, if it has an API.
func (r *reading) askWhoIsOnline(ctx context.Context) error {
	if r.options.API.IsZero() {
		r.facts.Online = collector.OnlineUnknown
		return nil
	}
	r.facts.Online = collector.OnlineUnknown
	server, onlineErr := r.api.ask(ctx)
	if onlineErr != nil && (ctx.Err() != nil || !r.options.recordsInSQL()) {
		return onlineErr
	}
	if r.facts.OnlineErr = onlineErr; server == nil { // the records are there nevertheless
		return nil
	}
	r.server, r.served, r.facts.Online = server, server.hosts, collector.OnlineKnown
	r.facts.Version = r.server.version
	r.facts.Warnings = append(r.facts.Warnings, r.server.warnings...)
	r.recordOnline()
	return nil
}

// serves says whether the server has a virtual host of that name, as far as its
// configuration or the running server says which ones it has.
func (r *reading) serves(name string) bool {
	if r.options.Hosts != nil {
		_, listed := r.options.Hosts[name]
		return listed
	}
	return r.served == nil || slices.Contains(r.served, name)
}

// inSQL returns the domain of a row of the database, nil if the row does not count:
// the server does not serve that domain, or keeps records of this kind elsewhere.
func (r *reading) inSQL(name []byte, records kind) *collector.DomainBuilder {
	if h, listed := r.options.Hosts[string(name)]; listed {
		if records(h) != chatserver.InSQL {
			return nil
		}
	} else if !r.serves(string(name)) {
		if !r.unserved[string(name)] {
			r.unserved[string(name)] = true
		}
		return nil
	}
	return r.found.Of(name)
}

func (r *reading) readDatabases(ctx context.Context) error {
	for _, database := range r.options.Databases {
		if err := r.readDatabase(ctx, database); err != nil {
			return err
		}
	}
	return nil
}

// askForTheRest asks the API for what is in no database. If no configuration says
// what that is: without a database everything; with one, the accounts of hosts that
// have none in it, and last activity if it has none of any host, since mod_last may
// have its default backend, Mnesia, although the accounts are in SQL.
func (r *reading) askForTheRest(ctx context.Context) error {
	switch {
	case r.server == nil:
		return nil
	case r.options.Hosts != nil:
		return r.askAsConfigured(ctx)
	case len(r.options.Databases) == 0:
		return r.readLast(ctx)
	}
	if err := r.countAccounts(ctx, r.server.hosts); err != nil {
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

// askAsConfigured asks the API for what ejabberd.yml has in Mnesia, host by host. If
// the API does not say who was active there, that stays unknown; if that is all
// there is to know, the refresh has failed.
func (r *reading) askAsConfigured(ctx context.Context) error {
	var counted []string
	inSQL := false
	var failed error
	for _, name := range slices.Sorted(maps.Keys(r.options.Hosts)) {
		h := r.options.Hosts[name]
		inSQL = inSQL || h.Last == chatserver.InSQL || h.Accounts == chatserver.InSQL
		if r.server.hosts != nil && !slices.Contains(r.server.hosts, name) {
			continue // not yet, or no longer
		}
		if h.Last == chatserver.InMnesia && h.Accounts != chatserver.Unlisted && failed == nil {
			failed = r.readLastOfHost(ctx, name)
		}
		if h.Accounts == chatserver.InMnesia {
			counted = append(counted, name)
		}
	}
	switch {
	case failed != nil && !inSQL:
		return failed
	case failed != nil:
		r.facts.Warnings = append(r.facts.Warnings, fmt.Sprintf("last activity is in Mnesia, and the API does not tell who was active: %s", failed))
	}
	return r.countAccounts(ctx, counted)
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
