package config

import (
	"net/url"
	"strings"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/sqldb"
)

// locateProsody takes the path of Prosody's data directory, the location of its
// database, or the configuration file that names either. That they exist is not checked: they may be mounted later.
func locateProsody(server *Server, location, folder string) error {
	scheme, path, schemed := strings.Cut(location, ":")
	switch {
	case strings.HasSuffix(location, ".lua"):
		return readProsody(&server.Prosody, below(folder, location))
	case scheme == "sqlite" && path != "" && !strings.HasPrefix(path, "//"):
		location = "sqlite:" + below(folder, path)
		fallthrough
	case schemed && !strings.ContainsAny(scheme, "/."): // no folder is called sqlite3:
		var err error
		server.Prosody.Database, err = sqldb.ParseSource(location)
		return err
	}
	server.Prosody.DataPath = below(folder, location)
	return nil
}

// prosodyOptions reads the keys that are for Prosody.
func (d *document) prosodyOptions(server *Server, values map[string]*yaml.Node, folder string) {
	server.Prosody.PasswordFile = d.passwordFile(values["password_file"], server.Prosody.Database, folder)
	if n := values["status_url"]; n != nil {
		server.Prosody.StatusURL = d.page(n, "status_url", "mod_http_status, such as http://127.0.0.1:5280/status")
	}
	if n := values["metrics_url"]; n != nil {
		server.Prosody.MetricsURL = d.page(n, "metrics_url", "mod_http_openmetrics, such as http://127.0.0.1:5280/metrics")
	}
	if n := values["admin_socket"]; n != nil {
		if server.Prosody.AdminSocket = d.text(n, "admin_socket"); server.Prosody.AdminSocket == "" {
			d.problem(n, "admin_socket is empty")
		}
		server.Prosody.AdminSocket = below(folder, server.Prosody.AdminSocket)
	}
	if n := values["own_metric_names"]; n != nil {
		server.Prosody.OwnNames = d.truth(n, "own_metric_names")
	}
	n := values["required_modules"]
	if n == nil {
		return
	}
	if values["status_url"] == nil && values["admin_socket"] == nil && values["metrics_url"] == nil {
		d.problem(n, "required_modules needs status_url, admin_socket or metrics_url, which say what is loaded")
	}
	server.Prosody.RequiredModules = d.requiredModules(n)
}

// page reads the URL of a page of the running server.
func (d *document) page(n *yaml.Node, key, example string) string {
	location := d.text(n, key)
	u, err := url.Parse(location)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		d.problem(n, "%s: want the URL of %s", key, example)
	}
	return location
}
