package dendrite

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"active_users_exporter/collector/sqldb"
)

// fromLibPQ returns the database that Dendrite's driver lib/pq connects to by a
// connection string, which is a URL or consists of words key=value. What lib/pq takes
// for granted differs from libpq: TLS is required, and the host is localhost.
func fromLibPQ(connection string) (sqldb.Source, error) {
	settings, err := sqldb.ParseConninfo(connection)
	if err != nil {
		return sqldb.Source{}, errors.New("not a connection string of PostgreSQL: want postgresql://USER@HOST/DATABASE, or words such as host=HOST user=USER dbname=DATABASE")
	}
	if path := settings["search_path"]; path != "" { // lib/pq hands all that it does not know to the server
		settings["options"] = strings.TrimSpace(settings["options"] + " -c search_path=" + strings.ReplaceAll(path, " ", `\ `))
	}
	maps.DeleteFunc(settings, func(name, _ string) bool { return !slices.Contains(passedOn(), name) })
	settings["host"] = cmp.Or(settings["host"], "localhost")
	settings["sslmode"] = cmp.Or(settings["sslmode"], "require")
	return sqldb.FromLibpq(settings)
}

// passedOn are the settings that matter to other connections.
func passedOn() []string {
	return []string{
		"host", "port", "dbname", "user", "password", "passfile", "connect_timeout", "options",
		"sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslsni",
	}
}
