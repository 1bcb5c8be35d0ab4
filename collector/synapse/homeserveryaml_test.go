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
	} {
		directory := configtest.Files(t, c.files)
		got, err := synapse.Kind().At(filepath.Join(directory, c.location))
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
		"no YAML":         {"database:\n  args: {password: hunter2\n", "not a configuration of Synapse: line"},
		"a wrong type":    {"database:\n  name: psycopg2\n  args: hunter2\n", "not a configuration of Synapse\n  line 3"},
		"a bad parameter": {"database: {name: psycopg2, args: {host: h, password: hunter2, sslmode: perhaps}}\n", "sslmode is invalid"},
	} {
		directory := configtest.Files(t, map[string]string{"homeserver.yaml": c.content})
		_, err := synapse.Kind().At(directory)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "homeserver.yaml") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}
}
