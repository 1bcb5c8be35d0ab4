package dendrite

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/config/document"
)

// readDendriteYAML returns the options that Dendrite's own configuration says
// (dendrite.yaml, or the folder that holds it).
func readDendriteYAML(path string) (Options, error) {
	if document.IsFolder(path) {
		path = filepath.Join(path, "dendrite.yaml")
	}
	content, err := document.ReadFile(path)
	if err != nil {
		return Options{}, err
	}
	var file yaml.Node
	if err := yaml.Unmarshal(content, &file); err != nil {
		// The error itself may quote a password.
		return Options{}, fmt.Errorf("%s: not valid YAML%s", path, regexp.MustCompile(`: line \d+|\n +line \d+`).FindString(err.Error()))
	}
	if valueOf(&file, "global") == nil {
		return Options{}, fmt.Errorf("%s: there is no section global, as in each dendrite.yaml", path)
	}
	shared := textOf(&file, "global", "database", "connection_string")
	users := cmp.Or(textOf(&file, "user_api", "account_database", "connection_string"), shared)
	rooms := cmp.Or(textOf(&file, "room_server", "database", "connection_string"), shared)
	if users == "" {
		return Options{}, fmt.Errorf("%s: neither user_api.account_database.connection_string nor global.database.connection_string names a database: give its location, as in postgres://USER@HOST/DATABASE or sqlite:/path/to/dendrite_userapi.db", path)
	}
	o := Options{
		ServerName:     textOf(&file, "global", "server_name"),
		CountsMessages: textOf(&file, "global", "report_stats", "enabled") == "true",
	}
	if o.Database, o.Hint, err = databaseOf(users, path); err != nil {
		return Options{}, fmt.Errorf("%s: the database of the user API: %w", path, err)
	}
	if rooms != "" && rooms != users {
		if o.Rooms, o.RoomsHint, err = databaseOf(rooms, path); err != nil {
			return Options{}, fmt.Errorf("%s: the database of the room server: %w", path, err)
		}
	}
	return o, nil
}

// valueOf returns the value at a path of keys, nil if there is none. Dendrite passes
// over keys that it does not know, takes the last of two that are the same, and follows
// aliases and merge keys.
func valueOf(n *yaml.Node, keys ...string) (found *yaml.Node) {
	switch {
	case n.Kind == yaml.DocumentNode && len(n.Content) > 0:
		return valueOf(n.Content[0], keys...)
	case n.Kind == yaml.AliasNode:
		return valueOf(n.Alias, keys...)
	}
	if len(keys) == 0 {
		return n
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	first, rest := keys[0], keys[1:]
	var merged *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Tag == "!!merge" && merged == nil:
			merged = valueOf(value, keys...)
		case key.Value == first:
			if value := valueOf(value, rest...); value != nil {
				found = value
			}
		}
	}
	return cmp.Or(found, merged)
}

// textOf returns the text at a path of keys, "" if there is none.
func textOf(n *yaml.Node, keys ...string) string {
	if value := valueOf(n, keys...); value != nil && value.Kind == yaml.ScalarNode && value.Tag != "!!null" {
		return value.Value
	}
	return ""
}

// fileScheme begins the connection string of an SQLite file.
const fileScheme = "file:"

// databaseOf returns the database that a connection string names, and what to say if
// it cannot be reached. Dendrite takes what begins with file: for SQLite and hands
// everything else to lib/pq (setup/config/config.go, 0.15.2). Errors do not repeat the
// string, which may hold a password.
func databaseOf(connection, configuration string) (source sqldb.Source, hint string, err error) {
	if !strings.HasPrefix(connection, fileScheme) {
		source, err = fromLibPQ(connection)
		return source, "", err
	}
	path, err := filePath(connection)
	if err != nil {
		return sqldb.Source{}, "", err
	}
	if !filepath.IsAbs(path) {
		hint = fmt.Sprintf("%s names %s, which is relative to the folder in which Dendrite is started: tried the folder of %s; if it is another one, give the location as sqlite:/path/to/%s",
			filepath.Base(configuration), path, configuration, filepath.Base(path))
		path = filepath.Join(filepath.Dir(configuration), path)
	}
	source, err = sqldb.ParseSource("sqlite:" + path)
	return source, hint, err
}

// filePath returns the path in a URI such as file:name.db, file:/path/name.db or
// file:///path/name.db, without options (internal/sqlutil/uri.go, 0.15.2).
func filePath(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Opaque == "" && u.Path == "" || u.Host != "" {
		return "", errors.New("not a file: write file:/path/to/name.db")
	}
	return cmp.Or(u.Opaque, u.Path), nil
}
