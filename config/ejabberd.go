package config

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/webapi"
)

// locateEjabberd takes the location of ejabberd's database, the URL of its API,
// or its configuration file.
func locateEjabberd(server *Server, location, folder string) error {
	o := &server.Ejabberd
	var err error
	switch {
	case isURL(location):
		o.API, err = webapi.ParseEndpoint(location)
		return err
	case isConfiguration(location, folder, ".yml", ".yaml"):
		return readEjabberdYML(o, below(folder, location))
	}
	source, err := databaseAt(location, folder)
	if err != nil {
		return err
	}
	o.Databases = []ejabberd.Database{{Source: source}}
	return nil
}

var errNoEjabberd = errors.New("this ejabberd has no SQL database: its records are in Mnesia, which its API tells (from: http://127.0.0.1:5280/api, or api_url beside ejabberd.yml)")

// ejabberdOptions reads the keys that are for ejabberd.
func (d *document) ejabberdOptions(server *Server, at *yaml.Node, values map[string]*yaml.Node, folder string) {
	o := &server.Ejabberd
	if len(o.Databases) > 0 {
		o.PasswordFile = d.passwordFile(values["password_file"], o.Databases[0].Source, folder)
	} else if values["api_url"] == nil {
		o.APIPasswordFile = d.endpointPasswordFile(values["password_file"], "password_file", o.API, folder)
	} else if n := values["password_file"]; n != nil {
		d.problem(n, "password_file is for a database server: write api_password_file for api_url")
	}
	if n := values["domain"]; n != nil {
		name := d.text(n, "domain")
		if name == "" || len(o.Databases) != 1 {
			d.problem(n, "domain: want the virtual host that the one database is of, where its tables do not say so")
		} else {
			o.Databases[0].Host = name
		}
	}
	if n := values["api_url"]; n != nil {
		if !o.API.IsZero() {
			d.problem(n, "api_url: from is the URL of the API already")
		}
		o.API = d.endpoint(n, "api_url", "http://127.0.0.1:5280/api")
	}
	if n := values["api_password_file"]; n != nil {
		o.APIPasswordFile = d.endpointPasswordFile(n, "api_password_file", o.API, folder)
	}
	if n := values["required_modules"]; n != nil {
		o.RequiredModules = d.requiredModules(n)
		if o.API.IsZero() || o.Modules == nil {
			d.problem(n, "required_modules needs ejabberd.yml as from, which lists the modules, and api_url, which tells that ejabberd runs")
		}
	}
	if len(o.Databases) == 0 && o.API.IsZero() && len(d.mistakes) == 0 {
		d.problem(at, "from: %s", errNoEjabberd)
	}
}

// endpoint reads the URL of an interface.
func (d *document) endpoint(n *yaml.Node, key, example string) webapi.Endpoint {
	e, err := webapi.ParseEndpoint(d.text(n, key))
	if err != nil {
		d.problem(n, "%s: want a URL such as %s, with special characters of a user and password percent-encoded", key, example)
	}
	return e
}

// endpointPasswordFile reads the path of the file with the password of the user
// of an interface.
func (d *document) endpointPasswordFile(n *yaml.Node, key string, of webapi.Endpoint, folder string) string {
	if n == nil {
		return ""
	}
	path := d.text(n, key)
	switch {
	case path == "":
		d.problem(n, "%s is empty", key)
	case !of.HasUser():
		d.problem(n, "%s is for a URL with a user: write http://USER@HOST:PORT/PATH", key)
	}
	return below(folder, path)
}

// requiredModules reads the modules to watch.
func (d *document) requiredModules(n *yaml.Node) (modules []string) {
	for _, item := range d.list(n, "required_modules") {
		text := d.text(item, "required module")
		domain, name, both := strings.Cut(text, "/")
		if text == "" || both && (domain == "" || name == "" || strings.Contains(name, "/")) {
			d.problem(item, "required module %q: want a name, such as mam, or domain/name", text)
		}
		modules = append(modules, text)
	}
	return modules
}

func isURL(location string) bool {
	return strings.HasPrefix(location, "http://") || strings.HasPrefix(location, "https://")
}

// isConfiguration tells a configuration file, or the folder that holds it, from
// the location of a database.
func isConfiguration(location, folder string, endings ...string) bool {
	if strings.Contains(location, ":") {
		return false
	}
	for _, ending := range endings {
		if strings.HasSuffix(location, ending) {
			return true
		}
	}
	return isFolder(below(folder, location))
}

// databaseAt reads the location of a database, or says what there can be.
func databaseAt(location, folder string) (sqldb.Source, error) {
	if !strings.Contains(location, ":") {
		return sqldb.Source{}, errors.New("neither a configuration file nor a database location: write postgres://USER@HOST/DATABASE, mysql://USER@HOST/DATABASE or, with sqlite: before it, the path of an SQLite file")
	}
	if path, ok := strings.CutPrefix(location, "sqlite:"); ok && path != "" && !strings.HasPrefix(path, "//") {
		location = "sqlite:" + below(folder, path)
	}
	return sqldb.ParseSource(location)
}
