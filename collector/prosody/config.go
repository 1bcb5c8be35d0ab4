package prosody

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/webapi"
	"active_users_exporter/config/document"
)

// Kind describes Prosody.
func Kind() chatserver.Kind {
	return chatserver.Kind{
		Name: "prosody", Title: "Prosody", Protocol: "xmpp", ConfigFile: "prosody.cfg.lua",
		Keys:        []string{"password_file", "status_url", "metrics_url", "admin_socket", "required_modules", "own_metric_names"},
		KeysForFrom: []string{"metrics_url"},
		OnlineKey:   "admin_socket", SeenAt: "login",
		Configure: configure, Collector: NewCollector,
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// NewReader implements chatserver.Source.
func (o Options) NewReader(classes *activity.Classes) collector.Reader { return New(o, classes) }

// Reads implements chatserver.Source.
func (o Options) Reads() []string {
	var lines []string
	for _, place := range o.places() {
		lines = append(lines, chatserver.Line("files", place.DataPath)...)
		if !place.Database.IsZero() {
			lines = append(lines, chatserver.Line("database", place.Database.Describe())...)
		}
	}
	return slices.Concat(lines, chatserver.Line("hosts", o.Hosts...), chatserver.Line("admin_socket", o.AdminSocket),
		chatserver.Line("status_url", webapi.WithoutUser(o.StatusURL)), chatserver.Line("metrics_url", webapi.WithoutUser(o.MetricsURL)))
}

func configure(item *chatserver.Item) chatserver.Source {
	var o Options
	item.Locate(func(location, folder string) error {
		unset, err := o.locate(location, folder)
		if len(unset) > 0 {
			item.Warn("Prosody's configuration asks for environment variables that the exporter does not have: %s; those that Prosody has must be set for the exporter as well", strings.Join(unset, ", "))
		}
		return err
	})
	values := item.Values
	o.PasswordFile = item.DatabasePasswordFile(values["password_file"], o.databaseServer())
	if n := values["status_url"]; n != nil {
		o.StatusURL = item.Page(n, "status_url", "mod_http_status, such as http://127.0.0.1:5280/status")
	}
	if n := values["metrics_url"]; n != nil {
		o.MetricsURL = item.Page(n, "metrics_url", "mod_http_openmetrics, such as http://127.0.0.1:5280/metrics")
	}
	if n := values["admin_socket"]; n != nil {
		o.AdminSocket = item.Path(n, "admin_socket")
	}
	if n := values["own_metric_names"]; n != nil {
		o.ServerNames = item.Bool(n, "own_metric_names")
	}
	if n := values["required_modules"]; n != nil {
		if values["status_url"] == nil && values["admin_socket"] == nil && values["metrics_url"] == nil {
			item.Problem(n, "required_modules needs status_url, admin_socket or metrics_url, which say what is loaded")
		}
		o.RequiredModules = item.RequiredModules(n)
	}
	return o
}

// locate takes the path of Prosody's data directory, the location of its
// database, or the configuration file that names either, or the folder of that. That they exist is not
// checked: they may be mounted later. It returns the names of environment
// variables that the configuration file asks for in vain.
func (o *Options) locate(location, folder string) (unset []string, err error) {
	scheme, _, schemed := strings.Cut(location, ":")
	switch {
	case strings.HasSuffix(location, ".lua"):
		return readProsody(o, document.Below(folder, location))
	case schemed && !strings.ContainsAny(scheme, "/."): // no folder is called sqlite3:
		o.Database, err = sqldb.ParseSourceBelow(location, folder)
		return nil, err
	}
	path := document.Below(folder, location)
	if inside := filepath.Join(path, "prosody.cfg.lua"); exists(inside) { // /etc/prosody
		return readProsody(o, inside)
	}
	o.DataPath = path
	return nil, nil
}

// MissingGrants implements chatserver.Granted. The table may be a view without passwords.
func (o Options) MissingGrants(ctx context.Context) ([]sqldb.Grants, error) {
	return chatserver.MissingGrants(ctx, o.databases(), o.PasswordFile, sqldb.Need{Table: "prosody"})
}

// databases returns all that are read, each once.
func (o Options) databases() (all []sqldb.Source) {
	add := func(database sqldb.Source) {
		if !database.IsZero() && !slices.Contains(all, database) {
			all = append(all, database)
		}
	}
	for _, place := range o.places() {
		add(place.Database)
	}
	for _, place := range o.Accounts {
		add(place.Database)
	}
	return all
}

// databaseServer returns the database that password_file is for: the first one that is
// not a file, the zero Source if there is none.
func (o Options) databaseServer() sqldb.Source {
	for _, database := range o.databases() {
		if database.Engine() != sqldb.SQLite {
			return database
		}
	}
	return sqldb.Source{}
}
