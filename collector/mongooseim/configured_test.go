package mongooseim_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/mongooseim"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/config/configtest"
	"active_users_exporter/test/must"
)

// at is when the answers were captured.
func at() time.Time { return time.Unix(1795226400, 0) }

// configured returns what a mongooseim.toml says, with a database of these rows.
func configured(t *testing.T, toml string, rows ...string) mongooseim.Options {
	t.Helper()
	location := dbtest.PostgreSQL(t)
	dbtest.Exec(t, location, append(schema(true), rows...)...)
	toml += "\n[outgoing_pools.rdbms.default.connection]\ndriver = \"pgsql\"\nhost = \"127.0.0.1\"\ndatabase = \"mim\"\nusername = \"mim\"\npassword = \"x\"\n"
	got, _, err := mongooseim.Kind().At(filepath.Join(configtest.Files(t, map[string]string{"mongooseim.toml": toml}), "mongooseim.toml"))
	must.Succeed(t, err)
	o := got.(mongooseim.Options)
	o.Database = source(t, location)
	return o
}

func lastRow(domain, user string, ago time.Duration) string {
	return fmt.Sprintf(`INSERT INTO last VALUES ('%s', '%s', %d, '')`, domain, user, at().Add(-ago).Unix())
}

func accountRow(domain, user string) string {
	return fmt.Sprintf(`INSERT INTO users VALUES ('%s', '%s', '', '2020-01-01')`, domain, user)
}

// What mongooseim.toml has elsewhere is not read from the database, whatever rows an
// earlier configuration left there. The running server has 10 and 8 accounts;
// 8 and 5 were there; its captured answer says 10 of whichever domain is asked for alone.
func TestWhatIsConfiguredIsRead(t *testing.T) {
	const day = 24 * time.Hour
	leftOver := []string{lastRow("alpha.example", "old", 40*day), lastRow("beta.example", "old", 40*day), accountRow("alpha.example", "old"), accountRow("beta.example", "old")}
	const both = "[general]\nhosts = [\"alpha.example\", \"beta.example\"]\n"
	for name, c := range map[string]struct {
		toml    string
		rows    []string
		running bool
		want    map[string]domain
	}{
		"last activity and accounts in Mnesia": {
			both + "[auth.internal]\n[modules.mod_last]\nbackend = \"mnesia\"", leftOver, true,
			map[string]domain{"alpha.example": {8, 10, -1, 5}, "beta.example": {5, 8, -1, 2}},
		},
		"the same without GraphQL": {
			both + "[auth.internal]\n[modules.mod_last]\nbackend = \"mnesia\"", leftOver, false,
			map[string]domain{"alpha.example": {-1, -1, -1, -1}, "beta.example": {-1, -1, -1, -1}},
		},
		"Mnesia by default, accounts in SQL": {
			both + "[auth]\nmethods = [\"rdbms\"]\n[modules.mod_last]", leftOver, true,
			map[string]domain{"alpha.example": {8, 1, 0, 5}, "beta.example": {5, 1, 0, 2}},
		},
		"a Mnesia host beside an SQL host": {
			both + "[auth.rdbms]\n[modules.mod_last]\nbackend = \"rdbms\"\n[[host_config]]\nhost = \"beta.example\"\n[host_config.auth.internal]\n[host_config.modules.mod_last]\nbackend = \"mnesia\"",
			append([]string{lastRow("alpha.example", "u", time.Hour)}, leftOver...), true,
			map[string]domain{"alpha.example": {6, 1, 0, 5}, "beta.example": {5, 10, -1, 2}},
		},
		"accounts of tokens": {
			both + "[auth.jwt]\n[modules.mod_last]\nbackend = \"rdbms\"", leftOver, true,
			map[string]domain{"alpha.example": {5, -1, -1, 5}, "beta.example": {2, -1, -1, 2}},
		},
		"no mod_last": {
			both + "[auth.rdbms]\n[modules.mod_mam]", leftOver, false,
			map[string]domain{"alpha.example": {-1, 1, 0, -1}, "beta.example": {-1, 1, 0, -1}},
		},
	} {
		o := configured(t, c.toml, c.rows...)
		if c.running {
			o.GraphQL = replay(t, newest(t))
		}
		got, facts, err := read(t, o, at())
		must.Succeed(t, err)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(domain{})); diff != "" || len(facts.Warnings) > 0 {
			t.Errorf("%s (-want +got):\n%s\nwarnings %q", name, diff, facts.Warnings)
		}
		for _, d := range facts.Domains {
			if (d.NotRecorded == "") != d.HasLastSeen {
				t.Errorf("%s: %s: %q", name, d.Name, d.NotRecorded)
			}
		}
	}
}

