package config

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// locateProsody takes the path of Prosody's data directory. That it exists is
// not checked: it may be mounted later.
func locateProsody(server *Server, location, folder string) error {
	scheme, _, _ := strings.Cut(location, ":")
	switch {
	case strings.HasSuffix(location, ".lua"):
		return errors.New("Prosody's configuration file cannot be read by this version: give its data_path, often /var/lib/prosody")
	case slices.Contains([]string{"sqlite", "postgres", "postgresql", "mysql"}, scheme), strings.Contains(location, "://"):
		return errors.New("Prosody's SQL storage cannot be read by this version: give the data_path of internal storage, often /var/lib/prosody")
	}
	server.Prosody.DataPath = below(folder, location)
	return nil
}

// prosodyOptions reads the keys that are for Prosody.
func (d *document) prosodyOptions(server *Server, values map[string]*yaml.Node) {
	d.only(values, Synapse, "password_file")
	if n := values["status_url"]; n != nil {
		server.Prosody.StatusURL = d.text(n, "status_url")
		u, err := url.Parse(server.Prosody.StatusURL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			d.problem(n, "status_url: want the URL of mod_http_status, such as http://127.0.0.1:5280/status")
		}
	}
	n := values["required_modules"]
	if n == nil {
		return
	}
	if values["status_url"] == nil {
		d.problem(n, "required_modules needs status_url, which says what is loaded")
	}
	for _, item := range d.list(n, "required_modules") {
		text := d.text(item, "required module")
		domain, name, both := strings.Cut(text, "/")
		if text == "" || both && (domain == "" || name == "" || strings.Contains(name, "/")) {
			d.problem(item, "required module %q: want a name, such as mam, or domain/name", text)
		}
		server.Prosody.RequiredModules = append(server.Prosody.RequiredModules, text)
	}
}
