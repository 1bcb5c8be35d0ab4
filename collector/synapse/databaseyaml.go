package synapse

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/sqldb"
)

// database returns the location of the database that holds the tables about
// users: the only one, or the one of several with the data store "main"
// (synapse/config/database.py, 1.160).
func (h homeserver) database(file string) (sqldb.Source, error) {
	switch {
	case !h.isEmpty("databases") && !h.isEmpty("database"):
		s := h["databases"]
		return sqldb.Source{}, s.wrong(s.Node, "both database and databases: Synapse takes one of them")
	case !h.isEmpty("database"):
		s := h["database"]
		return databaseOf(s.pyYAML, s.Node, "database")
	case !h.isEmpty("databases"):
		s := h["databases"]
		return mainDatabase(s.pyYAML, s.Node)
	case !h.isEmpty("database_path"):
		s := h["database_path"]
		path, err := s.text(s.Node, "database_path")
		if err != nil {
			return sqldb.Source{}, err
		}
		return sqliteAt(s.pyYAML, s.Node, path, "database_path")
	}
	return sqldb.Source{}, fmt.Errorf("%s: it names no database: give its location, as in postgres://USER@HOST/DATABASE or sqlite:/path/to/homeserver.db", file)
}

// mainDatabase returns the database with the data store "main", which is each
// that names no data stores.
func mainDatabase(f *pyYAML, n *yaml.Node) (sqldb.Source, error) {
	if aliased(n).Kind != yaml.MappingNode {
		return sqldb.Source{}, f.wrong(n, "databases must be a mapping of names to databases")
	}
	all, err := f.pairs(n, 0)
	if err != nil {
		return sqldb.Source{}, err
	}
	for _, p := range all {
		what := "databases." + p.key.Value
		values, err := f.mapping(p.value, what)
		if err != nil {
			return sqldb.Source{}, err
		}
		stores, err := f.texts(values["data_stores"], what+".data_stores")
		if err != nil {
			return sqldb.Source{}, err
		}
		if stores == nil || slices.Contains(stores, "main") {
			return databaseOf(f, p.value, what)
		}
	}
	return sqldb.Source{}, f.wrong(n, "none of the databases has the data store main, which holds the users")
}

// texts returns a list of texts, nil if it is missing or null.
func (f *pyYAML) texts(n *yaml.Node, what string) ([]string, error) {
	if n == nil {
		return nil, nil
	}
	n = aliased(n)
	if n.Kind != yaml.SequenceNode {
		if s, err := f.scalar(n, what); err == nil && s.kind == pyNone {
			return nil, nil
		}
		return nil, f.wrong(n, "%s must be a list", what)
	}
	all := make([]string, len(n.Content))
	for i, item := range n.Content {
		var err error
		if all[i], err = f.text(item, what); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// databaseOf returns where one database is. What is its name in messages.
func databaseOf(f *pyYAML, n *yaml.Node, what string) (sqldb.Source, error) {
	values, err := f.mapping(n, what)
	if err != nil {
		return sqldb.Source{}, err
	}
	engine := "sqlite3"
	if name := values["name"]; name != nil {
		if engine, err = f.text(name, what+".name"); err != nil {
			return sqldb.Source{}, err
		}
	}
	args := make(map[string]*yaml.Node)
	if values["args"] != nil {
		if args, err = f.mapping(values["args"], what+".args"); err != nil {
			return sqldb.Source{}, err
		}
	}
	switch engine {
	case "psycopg2":
		return postgreSQLOf(f, cmp.Or(values["args"], n), args, what+".args")
	case "sqlite3":
		return sqliteOf(f, n, args, what+".args")
	}
	return sqldb.Source{}, f.wrong(values["name"], "%s.name: %q is neither psycopg2 nor sqlite3", what, engine)
}

// postgreSQLOf returns the database that psycopg2.connect(**args) connects to.
func postgreSQLOf(f *pyYAML, at *yaml.Node, args map[string]*yaml.Node, what string) (sqldb.Source, error) {
	parameters, err := libpqParameters(f, args, what)
	if err != nil {
		return sqldb.Source{}, err
	}
	source, err := sqldb.FromLibpq(parameters)
	if wrong, ok := errors.AsType[*sqldb.ParameterError](err); ok {
		return sqldb.Source{}, f.wrong(cmp.Or(args[wrong.Name], args["dsn"], at), "%s.%s", what, wrong)
	}
	if err != nil {
		return sqldb.Source{}, f.wrong(at, "%s: %s", what, err)
	}
	return source, nil
}

// libpqParameters returns what psycopg2 gives to libpq: all except those that begin
// with cp_, which Synapse keeps to itself, and those that are None.
func libpqParameters(f *pyYAML, args map[string]*yaml.Node, what string) (map[string]string, error) {
	parameters := make(map[string]string)
	if n := args["dsn"]; n != nil {
		text, err := f.text(n, what+".dsn")
		if err != nil {
			return nil, err
		}
		if parameters, err = sqldb.ParseConninfo(text); err != nil {
			return nil, f.wrong(n, "%s.%s", what, err)
		}
	}
	if args["database"] != nil && args["dbname"] != nil {
		return nil, f.wrong(args["database"], "%s: both database and dbname: psycopg2 takes one of them", what)
	}
	for key, n := range args {
		if key == "dsn" || strings.HasPrefix(key, "cp_") {
			continue
		}
		s, err := f.scalar(n, what+"."+key)
		if err != nil {
			return nil, err
		}
		if key == "database" {
			key = "dbname"
		}
		if s.kind != pyNone {
			parameters[key] = s.text
		}
	}
	return parameters, nil
}

// sqliteOf returns the file that sqlite3.connect(**args) opens.
func sqliteOf(f *pyYAML, at *yaml.Node, args map[string]*yaml.Node, what string) (sqldb.Source, error) {
	n := args["database"]
	if n == nil {
		return sqldb.Source{}, f.wrong(at, "%s.database is missing: the path of the file", what)
	}
	path, err := f.text(n, what+".database")
	if err != nil {
		return sqldb.Source{}, err
	}
	if uri := args["uri"]; uri != nil && strings.HasPrefix(path, "file:") {
		s, err := f.scalar(uri, what+".uri")
		if err != nil {
			return sqldb.Source{}, err
		}
		if s.kind != pyNone && s.text != "False" && s.text != "0" {
			u, err := url.Parse(path)
			if err != nil {
				return sqldb.Source{}, f.wrong(n, "%s.database is not a valid URI", what)
			}
			path = u.Path
			if u.Opaque != "" {
				path, _ = url.PathUnescape(u.Opaque)
			}
		}
	}
	return sqliteAt(f, n, path, what+".database")
}

func sqliteAt(f *pyYAML, at *yaml.Node, path, what string) (sqldb.Source, error) {
	switch {
	case path == ":memory:":
		return sqldb.Source{}, f.wrong(at, "%s: the database is in Synapse's memory, which nobody else can read", what)
	case !filepath.IsAbs(path):
		return sqldb.Source{}, f.wrong(at, "%s: the path %q is relative to wherever Synapse was started: give the location as sqlite:/path/to/homeserver.db", what, path)
	}
	return sqldb.ParseSource("sqlite:" + path)
}
