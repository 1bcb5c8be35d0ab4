package config

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/sqldb"
)

// locateSynapse takes the location of Synapse's database, or of the
// configuration file that names it.
func locateSynapse(server *Server, location, folder string) error {
	isFile := !strings.Contains(location, ":")
	if isFile && strings.HasSuffix(location, ".db") {
		return errors.New("not a database location: write sqlite: before the path of an SQLite file")
	}
	if isFile {
		return readHomeserver(&server.Synapse, below(folder, location))
	}
	if path, ok := strings.CutPrefix(location, "sqlite:"); ok && path != "" && !strings.HasPrefix(path, "//") {
		location = "sqlite:" + below(folder, path)
	}
	var err error
	server.Synapse.Database, err = sqldb.ParseSource(location)
	return err
}

// synapseOptions reads the keys that are for Synapse.
func (d *document) synapseOptions(server *Server, values map[string]*yaml.Node, folder string) {
	d.only(values, Prosody, "status_url", "required_modules")
	n := values["password_file"]
	if n == nil {
		return
	}
	path := d.text(n, "password_file")
	switch {
	case path == "":
		d.problem(n, "password_file is empty")
	case server.Synapse.Database.Engine() == sqldb.SQLite:
		d.problem(n, "password_file: an SQLite file has no password")
	}
	server.Synapse.PasswordFile = below(folder, path)
}
