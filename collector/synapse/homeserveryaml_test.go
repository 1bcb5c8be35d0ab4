package synapse_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/config/configtest"
)

func TestHomeserverYAML(t *testing.T) {
	for name, c := range map[string]struct {
		files    map[string]string
		location string // below the folder
		server   string
		database string

		configured *synapse.Configured // nil for Synapse's defaults
	}{
		"PostgreSQL": {
			map[string]string{"homeserver.yaml": "server_name: example.org\nreport_stats: true\ndatabase:\n  name: psycopg2\n  txn_limit: 10000\n  args: {user: synapse, password: 'a/b:c@d#e%f', dbname: matrix, host: db.example.org, port: 5433, cp_min: 5, cp_max: 10, sslmode: require}\n"},
			"homeserver.yaml", "example.org", "postgres://synapse:a%2Fb%3Ac%40d%23e%25f@db.example.org:5433/matrix?sslmode=require", nil,
		},
		"the folder, and the older name of the argument": {
			map[string]string{"homeserver.yaml": "server_name: example.org\ndatabase: {name: psycopg2, args: {user: synapse, database: matrix, host: localhost, passfile: /run/pgpass}}\n"},
			"", "example.org", "postgres://synapse:@localhost:5432/matrix?passfile=%2Frun%2Fpgpass", nil,
		},
		"a Unix socket": {
			map[string]string{"homeserver.yaml": "server_name: example.org\ndatabase: {name: psycopg2, args: {user: synapse, database: matrix, host: /run/postgresql}}\n"},
			"homeserver.yaml", "example.org", "postgres://synapse:@/matrix?host=%2Frun%2Fpostgresql&port=5432", nil,
		},
		"SQLite": {
			map[string]string{"homeserver.yaml": "server_name: example.org\ndatabase:\n  name: sqlite3\n  args:\n    database: /data/homeserver.db\n"},
			"homeserver.yaml", "example.org", "sqlite:/data/homeserver.db", nil,
		},
		"Debian's conf.d": {
			map[string]string{
				"homeserver.yaml":         "database: {name: sqlite3, args: {database: /data/homeserver.db}}\n",
				"conf.d/server_name.yaml": "server_name: debian.example\n", "conf.d/zz.yaml": "database: {name: psycopg2, args: {dbname: d, host: h}}\n", "conf.d/README": "no: [yaml",
			},
			"homeserver.yaml", "debian.example", "postgres://h:5432/d", nil,
		},
		"several databases": {
			map[string]string{"homeserver.yaml": "server_name: example.org\ndatabases:\n  basement_box: {name: psycopg2, data_stores: [main], args: {dbname: main, host: h}}\n  a_box: {name: psycopg2, data_stores: [state], args: {dbname: state, host: h}}\n"},
			"homeserver.yaml", "example.org", "postgres://h:5432/main", nil,
		},
		"what the usage report takes from it": {
			map[string]string{
				"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {dbname: d, host: h}}\nserver_context: school\nevent_cache_size: 15K\ncaches: {global_factor: 0.5}\n",
				"conf.d/a.yaml":   "caches: {global_factor: 2, per_cache_factors: {x: 3}}\n",
			},
			"homeserver.yaml", "a", "postgres://h:5432/d",
			&synapse.Configured{ServerContext: "school", CacheFactor: 2, EventCacheSize: 15360},
		},
		"MAS as it was first made": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {dbname: d, host: h}}\nexperimental_features:\n  msc3861: {enabled: yes, issuer: 'https://mas.example'}\n"},
			"homeserver.yaml", "a", "postgres://h:5432/d",
			&synapse.Configured{CacheFactor: 0.5, EventCacheSize: 10240, MSC3861: true},
		},
		"MAS that is not enabled, and a feature of another shape": {
			map[string]string{
				"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {dbname: d, host: h}}\nexperimental_features: {msc3861: {enabled: 'true'}}\n",
				"conf.d/a.yaml":   "experimental_features: [msc3861]\n",
			},
			"homeserver.yaml", "a", "postgres://h:5432/d", nil,
		},
		"a port without a host": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {user: postgres, database: synapse, port: 15433}}\n"},
			"", "a", "postgres://postgres:@/synapse?port=15433", nil,
		},
		"a port without a host, which is null": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {user: postgres, database: synapse, host: null, port: 15433}}\n"},
			"", "a", "postgres://postgres:@/synapse?port=15433", nil,
		},
		"an empty host": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {user: postgres, database: synapse, host: '', port: 15433}}\n"},
			"", "a", "postgres://postgres:@/synapse?port=15433", nil,
		},
		"one port for two hosts": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {user: postgres, dbname: synapse, host: '127.0.0.1,localhost', port: 5999}}\n"},
			"", "a", "postgres://postgres:@/synapse?host=127.0.0.1%2Clocalhost&port=5999", nil,
		},
		"two ports for two hosts": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {user: postgres, dbname: synapse, host: '127.0.0.1,localhost', port: '5999,5432'}}\n"},
			"", "a", "postgres://postgres:@/synapse?host=127.0.0.1%2Clocalhost&port=5999%2C5432", nil,
		},
		"another schema": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {user: u, dbname: d, host: h, options: '-c search_path=syn2'}}\n"},
			"", "a", "postgres://u:@h:5432/d?options=-c%20search_path%3Dsyn2", nil,
		},
		"a connection string, with an argument that goes before it": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {dsn: 'host=127.0.0.1 user=postgres dbname=old', dbname: synapse}}\n"},
			"", "a", "postgres://postgres:@127.0.0.1:5432/synapse", nil,
		},
		"an address beside the host's name": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {user: u, host: pg.invalid, hostaddr: 127.0.0.1, port: 5999}}\n"},
			"", "a", "postgres://u:@127.0.0.1:5999/", nil,
		},
		"arguments that do not matter to a reader": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {user: u, host: h, cp_min: 5, keepalives_idle: 10, application_name: synapse, client_encoding: utf8}}\n"},
			"", "a", "postgres://u:@h:5432/", nil,
		},
		"a password without a user": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {host: h, dbname: d, password: 's#cret'}}\n"},
			"", "a", "postgres://h:5432/d?password=s%23cret", nil,
		},
		"a telephone number for a password": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {user: u, host: h, password: 08999}}\n"},
			"", "a", "postgres://u:08999@h:5432/", nil,
		},
		"digits and an e for a password": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {user: u, host: h, password: 12345e12}}\n"},
			"", "a", "postgres://u:12345e12@h:5432/", nil,
		},
		"thirty digits for a password": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: psycopg2, args: {user: u, host: h, password: 123456789012345678901234567890}}\n"},
			"", "a", "postgres://u:123456789012345678901234567890@h:5432/", nil,
		},
		"a key that is there twice": {
			map[string]string{"homeserver.yaml": "server_name: a\nreport_stats: false\ndatabase: {name: sqlite3, args: {database: /old.db}}\nreport_stats: true\ndatabase: {name: sqlite3, args: {database: /x.db}}\n"},
			"", "a", "sqlite:/x.db", nil,
		},
		"databases of which one has no data stores": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabases:\n  common: {name: sqlite3, data_stores: [], args: {database: /common.db}}\n  main: {name: sqlite3, data_stores: ['main'], args: {database: /main.db}}\n  state: {name: sqlite3, data_stores: [state], args: {database: /state.db}}\n"},
			"", "a", "sqlite:/main.db", nil,
		},
		"databases of which one does not name its data stores": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabases:\n  common: {name: sqlite3, data_stores: [], args: {database: /common.db}}\n  all: {name: sqlite3, data_stores: null, args: {database: /all.db}}\n"},
			"", "a", "sqlite:/all.db", nil,
		},
		"no name": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {args: {database: /x.db}}\n"},
			"", "a", "sqlite:/x.db", nil,
		},
		"a path alone": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase_path: /x.db\n"},
			"", "a", "sqlite:/x.db", nil,
		},
		"a URI": {
			map[string]string{"homeserver.yaml": "server_name: a\ndatabase: {name: sqlite3, args: {database: 'file:/srv/a%20b.db?mode=ro', uri: true}}\n"},
			"", "a", "sqlite:/srv/a b.db", nil,
		},
		"a path with a colon": {
			map[string]string{"example.org:8448/homeserver.yaml": "server_name: a\ndatabase: {name: sqlite3, args: {database: /x.db}}\n"},
			"example.org:8448/homeserver.yaml", "a", "sqlite:/x.db", nil,
		},
		"anchors, merges, JSON, Windows' line ends and a byte order mark": {
			map[string]string{
				"homeserver.yaml": "\ufeffserver_name: a\r\nx-db: &db {name: psycopg2, args: &args {user: u, host: h, dbname: old}}\r\ndatabase:\r\n  <<: *db\r\n  args:\r\n    <<: *args\r\n    dbname: new\r\n",
				"conf.d/a.yaml":   `{"server_name": "json.example"}`,
			},
			"", "json.example", "postgres://u:@h:5432/new", nil,
		},
		"conf.d replaces whole keys, also by nothing": {
			map[string]string{
				"homeserver.yaml": "server_name: a\ndatabase: {args: {database: /x.db}}\nserver_context: school\ncaches: {global_factor: 4.0}\nevent_cache_size: 2G\n",
				"conf.d/z.yaml":   "caches: {per_cache_factors: {}}\nserver_context: null\n",
			},
			"", "a", "sqlite:/x.db", &synapse.Configured{CacheFactor: 0.5, EventCacheSize: 2 << 30},
		},
		"a folder without homeserver.yaml, all files of which are read": {
			map[string]string{"10-base.yaml": "server_name: a\ndatabase: {args: {database: /old.db}}\n", "20-db.yaml": "database: {args: {database: /x.db}}\n", "notes.txt": "- no"},
			"", "a", "sqlite:/x.db", nil,
		},
	} {
		directory := configtest.Files(t, c.files)
		got, _, err := synapse.Kind().At(filepath.Join(directory, c.location))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := synapse.Options{ServerName: c.server, Database: configtest.Source(t, c.database), Configured: &synapse.Configured{CacheFactor: 0.5, EventCacheSize: 10240}}
		if c.configured != nil {
			want.Configured = c.configured
		}
		if diff := cmp.Diff(chatserver.Source(want), got, cmp.AllowUnexported(sqldb.Source{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestMistakesInHomeserverYAML(t *testing.T) {
	for name, c := range map[string]struct{ content, says string }{
		"no database":     {"server_name: a\n", "it names no database: give its location"},
		"empty":           {"", "it names no database"},
		"unknown engine":  {"database: {name: mysql}\n", `"mysql" is neither psycopg2 nor sqlite3`},
		"relative path":   {"database: {name: sqlite3, args: {database: homeserver.db}}\n", "relative to wherever Synapse was started"},
		"no YAML":         {"database:\n  args: {password: hunter2\n", "homeserver.yaml:1: no valid YAML: did not find expected ',' or '}'"},
		"a wrong type":    {"database:\n  name: psycopg2\n  args: hunter2\n", "homeserver.yaml:3:9: database.args must be a mapping"},
		"a wrong value":   {"database:\n  name: psycopg2\n  args: {password: [hunter2]}\n", "homeserver.yaml:3:20: database.args.password must be a single value"},
		"a template":      {"database: {name: psycopg2, args: {password: hunter2, port: '${DB_PORT}'}}\n", `homeserver.yaml:1:60: database.args.port: "${DB_PORT}" is not the number of a port`},
		"another program": {"database: {name: psycopg2, args: {nonsense: hunter2}}\n", "database.args.nonsense: is no connection parameter"},
		"cannot be used":  {"database: {name: psycopg2, args: {requirepeer: postgres}}\n", "homeserver.yaml:1:48: database.args.requirepeer: cannot be used here: give the location"},
		"ports and hosts": {"database: {name: psycopg2, args: {host: 'a,b', port: '1,2,3'}}\n", "database.args.port: 3 ports for 2 hosts"},
		"two names":       {"database: {name: psycopg2, args: {dbname: a, database: b}}\n", "both database and dbname"},
		"a broken dsn":    {"database: {name: psycopg2, args: {dsn: 'password=hunter2 host'}}\n", "homeserver.yaml:1:40: database.args.dsn: want names with values"},
		"two ways":        {"database: {args: {database: /x}}\ndatabases: {a: {args: {database: /x}}}\n", "both database and databases"},
		"no main":         {"databases: {a: {data_stores: [state], args: {database: /x}}}\n", "none of the databases has the data store main"},
		"in memory":       {"database: {args: {database: ':memory:'}}\n", "in Synapse's memory"},
		"no path":         {"database: {name: sqlite3}\n", "database.args.database is missing"},
		"two documents":   {"database_path: /x\n---\na: 1\n", "homeserver.yaml:2: a second document"},
		"a foreign tag":   {"database_path: !ENV hunter2\n", "homeserver.yaml:1:16: database_path: a tag that Synapse does not read"},
		"a cache factor":  {"database_path: /x\ncaches: {global_factor: much}\n", "caches.global_factor is not a number"},
		"a size":          {"database_path: /x\nevent_cache_size: 10KB\n", "event_cache_size: want a number"},
		"a bad parameter": {"database: {name: psycopg2, args: {host: h, password: hunter2, sslmode: perhaps}}\n", "homeserver.yaml:1:34: database.args: not a valid PostgreSQL URL: failed to configure TLS (sslmode is invalid)"},
	} {
		directory := configtest.Files(t, map[string]string{"homeserver.yaml": c.content})
		_, _, err := synapse.Kind().At(directory)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "homeserver.yaml") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}
}

// What Synapse itself passes over with a word, in conf.d or in its main file.
func TestWhatSynapseIgnores(t *testing.T) {
	directory := configtest.Files(t, map[string]string{
		"homeserver.yaml": "server_name: a\ndatabase_path: /x.db\n", "conf.d/list.yaml": "- a\n", "conf.d/text.yaml": "text\n", "conf.d/empty.yaml": "", "conf.d/folder.yaml/x": "",
	})
	got, warnings, err := synapse.Kind().At(directory)
	if err != nil || got.(synapse.Options).ServerName != "a" {
		t.Fatalf("%+v, error %v", got, err)
	}
	inConfD := filepath.Join(directory, "conf.d")
	want := []string{
		inConfD + "/folder.yaml: a folder, which Synapse ignores",
		inConfD + "/empty.yaml: not a mapping of keys to values: Synapse ignores it",
		inConfD + "/list.yaml: not a mapping of keys to values: Synapse ignores it",
		inConfD + "/text.yaml: not a mapping of keys to values: Synapse ignores it",
	}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Error(diff)
	}
}