// Served are the hosts of mongooseim.toml, and the domains of its host types, which
// are in the database. Others with records are counted in one warning.
func TestDomainsThatAreServed(t *testing.T) {
	const modules = "\n[auth.rdbms]\n[modules.mod_last]\nbackend = \"rdbms\"\n"
	rows := []string{lastRow("a.example", "u", 0), lastRow("b.example", "u", 0), lastRow("gone.example", "u", 0), accountRow("gone.example", "u"), accountRow("older.example", "u")}
	settings := []string{`CREATE TABLE domain_settings (id serial, domain varchar(250), host_type varchar(250), status smallint)`, `INSERT INTO domain_settings (domain, host_type, status) VALUES ('b.example', 'basic', 1)`}
	one := domain{1, -1, -1, -1}
	for name, c := range map[string]struct {
		toml     string
		rows     []string
		want     map[string]domain
		warnings []string
	}{
		"static":                           {"[general]\nhosts = [\"a.example\"]" + modules, rows, map[string]domain{"a.example": one}, []string{"records of 3 domains are left out: the server does not serve them"}},
		"dynamic":                          {"[general]\nhosts = [\"a.example\"]\nhost_types = [\"basic\"]" + modules, append(settings, rows...), map[string]domain{"a.example": one, "b.example": one}, []string{"records of 2 domains are left out: the server does not serve them"}},
		"dynamic, nothing says which":      {"[general]\nhost_types = [\"basic\"]" + modules, rows, map[string]domain{"a.example": one, "b.example": one, "gone.example": {1, 1, 0, -1}, "older.example": {0, 1, 0, -1}}, []string{"mongooseim.toml has host types, whose domains cannot be read, so every domain with rows is shown: GRANT SELECT (domain, host_type) ON domain_settings, or set graphql_url"}},
		"dynamic, last activity elsewhere": {"[general]\nhost_types = [\"basic\"]\n[auth.rdbms]\n[modules.mod_last]", append(settings, append(rows, accountRow("b.example", "v"))...), map[string]domain{"b.example": {-1, 1, 0, -1}}, []string{"records of 2 domains are left out: the server does not serve them"}},
	} {
		got, facts, err := read(t, configured(t, c.toml, c.rows...), at())
		must.Succeed(t, err)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(domain{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(c.warnings, facts.Warnings); diff != "" {
			t.Errorf("%s: warnings: %s", name, diff)
		}
	}
}

// What is taken for granted where nothing says what is configured.
func TestWhatIsAssumed(t *testing.T) {
	o := configured(t, "[general]\nhosts = [\"alpha.example\"]\n[auth.rdbms]\n[modules.mod_last]\nbackend = \"rdbms\"", lastRow("alpha.example", "u", time.Hour))
	alone := mongooseim.Options{Database: o.Database}
	running := alone
	running.GraphQL = replay(t, newest(t))
	for name, c := range map[string]struct {
		options mongooseim.Options
		want    string
	}{
		"mongooseim.toml":           {o, ""},
		"the database":              {alone, "the tables last and users are in use if they have rows, and every domain with rows is served"},
		"the database, and it runs": {running, "the tables last and users are in use if they have rows"},
		"GraphQL alone":             {mongooseim.Options{GraphQL: running.GraphQL}, ""},
	} {
		_, facts, err := read(t, c.options, at())
		must.Succeed(t, err)
		if facts.Assumed != c.want {
			t.Errorf("%s: %q, want %q", name, facts.Assumed, c.want)
		}
	}
}

// A GraphQL that does not answer costs who is online, not what is in the database.
func TestTheDatabaseWithoutTheRunningServer(t *testing.T) {
	o := configured(t, "[general]\nhosts = [\"a.example\"]\n[auth.rdbms]\n[modules.mod_last]\nbackend = \"rdbms\"", lastRow("a.example", "u", time.Hour), accountRow("a.example", "u"))
	o.GraphQL = endpoint(t, "http://me:secret@127.0.0.1:1/api/graphql")
	o.RequiredModules = []string{"mod_mam"}
	got, facts, err := read(t, o, at())
	must.Succeed(t, err)
	if diff := cmp.Diff(map[string]domain{"a.example": {1, 1, 0, -1}}, got, cmp.AllowUnexported(domain{})); diff != "" {
		t.Error(diff)
	}
	if failure.Of(facts.OnlineErr) != failure.Unreachable || facts.Online != collector.OnlineUnknown || strings.Contains(facts.OnlineErr.Error(), "secret") || len(facts.Modules) > 0 {
		t.Errorf("%+v", facts)
	}
}
