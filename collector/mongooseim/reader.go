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
// online are counted beside it. They are asked for first: whoever logs out in
// between is then in both.
func (r *Reader) Read(ctx context.Context, _, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	facts := collector.Facts{Complete: true, Database: "graphql"}
	found := make(collector.DomainSet)
	var server *running
	if !r.options.GraphQL.IsZero() {
		var err error
		if server, err = r.api.ask(ctx); err != nil {
			return collector.Facts{}, err
		}
		facts.Version, facts.Modules, facts.ModulesErr = server.version, server.modules, server.modulesErr
		server.recordOnline(now, found, rec)
	}
	var err error
	var cluster string
	if r.options.Database == (sqldb.Source{}) {
		err = r.api.readLast(ctx, server, now, found, rec)
	} else {
		facts.Database, cluster, err = r.readDatabases(ctx, server, now, found, rec)
		if err == nil && server != nil && !found.HasLastSeen() {
			// Accounts are in SQL, but mod_last has its default backend, Mnesia.
			err = r.api.readLast(ctx, server, now, found, rec)
		}
	}
	if err == nil && server != nil {
		err = r.api.countAccounts(ctx, server, found)
	}
	if err != nil {
		return collector.Facts{}, err
	}
	if len(found) == 0 {
		return collector.Facts{}, fmt.Errorf("%s: the tables last and users are empty: does MongooseIM keep its records elsewhere, as in Mnesia?", r.options.Database)
	}
	facts.Domains = found.Facts()
	r.systemMetrics(ctx, server, cluster, now, &facts)
	if facts.ModulesErr == nil {
		facts.Modules = collector.Require(facts.Modules, r.options.RequiredModules)
	} else if len(r.options.RequiredModules) == 0 {
		facts.ModulesErr = nil // nobody asked
	}
	return facts, nil
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
