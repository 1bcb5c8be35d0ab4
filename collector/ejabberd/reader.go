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
	"unicode/utf8"

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

// hosts is what is known of the virtual hosts, by name.
type hosts map[string]*host

type host struct {
	// activity says that last-seen times are kept: ejabberd writes one already
	// when an account is registered.
	activity            bool
	registered, created collector.Count
	online              collector.Count
	// damaged is the number of rows that could not be read; good says that one
	// could.
	damaged int
	good    bool
}

// knows says whether it is known who was active. If all rows are damaged, as
// when a version to come writes them otherwise, nobody must take that for
// nobody.
func (h *host) knows() bool { return h.activity && (h.good || h.damaged == 0) }

// of returns a host, with what was found before.
func (h hosts) of(name []byte) *host {
	found, ok := h[string(name)]
	if !ok {
		found = &host{}
		h[string(name)] = found
	}
	return found
}

// Read implements collector.Reader. The table "last" is written when a session
// ends: who is connected is not in it, or with an older time, so that people
// online are counted beside it. They are asked for first: whoever logs out in
// between is then in both.
func (r *Reader) Read(ctx context.Context, _, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	facts := collector.Facts{Whole: true, Database: "api"}
	found := make(hosts)
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
	}
	if len(found) == 0 {
		return collector.Facts{}, fmt.Errorf("%s: the tables last and users are empty: does ejabberd keep its records elsewhere, as in Mnesia?", r.options.Databases[0].Source)
	}
	if found.lost() {
		return collector.Facts{}, fmt.Errorf("%s: the time in all rows of the table last is no number", r.options.Databases[0].Source)
	}
	facts.Domains = found.facts()
	facts.Warnings = append(facts.Warnings, found.warnings()...)
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

// lost says that rows are damaged, and no host is left of which anything is
// known.
func (h hosts) lost() bool {
	damaged := false
	for _, found := range h {
		if found.knows() {
			return false
		}
		damaged = damaged || found.damaged > 0
	}
	return damaged
}

func (h hosts) facts() (all []collector.DomainFacts) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if !utf8.ValidString(name) { // no label
			continue
		}
		found := h[name]
		d := collector.DomainFacts{Name: name, Activity: found.knows(), Online: found.online, Damaged: found.damaged}
		d.Registered = found.registered.Native()
		d.Created = found.created.Native()
		all = append(all, d)
	}
	return all
}

func (h hosts) warnings() (all []string) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if n := h[name].damaged; n > 0 {
			all = append(all, fmt.Sprintf("%d damaged rows of %q in the table last left out: their time is no number", n, name))
		}
	}
	return all
}
