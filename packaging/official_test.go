package packaging_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/config"
	"active_users_exporter/test/must"
)

// grants finds what a text grants on the tables of Synapse.
func grants(text string) []string {
	return regexp.MustCompile(`GRANT SELECT \([a-z_, ]+\) ON (?:users|user_ips|devices|user_daily_visits|monthly_active_users|events|rooms|room_stats_current|destinations) TO exporter;`).FindAllString(text, -1)
}

// The rights in the container are those that the documents name.
func TestGrantsOfComposeAreTheDocumented(t *testing.T) {
	got := grants(must.ReadFile(t, "compose/synapse-grants.sql"))
	var documented []string
	for _, pattern := range []string{"../README.md", "../docs/*.md"} {
		for _, file := range must.Get(filepath.Glob(pattern))(t) {
			documented = append(documented, grants(must.ReadFile(t, file))...)
		}
	}
	slices.Sort(got)
	slices.Sort(documented)
	if documented = slices.Compact(documented); len(got) < 7 || !slices.Equal(got, documented) {
		t.Errorf("synapse-grants.sql grants %v; the documents name %v", got, documented)
	}
}

// The exporter's configuration beside Synapse is one that it reads.
func TestConfigurationBesideSynapse(t *testing.T) {
	password := filepath.Join(t.TempDir(), "exporter")
	must.WriteFile(t, password, "secret\n")
	file := filepath.Join(t.TempDir(), "active_users.yml")
	must.WriteFile(t, file, strings.ReplaceAll(must.ReadFile(t, "compose/synapse.yml"), "/run/secrets/exporter", password))
	c, err := config.Source{File: file, LookupEnv: os.LookupEnv, StoragePath: "data"}.Load()
	if err != nil || len(c.Servers) != 1 {
		t.Errorf("%+v, %v; want one server", c, err)
	}
}

// The script makes a role, whatever characters its password has, that reads
// what it is granted, and nothing else.
func TestRoleBesideSynapse(t *testing.T) {
	if _, err := exec.LookPath("psql"); err != nil {
		dbtest.Missing(t, "psql is not installed")
	}
	location := must.Get(url.Parse(dbtest.StartPostgreSQL(t).Location))(t)
	const password = `it's a "secret" \ with $signs`
	folder := t.TempDir()
	must.WriteFile(t, filepath.Join(folder, "exporter"), password+"\n")
	script := filepath.Join(folder, "role.sh")
	must.WriteFile(t, script, strings.ReplaceAll(must.ReadFile(t, "compose/synapse-role.sh"), "/run/secrets/exporter", filepath.Join(folder, "exporter")))
	psql := func(succeeds bool, user, password, file, statement string) string {
		t.Helper()
		at := *location
		at.User = url.UserPassword(user, password)
		arguments := []string{"--set=ON_ERROR_STOP=1", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname=" + at.String()}
		if file != "" {
			return run(t, succeeds, "psql", append(arguments, "--file="+file)...)
		}
		return run(t, succeeds, "psql", append(arguments, "--command="+statement)...)
	}
	owner := location.User.Username()
	psql(true, owner, "", "", `CREATE TABLE users (name text, password_hash text, creation_ts bigint, is_guest int, appservice_id text, deactivated int, user_type text);
		CREATE TABLE user_ips (user_id text, user_agent text, last_seen bigint, ip text); CREATE TABLE devices (user_id text, user_agent text, last_seen bigint);
		CREATE TABLE user_daily_visits (user_id text, timestamp bigint, user_agent text); CREATE TABLE monthly_active_users (user_id text, timestamp bigint);
		CREATE TABLE events (type text, room_id text, sender text, stream_ordering bigint, received_ts bigint, content text); CREATE TABLE rooms (room_id text);
		CREATE TABLE room_stats_current (room_id text, local_users_in_room int); CREATE TABLE destinations (destination text, failure_ts bigint)`)
	command := exec.Command("sh", script)
	command.Env = append(os.Environ(), "POSTGRES_USER="+owner, "POSTGRES_DB="+strings.TrimPrefix(location.Path, "/"),
		"PGHOST="+first(location.Query().Get("host"), location.Hostname()), "PGPORT="+first(location.Query().Get("port"), location.Port()))
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := strings.TrimSpace(psql(true, owner, "", "", `SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication FROM pg_roles WHERE rolname = 'exporter'`)); got != "f" {
		t.Errorf("the role may more than log in: %q", got)
	}
	if got := psql(true, owner, "", "", `SELECT rolpassword LIKE 'SCRAM%' FROM pg_authid WHERE rolname = 'exporter'`); strings.TrimSpace(got) != "t" {
		t.Errorf("the password is not stored as a hash: %q", got)
	}
	psql(false, "exporter", password, "", `SELECT name FROM users`)
	psql(true, owner, "", "compose/synapse-grants.sql", "")
	psql(true, "exporter", password, "", `SELECT name FROM users`)
	psql(false, "exporter", password, "", `SELECT password_hash FROM users`)
	psql(false, "exporter", password, "", `SELECT ip FROM user_ips`)
	psql(false, "exporter", password, "", `DELETE FROM rooms`)
}

func first(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}
