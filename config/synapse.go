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
	if server.Synapse.Database, err = sqldb.ParseSource(location); err == nil && server.Synapse.Database.Engine() == sqldb.MySQL {
		return errors.New("Synapse has no MySQL databases: write postgres://USER@HOST/DATABASE or sqlite:/path/to/homeserver.db")
	}
	return err
}

// synapseOptions reads the keys that are for Synapse.
func (d *document) synapseOptions(server *Server, values map[string]*yaml.Node, folder string) {
	server.Synapse.PasswordFile = d.passwordFile(values["password_file"], server.Synapse.Database, folder)
}

// passwordFile reads the path of the file with the password of a database.
func (d *document) passwordFile(n *yaml.Node, of sqldb.Source, folder string) string {
	if n == nil {
		return ""
	}
	path := d.text(n, "password_file")
	switch {
	case path == "":
		d.problem(n, "password_file is empty")
	case of.Engine() == sqldb.SQLite || of == sqldb.Source{}:
		d.problem(n, "password_file is for a database server: files have no password")
	}
	return below(folder, path)
}
