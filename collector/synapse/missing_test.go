package synapse_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// A missing table has many causes, and the error names the one that it is.
func TestWhyATableIsMissing(t *testing.T) {
	server := dbtest.StartPostgreSQL(t).Location
	at := func(change func(*url.URL)) string {
		u, err := url.Parse(server)
		must.Succeed(t, err)
		change(u)
		return u.String()
	}
	database := func(name string) string { return at(func(u *url.URL) { u.Path = "/" + name }) }
	for _, name := range []string{"synapse", "empty", "mas", "dendrite", "proxy", "state", "old", "other"} {
		dbtest.Exec(t, server, "CREATE DATABASE "+name)
	}
	must.Succeed(t, synapsetest.Population{Users: 20, Days: 5, Now: noon}.FillPostgreSQL(t.Context(), database("synapse")))
	dbtest.Exec(t, database("synapse"), `ALTER SCHEMA public RENAME TO matrix`, `CREATE SCHEMA public`, `REVOKE USAGE ON SCHEMA matrix FROM PUBLIC`, `CREATE ROLE stranger LOGIN`, `ALTER ROLE stranger SET search_path = matrix`)
	dbtest.Exec(t, database("mas"), `CREATE TABLE users (user_id uuid)`, `CREATE TABLE user_sessions ()`, `CREATE TABLE compat_sessions ()`)
	dbtest.Exec(t, database("dendrite"), `CREATE TABLE userapi_accounts ()`)
	dbtest.Exec(t, database("proxy"), `CREATE TABLE syncv3_rooms ()`)
	dbtest.Exec(t, database("state"), `CREATE TABLE state_groups ()`, `CREATE TABLE applied_schema_deltas ()`)
	dbtest.Exec(t, database("old"), `CREATE TABLE users (name text, is_guest smallint)`, `INSERT INTO users VALUES ('@a:example.org', 0)`, `CREATE TABLE schema_version ()`)
	dbtest.Exec(t, database("other"), `CREATE TABLE a ()`, `CREATE TABLE b ()`, `CREATE TABLE c ()`, `CREATE TABLE d ()`)
	for name, c := range map[string]struct{ location, says string }{
		"another schema": {database("synapse"), `Synapse's tables are in the schema "matrix", which is not in the search path ("$user", public): add ?search_path=matrix to the location`},
		"no right to use the schema": {
			at(func(u *url.URL) { u.Path, u.User = "/synapse", url.User("stranger") }),
			`the role may not use the schema "matrix", in which Synapse's tables are: GRANT USAGE ON SCHEMA "matrix"`,
		},
		"nothing":                        {database("empty"), "the database has no tables that this role can see"},
		"MAS":                            {database("mas"), "this is the database of a Matrix Authentication Service"},
		"Dendrite":                       {database("dendrite"), "this is the database of a Dendrite"},
		"the sliding sync proxy":         {database("proxy"), "this is the database of a sliding sync proxy"},
		"the other one of two databases": {database("state"), "this is the database of Synapse's data store state"},
		"an old Synapse":                 {database("old"), "Synapse 1.22.0 (schema 58) is the oldest whose database can be read"},
		"another program":                {database("other"), "its tables (a, b, c …) are another program's"},
	} {
		for _, serverName := range []string{"", "example.org"} { // as homeserver.yaml names it, users is not asked first
			source, err := sqldb.ParseSource(c.location)
			must.Succeed(t, err)
			classes := activity.SynapseClasses()
			_, err = synapse.New(synapse.Options{Database: source, ServerName: serverName}, classes).
				Read(t.Context(), time.Time{}, noon, activity.NewCalendar(activity.Key{}, classes))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s (server_name %q): error %v, want one that says %q", name, serverName, err, c.says)
			}
			if name != "an old Synapse" && name != "another program" && err != nil && strings.Contains(err.Error(), "1.22.0") {
				t.Errorf("%s: the age is blamed: %v", name, err)
			}
		}
	}
}
