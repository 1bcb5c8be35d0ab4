package mongooseim

import (
	"context"
	"errors"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/webapi"
	"active_users_exporter/config/document"
)

// Kind describes MongooseIM.
func Kind() chatserver.Kind {
	return chatserver.Kind{
		Name: "mongooseim", Title: "MongooseIM", Protocol: "xmpp", ConfigFile: "mongooseim.toml",
		Keys:        []string{"password_file", "domain", "graphql_url", "graphql_password_file", "report_file", "required_modules"},
		KeysForFrom: []string{"graphql_url"},
		OnlineKey:   "graphql_url", SeenAt: "last logout",
		Configure: configure,
	}
}

// NewReader implements chatserver.Source. MongooseIM's records know no clients.
func (o Options) NewReader(*activity.Classes) collector.Reader { return New(o) }

// Reads implements chatserver.Source.
func (o Options) Reads() (lines []string) {
	if !o.Database.IsZero() {
		lines = chatserver.Line("database", o.Database.Describe())
	}
	for _, other := range o.OtherDatabases {
		lines = append(lines, chatserver.Line("database", other.Describe())...)
	}
	lines = append(lines, chatserver.Line("domain", o.Host)...)
	if !o.GraphQL.IsZero() {
		lines = append(lines, chatserver.Line("graphql_url", o.GraphQL.String())...)
	}
	return append(lines, chatserver.Line("report_file", o.ReportFile)...)
}

func configure(item *chatserver.Item) chatserver.Source {
	var o Options
	item.Locate(func(location, folder string) error { return o.locate(location, folder, item.Warn) })
	values := item.Values
	inDatabase := !o.Database.IsZero()
	if n := values["domain"]; n != nil {
		if o.Host = item.Text(n, "domain"); o.Host == "" || !inDatabase {
			item.Problem(n, "domain: want the domain that the database is of, where its tables do not say so (before 5.0)")
		}
	}
	access := item.Access("graphql", "http://admin@127.0.0.1:5551/api/graphql", o.Database, o.GraphQL)
	o.GraphQL, o.GraphQLPasswordFile, o.PasswordFile = access.Endpoint, access.EndpointPasswordFile, access.DatabasePasswordFile
	if n := values["report_file"]; n != nil {
		o.ReportFile = item.Path(n, "report_file")
	}
	if n := values["required_modules"]; n != nil {
		o.RequiredModules = item.RequiredModules(n)
		if o.GraphQL.IsZero() {
			item.Problem(n, "required_modules needs graphql_url, which tells what is loaded")
		}
	}
	if !inDatabase && o.GraphQL.IsZero() && item.Valid() {
		item.WrongLocation(errNoSource)
	}
	return o
}

var errNoSource = errors.New("this MongooseIM has no SQL database (outgoing_pools.rdbms): its records are in Mnesia, which its GraphQL tells (from: http://USER@127.0.0.1:5551/api/graphql, or graphql_url beside mongooseim.toml)")

// locate takes the location of MongooseIM's database, the URL of its GraphQL, or
// its configuration file.
func (o *Options) locate(location, folder string, warn func(format string, args ...any)) (err error) {
	switch {
	case document.IsURL(location):
		o.GraphQL, err = webapi.ParseEndpoint(location)
		return err
	case document.IsConfiguration(location, folder, ".toml"):
		return readMongooseIMTOML(o, document.Below(folder, location), warn)
	}
	o.Database, err = sqldb.DatabaseAt(location, folder)
	if err == nil && o.Database.Engine() == sqldb.SQLite {
		return errors.New("MongooseIM has no SQLite databases: write postgres://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE")
	}
	return err
}

// MissingGrants implements chatserver.Granted.
func (o Options) MissingGrants(ctx context.Context) ([]sqldb.Grants, error) {
	return chatserver.MissingGrants(ctx, append([]sqldb.Source{o.Database}, o.OtherDatabases...), o.PasswordFile,
		sqldb.Need{Table: "last", Columns: []string{"username", "server", "seconds"}},
		sqldb.Need{Table: "users", Columns: []string{"username", "server", "created_at"}},
		sqldb.Need{Table: "domain_settings", Columns: []string{"domain", "host_type"}},
		sqldb.Need{Table: "mongoose_cluster_id", Columns: []string{"k", "v"}})
}
