package mas

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/config/document"
)

// configuration is the part of MAS' config.yaml that says where its records are
// (docs/reference/configuration.md, 1.22).
type configuration struct {
	Database database `yaml:"database"`
	Matrix   struct {
		Homeserver string `yaml:"homeserver"`
	} `yaml:"matrix"`
}

// database are the keys of the section database.
type database struct {
	URI          string `yaml:"uri"`
	Host         string `yaml:"host"`
	Port         int    `yaml:"port"`
	Socket       string `yaml:"socket"`
	Username     string `yaml:"username"`
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
	Database     string `yaml:"database"`

	SSLMode            string `yaml:"ssl_mode"`
	SSLCA              string `yaml:"ssl_ca"`
	SSLCAFile          string `yaml:"ssl_ca_file"`
	SSLCertificate     string `yaml:"ssl_certificate"`
	SSLCertificateFile string `yaml:"ssl_certificate_file"`
	SSLKey             string `yaml:"ssl_key"`
	SSLKeyFile         string `yaml:"ssl_key_file"`
}

// Locate takes the location of MAS' database, or of the config.yaml that names it.
// A relative path is below folder. Errors never repeat a password.
func Locate(location, folder string) (Options, error) {
	if document.IsConfiguration(location, folder, ".yaml", ".yml") {
		return readConfiguration(document.Below(folder, location))
	}
	source, err := sqldb.ParseSource(location)
	if err == nil && source.Engine() != sqldb.PostgreSQL {
		err = errors.New("MAS keeps its data in PostgreSQL alone: write postgres://USER@HOST/DATABASE, or the path of MAS' config.yaml")
	}
	return Options{Database: source}, err
}

func readConfiguration(path string) (Options, error) {
	content, err := document.ReadFile(path)
	if err != nil {
		return Options{}, err
	}
	var c configuration
	if err := document.DecodeYAML(path, content, &c); err != nil {
		return Options{}, err
	}
	source, err := c.Database.source()
	if err != nil {
		return Options{}, fmt.Errorf("%s: database: %w", path, err)
	}
	return Options{Database: source, PasswordFile: c.Database.PasswordFile, Homeserver: c.Matrix.Homeserver}, nil
}

// source returns where the database is. What MAS leaves to the environment of its
// own process (PGHOST and so on) is not known here.
func (d database) source() (sqldb.Source, error) {
	parts := cmp.Or(d.Host, d.Socket, d.Username, d.Database) != "" || d.Port != 0
	switch {
	case d.URI != "" && parts:
		return sqldb.Source{}, errors.New("uri stands beside host, port, socket, username or database: MAS refuses that as well")
	case d.URI == "" && !parts:
		return sqldb.Source{}, errors.New("it names no database: give its location, as in mas: postgres://USER@HOST/DATABASE")
	}
	for key, text := range map[string]string{"ssl_ca": d.SSLCA, "ssl_certificate": d.SSLCertificate, "ssl_key": d.SSLKey} {
		if text != "" {
			return sqldb.Source{}, fmt.Errorf("%s holds a certificate or key itself, which cannot be used here: write it to a file and use %s_file, or give the location as postgres://USER@HOST/DATABASE?sslmode=…", key, key)
		}
	}
	u := &url.URL{Scheme: "postgres", Path: "/" + cmp.Or(d.Database, d.Username)}
	values := url.Values{}
	if d.URI != "" {
		var err error
		if u, err = url.Parse(d.URI); err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			return sqldb.Source{}, errors.New("uri is no valid postgresql:// URL")
		}
		values = u.Query()
	} else {
		d.server(u, values)
	}
	for key, value := range map[string]string{"sslmode": d.SSLMode, "sslrootcert": d.SSLCAFile, "sslcert": d.SSLCertificateFile, "sslkey": d.SSLKeyFile} {
		if value != "" {
			values.Set(key, value)
		}
	}
	u.RawQuery = values.Encode()
	return sqldb.ParseSource(u.String())
}

// server adds the parts of a location to a URL.
func (d database) server(u *url.URL, values url.Values) {
	if d.Username != "" {
		u.User = url.User(d.Username)
		if d.Password != "" {
			u.User = url.UserPassword(d.Username, d.Password)
		}
	}
	values.Set("host", cmp.Or(d.Socket, d.Host, "localhost"))
	if d.Port != 0 {
		values.Set("port", strconv.Itoa(d.Port))
	}
}
