package synapse_test

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/config/configtest"
	"active_users_exporter/test/must"
	"active_users_exporter/test/oracle"
)

// where is a connection: to which port, database, schema, and as whom.
type where struct{ Port, Database, Schema, User string }

const whereSQL = `SELECT current_setting('port') AS port, current_database() AS database, coalesce(current_schema(), '') AS schema, current_user AS user`

// connectAsSynapse connects with the args of a homeserver.yaml, as Synapse does.
const connectAsSynapse = `
import json, sys, yaml, psycopg2
document, sql = json.load(sys.stdin)
connection = psycopg2.connect(**yaml.safe_load(document)["database"]["args"])
cursor = connection.cursor()
cursor.execute(sql)
json.dump(dict(zip(["Port", "Database", "Schema", "User"], cursor.fetchone())), sys.stdout)
`

// Both connect to the same place. The environment names another cluster's port, as
// if that were the usual one: who leaves something out, ends there.
func TestConnectsWhereSynapseDoes(t *testing.T) {
	folder, err := os.MkdirTemp("", "aue")
	must.Succeed(t, err)
	t.Cleanup(func() { must.Succeed(t, os.RemoveAll(folder)) })
	must.Succeed(t, os.Chmod(folder, 0o777)) // PostgreSQL runs as another user
	ours, err := url.Parse(dbtest.StartPostgreSQL(t, "unix_socket_directories="+folder).Location)
	must.Succeed(t, err)
	other, err := url.Parse(dbtest.StartPostgreSQL(t, "unix_socket_directories="+folder).Location)
	must.Succeed(t, err)
	dbtest.Exec(t, ours.String(), `CREATE SCHEMA syn2`, `CREATE ROLE synapse LOGIN`, `CREATE DATABASE synapse OWNER synapse`)
	t.Setenv("PGHOST", folder)
	t.Setenv("PGPORT", other.Port())
	t.Setenv("PGUSER", "postgres")
	replace := strings.NewReplacer("FOLDER", folder, "PORT", ours.Port(), "DEAD", dbtest.FreePort(t))
	for _, args := range []string{
		"{user: postgres, database: postgres, port: PORT}",
		"{user: postgres, database: postgres, host: null, port: PORT}",
		"{user: postgres, database: postgres, host: FOLDER, port: PORT}",
		"{user: postgres, database: postgres, host: '127.0.0.1,localhost', port: PORT}",
		"{user: postgres, database: postgres, host: '127.0.0.1,127.0.0.1', port: 'DEAD,PORT'}",
		"{user: postgres, database: postgres, host: 127.0.0.1, port: PORT, options: '-c search_path=syn2'}",
		"{dsn: 'host=127.0.0.1 user=synapse port=PORT'}",
		"{dsn: 'postgres://synapse@127.0.0.1:PORT/postgres'}",
		"{user: synapse, host: pg.invalid, hostaddr: 127.0.0.1, port: PORT}",
		"{user: synapse, hostaddr: 127.0.0.1, port: PORT}",
		"{database: postgres, host: 127.0.0.1, port: PORT, password: 08999}",
		"{user: synapse, password: null, host: localhost, port: PORT}",
		"{database: postgres}", // the usual port it is
	} {
		document := replace.Replace("server_name: a\ndatabase: {name: psycopg2, args: " + args + "}\n")
		var want where
		oracle.Python(t, connectAsSynapse, []string{document, whereSQL}, &want)
		source, _, err := synapse.Kind().At(configtest.Files(t, map[string]string{"homeserver.yaml": document}))
		if err != nil {
			t.Errorf("%s: %v", args, err)
			continue
		}
		var got where
		err = source.(synapse.Options).Database.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
			return view.GetContext(ctx, &got, whereSQL)
		})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s (-psycopg2 +ours), error %v:\n%s", args, err, diff)
		}
	}
}
