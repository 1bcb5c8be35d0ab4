package dendrite_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"active_users_exporter/collector/dendrite"
	"active_users_exporter/collector/failure"
	"active_users_exporter/config/configtest"
	"active_users_exporter/test/must"
)

// located are the options that a location gives.
func located(location string) (dendrite.Options, error) {
	source, _, err := dendrite.Kind().At(location)
	if err != nil {
		return dendrite.Options{}, err
	}
	return source.(dendrite.Options), nil
}

const sample = `version: 2
global:
  server_name: garden.example
  private_key: matrix_key.pem
  database:
    connection_string: "postgresql://dendrite:p%40ss@db.example/dendrite?sslmode=disable"
    max_open_conns: 90
  some_new_key: {of: [a, later, version]}
  report_stats:
    enabled: true
`

func TestDendriteYAML(t *testing.T) {
	for name, c := range map[string]struct {
		content, database, rooms string
		counts                   bool
	}{
		"one database for all": {content: sample, database: "postgres://dendrite:p%40ss@db.example:5432/dendrite?sslmode=disable", counts: true},
		"databases of components": {
			content: sample + `user_api: {account_database: {connection_string: "file:///var/lib/dendrite/users.db?cache=shared"}}
room_server: {database: {connection_string: "file:/var/lib/dendrite/rooms.db"}}`,
			database: "sqlite:/var/lib/dendrite/users.db", rooms: "sqlite:/var/lib/dendrite/rooms.db", counts: true,
		},
		"an empty one of a component": {
			content:  sample + `user_api: {account_database: {connection_string: ""}}`,
			database: "postgres://dendrite:p%40ss@db.example:5432/dendrite?sslmode=disable", counts: true,
		},
		"a component without one of its own": {
			content:  sample + `user_api: {account_database: {connection_string: "file:/users.db"}}`,
			database: "sqlite:/users.db", rooms: "postgres://dendrite:p%40ss@db.example:5432/dendrite?sslmode=disable", counts: true,
		},
		"one file for all": {
			content:  "global: {server_name: garden.example, database: {connection_string: 'file:/all.db'}}",
			database: "sqlite:/all.db",
		},
		"TLS is required where nothing is said": {
			content:  "global: {server_name: garden.example, database: {connection_string: 'postgres://dendrite@db.example:6432/d'}}",
			database: "postgres://dendrite:@db.example:6432/d?sslmode=require",
		},
		"words with quotes": {
			content:  `global: {server_name: garden.example, database: {connection_string: "host=db user = dendrite password='a \\' b' dbname=d\\ d search_path=chat binary_parameters=yes"}}`,
			database: "postgres://dendrite:a%20%27%20b@db:5432/d%20d?options=-c%20search_path%3Dchat&sslmode=require",
		},
		"a Unix socket": {
			content:  `global: {server_name: garden.example, database: {connection_string: "host=/run/postgresql user=dendrite dbname=dendrite"}}`,
			database: "postgres://dendrite:@/dendrite?host=%2Frun%2Fpostgresql&port=5432&sslmode=require",
		},
		"the usual host": {
			content:  `global: {server_name: garden.example, database: {connection_string: "dbname=dendrite sslmode=disable"}}`,
			database: "postgres://localhost:5432/dendrite?sslmode=disable",
		},
		"keys twice, aliases and merges": {
			content: `x: &all {connection_string: 'file:/wrong.db'}
y: &mine {connection_string: 'file:/merged.db'}
global: {server_name: wrong.example}
global: {server_name: garden.example, database: *all}
user_api: {account_database: {<<: *mine, max_open_conns: 1}}
room_server: {database: {<<: *mine}}`,
			database: "sqlite:/merged.db",
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := configtest.Files(t, map[string]string{"dendrite.yaml": c.content})
			for _, location := range []string{folder, filepath.Join(folder, "dendrite.yaml")} {
				got, err := located(location)
				must.Succeed(t, err)
				want := dendrite.Options{ServerName: "garden.example", Database: configtest.Source(t, c.database), CountsMessages: c.counts}
				if c.rooms != "" {
					want.Rooms = configtest.Source(t, c.rooms)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%+v, want %+v", got, want)
				}
			}
		})
	}
}

// The path of a file is relative to a folder that is not known: it is looked for beside
// dendrite.yaml, and if it is not there, the message says so.
func TestRelativePaths(t *testing.T) {
	folder := configtest.Files(t, map[string]string{"dendrite.yaml": `global: {server_name: garden.example, database: {connection_string: 'file:data/userapi.db'}}`})
	o, err := located(folder)
	must.Succeed(t, err)
	_, err = read(t, o)
	if failure.Of(err) != failure.Unreachable {
		t.Errorf("reason %q, want that it cannot be reached", failure.Of(err))
	}
	for _, says := range []string{
		filepath.Join(folder, "data/userapi.db") + ": no such file", "relative to the folder in which Dendrite is started",
		"tried the folder of " + filepath.Join(folder, "dendrite.yaml"), "sqlite:/path/to/userapi.db",
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one that says %q", err, says)
		}
	}
}

func TestMistakenConfigurations(t *testing.T) {
	for name, c := range map[string]struct{ content, says string }{
		"not YAML":             {"global: {database: [secret", "not valid YAML"},
		"Synapse's":            {"server_name: a.example\ndatabase: {name: psycopg2, args: {password: secret}}", "no section global"},
		"nothing":              {"", "no section global"},
		"no database":          {"global: {server_name: a.example}", "neither user_api.account_database.connection_string nor global.database.connection_string"},
		"no connection string": {"global: {database: {connection_string: 'secret'}}", "not a connection string of PostgreSQL"},
		"a quote that is open": {"global: {database: {connection_string: \"password='secret\"}}", "not a connection string of PostgreSQL"},
		"a strange URL":        {"global: {database: {connection_string: 'postgres://x:secret%zz@h/y'}}", "not a connection string of PostgreSQL"},
		"a port that is none":  {"global: {database: {connection_string: 'host=x port=many'}}", `port: "many" is not the number of a port`},
		"a file on a host":     {"global: {database: {connection_string: 'file://host/secret.db'}}", "not a file"},
		"no file":              {"global: {database: {connection_string: 'file:'}}", "not a file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := located(configtest.Files(t, map[string]string{"dendrite.yaml": c.content}))
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "dendrite.yaml") {
				t.Errorf("error %v, want one that names the file and says %q", err, c.says)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v tells a password", err)
			}
		})
	}
}

func TestLocations(t *testing.T) {
	for location, want := range map[string]string{
		"sqlite:/var/lib/dendrite/dendrite_userapi.db": "sqlite:/var/lib/dendrite/dendrite_userapi.db",
		"file:/var/lib/dendrite/dendrite_userapi.db":   "sqlite:/var/lib/dendrite/dendrite_userapi.db",
		"postgres://exporter@db/dendrite":              "postgres://exporter@db/dendrite",
	} {
		if o, err := located(location); err != nil || !reflect.DeepEqual(o, dendrite.Options{Database: configtest.Source(t, want)}) {
			t.Errorf("%s: %+v, error %v", location, o, err)
		}
	}
	for location, says := range map[string]string{
		"mysql://exporter@db/dendrite": "Dendrite has no MySQL databases",
		"/var/lib/dendrite/userapi.db": "write sqlite: before the path",
		"host=db password=secret":      "not a database location",
		"/nowhere/dendrite.yaml":       "no such file",
	} {
		if _, err := located(location); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one that says %q", location, err, says)
		}
	}
}
