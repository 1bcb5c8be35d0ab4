package ejabberd

import (
	"context"
	"errors"
	"maps"
	"slices"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/webapi"
	"active_users_exporter/config/document"
)

// Kind describes ejabberd.
func Kind() chatserver.Kind {
	return chatserver.Kind{
		Name: "ejabberd", Title: "ejabberd", Protocol: "xmpp", ConfigFile: "ejabberd.yml",
		Keys:        []string{"password_file", "domain", "api_url", "api_password_file", "required_modules"},
		KeysForFrom: []string{"api_url"},
		OnlineKey:   "api_url", SeenAt: "last logout",
		Configure: configure,
	}
}

// NewReader implements chatserver.Source. ejabberd's records know no clients.
func (o Options) NewReader(*activity.Classes) collector.Reader { return New(o) }

// Reads implements chatserver.Source.
func (o Options) Reads() (lines []string) {
	for _, d := range o.Databases {
		host := ""
		if d.Host != "" {
			host = "all of it for " + d.Host
		}
		lines = append(lines, chatserver.Line("database", d.Source.Describe(), host)...)
	}
	lines = append(lines, chatserver.Line("hosts", slices.Sorted(maps.Keys(o.Modules))...)...)
	if !o.API.IsZero() {
		lines = append(lines, chatserver.Line("api_url", o.API.String())...)
	}
	return lines
}

func configure(item *chatserver.Item) chatserver.Source {
	var o Options
	item.Locate(func(location, folder string) error { return o.locate(location, folder, item.Warn) })
	values := item.Values
	var database sqldb.Source
	if len(o.Databases) > 0 {
		database = o.Databases[0].Source
	}
	access := item.Access("api", "http://127.0.0.1:5280/api", database, o.API)
	o.API, o.APIPasswordFile, o.PasswordFile = access.Endpoint, access.EndpointPasswordFile, access.DatabasePasswordFile
	if n := values["domain"]; n != nil {
		name := item.Text(n, "domain")
		if name == "" || len(o.Databases) != 1 {
			item.Problem(n, "domain: want the virtual host that the one database is of, where its tables do not say so")
		} else {
			o.Databases[0].Host = name
		}
	}
	if n := values["required_modules"]; n != nil {
		o.RequiredModules = item.RequiredModules(n)
		if o.Modules == nil {
			item.Problem(n, "required_modules needs ejabberd.yml as from, which lists the modules")
		}
		if o.API.IsZero() {
			item.Problem(n, "required_modules needs api_url, which tells that ejabberd runs")
		}
	}
	if len(o.Databases) == 0 && o.API.IsZero() && item.Valid() {
		item.WrongLocation(errNoSource)
	}
	return o
}

var errNoSource = errors.New("this ejabberd has no SQL database: its records are in Mnesia, which its API tells (from: http://127.0.0.1:5280/api, or api_url beside ejabberd.yml)")

// locate takes the location of ejabberd's database, the URL of its API, or its
// configuration file.
func (o *Options) locate(location, folder string, warn func(format string, args ...any)) (err error) {
	switch {
	case document.IsURL(location):
		o.API, err = webapi.ParseEndpoint(location)
		return err
	case document.IsConfiguration(location, folder, ".yml", ".yaml"):
		return readEjabberdYML(o, document.Below(folder, location), warn)
	}
	source, err := sqldb.DatabaseAt(location, folder)
	if err != nil {
		return err
	}
	o.Databases = []Database{{Source: source}}
	return nil
}

// MissingGrants implements chatserver.Granted.
func (o Options) MissingGrants(ctx context.Context) (all []sqldb.Grants, err error) {
	for _, d := range o.Databases {
		var needs []sqldb.Need
		for _, table := range []struct {
			records kind
			need    sqldb.Need
		}{
			{lastOf, sqldb.Need{Table: "last", Columns: []string{"username", "server_host", "seconds", "state"}}},
			{accountsOf, sqldb.Need{Table: "users", Columns: []string{"username", "server_host", "created_at"}}},
			{sessionsOf, sqldb.Need{Table: "sm", Columns: []string{"usec", "node", "username", "server_host"}}},
		} {
			if o.inDatabase(d, table.records) {
				needs = append(needs, table.need)
			}
		}
		missing, failed := chatserver.MissingGrants(ctx, []sqldb.Source{d.Source}, o.PasswordFile, needs...)
		all, err = append(all, missing...), errors.Join(err, failed)
	}
	return all, err
}
