package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"active_users_exporter/collector/sqldb"
)

// serverFlag reads SOFTWARE=LOCATION. Its errors do not repeat the location,
// which may hold a password.
func serverFlag(text string) (Server, error) {
	name, location, found := strings.Cut(text, "=")
	if !found || location == "" {
		return Server{}, errors.New("want SOFTWARE=LOCATION, such as prosody=/var/lib/prosody")
	}
	software, err := parseSoftware(name)
	if err != nil {
		return Server{}, err
	}
	server := Server{Software: software}
	if err := locate(&server, location, "."); err != nil {
		return Server{}, fmt.Errorf("%s=…: %w", software, err)
	}
	switch {
	case software == Ejabberd && len(server.Ejabberd.Databases) == 0 && server.Ejabberd.API.IsZero():
		return Server{}, fmt.Errorf("%s=…: %w", software, errNoEjabberd)
	case software == MongooseIM && server.MongooseIM.Database == sqldb.Source{} && server.MongooseIM.GraphQL.IsZero():
		return Server{}, fmt.Errorf("%s=…: %w", software, errNoMongooseIM)
	}
	return server, nil
}

func parseSoftware(name string) (Software, error) {
	switch s := Software(name); s {
	case Synapse, Prosody, Ejabberd, MongooseIM:
		return s, nil
	}
	return "", fmt.Errorf("%q is no known chat server: synapse, prosody, ejabberd and mongooseim are", name)
}

// locate turns the location of a server's records, whatever the operator has
// at hand, into the options of its reader. Relative paths are below folder.
func locate(server *Server, location, folder string) error {
	if strings.Contains(location, "password=") && !strings.Contains(location, "://") {
		// As libpq takes it: no path, which errors would repeat.
		return errors.New("not a database location: write postgres://USER@HOST/DATABASE")
	}
	switch server.Software {
	case Synapse:
		return locateSynapse(server, location, folder)
	case Ejabberd:
		return locateEjabberd(server, location, folder)
	case MongooseIM:
		return locateMongooseIM(server, location, folder)
	default:
		return locateProsody(server, location, folder)
	}
}

// below returns the path as seen from folder.
func below(folder, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(folder, path)
}
