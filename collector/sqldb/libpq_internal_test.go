package sqldb

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"active_users_exporter/test/oracle"
)

// asLibpq prints the connection parameters in URLs, as libpq itself reads them.
const asLibpq = `
import json, sys
from psycopg2.extensions import parse_dsn
json.dump([parse_dsn(d) for d in json.load(sys.stdin)], sys.stdout)
`

// Real libpq finds in our URL the parameters that it was made from.
func TestFromLibpq(t *testing.T) {
	all := []map[string]string{
		{},
		{"user": "postgres", "dbname": "synapse", "port": "15433"},
		{"host": "a,b", "port": "5999"},
		{"host": "a,b", "port": "5999,5432"},
		{"host": "::1", "user": "u"},
		{"host": "/run/postgresql", "user": "u"},
		{"host": "@abstract", "dbname": "d"},
		{"hostaddr": "127.0.0.1", "port": "5999"},
		{"host": "db", "hostaddr": "127.0.0.1", "sslmode": "require"},
		{"host": "h", "options": "-c search_path=a,b -c x='y z'"},
		{"password": "only"},
		{"host": "h", "dbname": "a/b@c"},
		{"host": "h", "user": "u@example.org", "password": "p@ss/w:o#r d%?&+"},
		{"host": "h", "keepalives": "1", "application_name": "x", "sslmode": "prefer", "connect_timeout": "5", "target_session_attrs": "any"},
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-zA-Z0-9äß@/:?#&=+%$' ."_,-]{0,12}`)
		all = append(all, map[string]string{
			"host": rapid.SampledFrom([]string{"", "db.example.org", "10.0.0.1", "::1", "a,b", "/run/pg sql", "x_y"}).Draw(t, "host"),
			"port": rapid.SampledFrom([]string{"", "5433"}).Draw(t, "port"),
			"user": text.Draw(t, "user"), "password": text.Draw(t, "password"), "dbname": text.Draw(t, "dbname"), "options": text.Draw(t, "options"),
		})
	})
	urls := make([]string, len(all))
	for i, parameters := range all {
		source, err := FromLibpq(parameters)
		if err != nil {
			t.Fatalf("%v: %v", parameters, err)
		}
		urls[i] = source.dsn
		if p := parameters["password"]; len(p) > 4 && strings.Contains(source.String(), p) && p != parameters["user"] && p != parameters["dbname"] {
			t.Errorf("%s shows the password %q", source, p)
		}
	}
	var got []map[string]string
	oracle.Python(t, asLibpq, urls, &got)
	for i, parameters := range all {
		want := make(map[string]string)
		for name, value := range parameters {
			if u := useOf(name); value != "" && u != ignored {
				want[name] = value
			}
		}
		if address := want["hostaddr"]; address != "" {
			want["host"] = address
			delete(want, "hostaddr")
		}
		if _, set := want["port"]; !set && want["host"] != "" {
			want["port"] = "5432"
		}
		if diff := cmp.Diff(want, got[i]); diff != "" {
			t.Errorf("%v: %s (-want +libpq):\n%s", parameters, urls[i], diff)
		}
	}
}

func TestWhatCannotBeMappedIsNamed(t *testing.T) {
	for says, parameters := range map[string]map[string]string{
		"port: 3 ports for 2 hosts":                      {"host": "a,b", "port": "1,2,3"},
		`port: "${DB_PORT}" is not the number of a port`: {"host": "a", "port": "${DB_PORT}"},
		"hostaddr: with sslmode verify-full":             {"host": "a", "hostaddr": "127.0.0.1", "sslmode": "verify-full"},
		"requirepeer: cannot be used here":               {"requirepeer": "postgres"},
		"nonsense: is no connection parameter":           {"nonsense": "1"},
		"sslmode is invalid":                             {"host": "h", "sslmode": "perhaps", "password": "hunter2"},
	} {
		_, err := FromLibpq(parameters)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: error %v, want one that says %q", parameters, err, says)
		}
	}
}
