// Package mongooseim reads a MongooseIM server: who was last there when (the
// table "last" of mod_last) and which accounts exist (the table users), from
// its SQL database; who is connected, the modules and the version, from its
// admin API (GraphQL, 6.0 and later); and what it reports of itself, from the
// file of its system metrics. Where its records are in Mnesia, GraphQL is all
// there is.
package mongooseim

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/systemmetrics"
	"active_users_exporter/collector/webapi"
)

// Options say where a MongooseIM's records are: in a database, or else behind
// its API.
type Options struct {
	// Database is the pool outgoing_pools.rdbms, the zero Source for none.
	Database sqldb.Source
	// OtherDatabases are those of hosts or host types that have their own.
	OtherDatabases []sqldb.Source
	// PasswordFile is that of sqldb.Options.
	PasswordFile string
	// Host is the domain of a database without the column server (before
	// 5.0); "" if it is not known.
	Host string
	// Hosts are the hosts and host types of mongooseim.toml, with the places of their
	// records; nil if it was not read.
	Hosts map[string]Host
	// Dynamic says that there are host types, whose domains are elsewhere.
	Dynamic bool
	// GraphQL is the admin API, of all domains or of one, the zero Endpoint not
	// to ask the running server.
	GraphQL webapi.Endpoint
	// GraphQLPasswordFile is that of webapi.New.
	GraphQLPasswordFile string
	// ReportFile is the path of system_metrics_report.json, "" for none.
	ReportFile string
	// RequiredModules are the modules to watch: "name", to be loaded anywhere,
	// or "hosttype/name". They need GraphQL, of all domains.
	RequiredModules []string
}

// A Reader reads one MongooseIM. It implements collector.Reader.
type Reader struct {
	options    Options
	api        api
	served     []string               // the domains, as the running server said last
	lastReport *systemmetrics.Cluster // the last good one, of ReportFile
}

// New returns a Reader. It opens nothing yet.
func New(o Options) *Reader {
	return &Reader{options: o, api: api{webapi.New(o.GraphQL, o.GraphQLPasswordFile)}}
}

// Close implements collector.Reader.
func (r *Reader) Close() error {
	r.api.Close()
	return nil
}

// Read implements collector.Reader. The table "last" is written when a presence
// ends: who is connected is not in it, or with an older time, so that people
// online are counted beside it. They are asked for first: users who log out in
// between are then in both.
func (r *Reader) Read(ctx context.Context, _, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	facts := collector.Facts{Complete: true, Database: "graphql", Online: collector.OnlineUnknown}
	found := make(collector.DomainSet)
	domains := &hosting{options: r.options, served: r.served, unserved: make(map[string]bool)}
	server, err := r.askServer(ctx, domains, &facts)
	if err != nil {
		return collector.Facts{}, err
	}
	if server != nil {
		server.recordOnline(now, found, rec)
	}
	kind, cluster, err := r.readDatabases(ctx, domains, now, found, rec)
	facts.Database = cmp.Or(kind, facts.Database)
	if err == nil && server != nil {
		err = r.lastInMnesia(ctx, server, domains, now, found, rec)
	}
	for name := range r.options.Hosts {
		if !r.options.Dynamic {
			found.Of([]byte(name))
		}
	}
	if err == nil && server != nil {
		err = r.api.countAccounts(ctx, server, domains, found)
	}
	if err != nil {
		return collector.Facts{}, err
	}
	if len(found) == 0 {
		return collector.Facts{}, fmt.Errorf("%s: the tables last and users are empty: does MongooseIM keep its records elsewhere, as in Mnesia?", r.options.Database)
	}
	facts.Domains, facts.Assumed = domains.facts(found, facts.OnlineErr), domains.assumed()
	facts.Warnings = slices.Concat(facts.Warnings, domains.warnings(), collector.Unserved(domains.unserved))
	r.systemMetrics(ctx, server, cluster, now, &facts)
	if facts.ModulesErr == nil && facts.OnlineErr == nil {
		facts.Modules = collector.Require(facts.Modules, r.options.RequiredModules)
	} else if len(r.options.RequiredModules) == 0 {
		facts.ModulesErr = nil // nobody asked
	}
	return facts, nil
}

// askServer asks the running server, if its GraphQL is configured. If it does not
// answer, the records are there nevertheless.
func (r *Reader) askServer(ctx context.Context, domains *hosting, facts *collector.Facts) (*running, error) {
	if r.options.GraphQL.IsZero() {
		return nil, nil
	}
	server, err := r.api.ask(ctx)
	if err != nil && (ctx.Err() != nil || r.options.Database.IsZero()) {
		return nil, err
	}
	if facts.OnlineErr = err; server == nil {
		return nil, nil
	}
	if server.onlyDomain == "" && (server.domainsListed || !r.options.Dynamic) {
		r.served = server.domains
		domains.served = r.served
	}
	facts.Online = collector.OnlineKnown
	facts.Version, facts.Modules, facts.ModulesErr = server.version, server.modules, server.modulesErr
	return server, nil
}

// lastInMnesia asks GraphQL for last activity that is not in the database: that of
// domains for which mongooseim.toml says so, or, if nothing says where it is, of all
// domains if the database has none, since Mnesia is the default of mod_last.
func (r *Reader) lastInMnesia(ctx context.Context, server *running, domains *hosting, now time.Time, found collector.DomainSet, rec activity.Recorder) error {
	if r.options.Hosts == nil || r.options.Database.IsZero() {
		if found.HasLastSeen() {
			return nil
		}
		return r.api.readLast(ctx, server, server.domains, now, found, rec)
	}
	names := server.domains
	if names == nil && !r.options.Dynamic {
		names = slices.Sorted(maps.Keys(r.options.Hosts))
	}
	if names = domains.inMnesia(names, lastOf); len(names) == 0 {
		return nil
	}
	return r.api.readLast(ctx, server, names, now, found, rec)
}

// systemMetrics adds what the server says about itself: in its report, or else
// by GraphQL, which knows less, but counts custom modules better. The cluster's
// id in the database is its name.
func (r *Reader) systemMetrics(ctx context.Context, server *running, id string, now time.Time, facts *collector.Facts) {
	var cluster *systemmetrics.Cluster
	var warnings []string
	switch {
	case r.options.ReportFile != "":
		var warning string
		if cluster, warning = r.readReport(ctx, now); warning != "" {
			warnings = []string{warning}
		}
	case server != nil:
		cluster, warnings = r.api.describe(ctx, server)
	}
	facts.Warnings = append(facts.Warnings, warnings...)
	if cluster != nil {
		named := *cluster
		named.ClientID = cmp.Or(id, named.ClientID)
		facts.Special = func(*activity.Calendar) []any { return []any{named} }
	}
}
