package config

import (
	"errors"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/webapi"
)

// locateMongooseIM takes the location of MongooseIM's database, the URL of its
// GraphQL, or its configuration file.
func locateMongooseIM(server *Server, location, folder string) error {
	o := &server.MongooseIM
	var err error
	switch {
	case isURL(location):
		o.GraphQL, err = webapi.ParseEndpoint(location)
		return err
	case isConfiguration(location, folder, ".toml"):
		return readMongooseIMTOML(o, below(folder, location))
	}
	o.Database, err = databaseAt(location, folder)
	if err == nil && o.Database.Engine() == sqldb.SQLite {
		return errors.New("MongooseIM has no SQLite databases: write postgres://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE")
	}
	return err
}

var errNoMongooseIM = errors.New("this MongooseIM has no SQL database (outgoing_pools.rdbms): its records are in Mnesia, which its GraphQL tells (from: http://USER@127.0.0.1:5551/api/graphql, or graphql_url beside mongooseim.toml)")

// mongooseIMOptions reads the keys that are for MongooseIM.
func (d *document) mongooseIMOptions(server *Server, at *yaml.Node, values map[string]*yaml.Node, folder string) {
	o := &server.MongooseIM
	inDatabase := o.Database != sqldb.Source{}
	if inDatabase {
		o.PasswordFile = d.passwordFile(values["password_file"], o.Database, folder)
	} else if values["graphql_url"] == nil {
		o.GraphQLPasswordFile = d.endpointPasswordFile(values["password_file"], "password_file", o.GraphQL, folder)
	} else if n := values["password_file"]; n != nil {
		d.problem(n, "password_file is for a database server: write graphql_password_file for graphql_url")
	}
	if n := values["domain"]; n != nil {
		if o.Host = d.text(n, "domain"); o.Host == "" || !inDatabase {
			d.problem(n, "domain: want the domain that the database is of, where its tables do not say so (before 5.0)")
		}
	}
	if n := values["graphql_url"]; n != nil {
		if !o.GraphQL.IsZero() {
			d.problem(n, "graphql_url: from is the URL of GraphQL already")
		}
		o.GraphQL = d.endpoint(n, "graphql_url", "http://admin@127.0.0.1:5551/api/graphql")
	}
	if n := values["graphql_password_file"]; n != nil {
		o.GraphQLPasswordFile = d.endpointPasswordFile(n, "graphql_password_file", o.GraphQL, folder)
	}
	if n := values["report_file"]; n != nil {
		if o.ReportFile = d.text(n, "report_file"); o.ReportFile == "" {
			d.problem(n, "report_file is empty")
		}
		o.ReportFile = below(folder, o.ReportFile)
	}
	if n := values["required_modules"]; n != nil {
		o.RequiredModules = d.requiredModules(n)
		if o.GraphQL.IsZero() {
			d.problem(n, "required_modules needs graphql_url, which tells what is loaded")
		}
	}
	if !inDatabase && o.GraphQL.IsZero() && len(d.mistakes) == 0 {
		d.problem(at, "from: %s", errNoMongooseIM)
	}
}
