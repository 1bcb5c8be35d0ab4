package mongooseim_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/mongooseim"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/webapi"
	"active_users_exporter/test/must"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// domain is what is shown of one; -1 is unknown.
type domain struct{ month, registered, created, online int }

func figures(cal *activity.Calendar, facts collector.Facts, now time.Time) map[string]domain {
	all := make(map[string]domain)
	for _, d := range facts.Domains {
		f := domain{-1, -1, -1, -1}
		if d.HasLastSeen {
			f.month = cal.ActiveAfter(d.Name, activity.Monthly().Since(now), d.LastSeenSince).Users
		}
		if n, known := d.Registered[collector.Native]; known {
			f.registered = n
		}
		if n, known := d.Created[collector.Native]; known {
			f.created = n
		}
		if d.Online.Known {
			f.online = d.Online.Number
		}
		all[d.Name] = f
	}
	return all
}

func readAll(t *testing.T, o mongooseim.Options, now time.Time) (*activity.Calendar, collector.Facts, error) {
	t.Helper()
	cal := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
	reader := mongooseim.New(o)
	facts, err := reader.Read(t.Context(), time.Time{}, now, cal)
	must.Succeed(t, reader.Close())
	return cal, facts, err
}

func read(t *testing.T, o mongooseim.Options, now time.Time) (map[string]domain, collector.Facts, error) {
	t.Helper()
	cal, facts, err := readAll(t, o, now)
	return figures(cal, facts, now), facts, err
}

func source(t *testing.T, location string) sqldb.Source {
	t.Helper()
	s, err := sqldb.ParseSource(location)
	must.Succeed(t, err)
	return s
}

func endpoint(t *testing.T, location string) webapi.Endpoint {
	t.Helper()
	e, err := webapi.ParseEndpoint(location)
	must.Succeed(t, err)
	return e
}

func dump(t *testing.T, name string) sqldb.Source {
	t.Helper()
	location := dbtest.PostgreSQL(t)
	dbtest.LoadDump(t, location, "testdata/"+name)
	return source(t, location)
}

// What a real server answered to countActiveUsers, of a table of ages from half
// a day to 400 days. Users who were online then are not asked for.
func TestFiguresEqualTheServersOwn(t *testing.T) {
	now := time.Unix(1795229483, 0) // 2026-11-21 02:51:23 UTC
	database := dump(t, "mim-pg-last-spread.sql.gz")
	cal, facts, err := readAll(t, mongooseim.Options{Database: database}, now)
	must.Succeed(t, err)
	if !facts.Complete || !strings.HasPrefix(facts.Database, "postgresql ") || len(facts.Domains) != 2 {
		t.Errorf("%+v", facts)
	}
	answers := captured(t)
	for _, name := range []string{"alpha.example", "beta.example"} {
		for _, text := range []string{"1d", "7d", "30d", "90d", "365d"} {
			var answer struct {
				Data struct {
					Last struct {
						Count int `json:"countActiveUsers"`
					} `json:"last"`
				} `json:"data"`
			}
			_, body, _ := strings.Cut(answers["spread-countActiveUsers-"+text+"-"+name].answer, "\n\n")
			must.Succeed(t, json.Unmarshal([]byte(body), &answer))
			w, err := activity.ParseWindow(text)
			must.Succeed(t, err)
			if got := cal.ActiveAfter(name, w.Since(now), time.Time{}).Users; got != answer.Data.Last.Count {
				t.Errorf("%s %s: %d, the server said %d", name, text, got, answer.Data.Last.Count)
			}
		}
	}
}

// In alpha 9 of 10 people connected, one of them without presence; the server's
// own countActiveUsers, and its table, miss those who still are.
func TestFiguresOfARealServer(t *testing.T) {
	now := time.Unix(1795226400, 0)
	table := map[string]domain{"alpha.example": {7, -1, -1, -1}, "beta.example": {3, -1, -1, -1}}
	united := map[string]domain{"alpha.example": {8, 10, -1, 5}, "beta.example": {5, 8, -1, 2}}
	for name, c := range map[string]struct {
		database, graphql bool
		replies           func(t *testing.T) []reply
		want              map[string]domain
	}{
		"PostgreSQL":              {database: true, want: table},
		"PostgreSQL and GraphQL":  {database: true, replies: newest, want: united},
		"GraphQL alone":           {replies: newest, want: united},
		"GraphQL alone, 6.0":      {replies: oldest, want: united},
		"PostgreSQL and 6.0":      {database: true, replies: oldest, want: united},
		"an admin of one domain":  {database: true, replies: oneDomain, want: map[string]domain{"alpha.example": {8, 10, -1, 5}, "beta.example": {3, -1, -1, -1}}},
		"of it, and GraphQL only": {replies: oneDomain, want: map[string]domain{"alpha.example": {8, 10, -1, 5}}},
	} {
		t.Run(name, func(t *testing.T) {
			var o mongooseim.Options
			if c.database {
				o.Database = dump(t, "mim-pg-last.sql.gz")
			}
			if c.replies != nil {
				o.GraphQL = replay(t, c.replies(t))
			}
			got, facts, err := read(t, o, now)
			must.Succeed(t, err)
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(domain{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if facts.ModulesErr != nil || len(facts.Warnings) > 0 {
				t.Errorf("%v, %q", facts.ModulesErr, facts.Warnings)
			}
		})
	}
}

func TestModules(t *testing.T) {
	_, facts, err := read(t, mongooseim.Options{
		GraphQL: replay(t, newest(t)), RequiredModules: []string{"mod_mam", "beta.example/mod_http_upload"},
	}, time.Unix(1795226400, 0))
	must.Succeed(t, err)
	if facts.Version != "6.8.0-38-g475087c6e" || len(facts.Modules) != 2*41+1 {
		t.Errorf("version %q, %d modules", facts.Version, len(facts.Modules))
	}
	got := make(map[string]collector.Module)
	for _, m := range facts.Modules {
		got[m.Domain+"/"+m.Name] = m
	}
	for name, want := range map[string]collector.Module{
		"alpha.example/mod_mam":         {Domain: "alpha.example", Name: "mod_mam", Loaded: true, Required: true},
		"beta.example/mod_mam":          {Domain: "beta.example", Name: "mod_mam", Loaded: true, Required: true},
		"beta.example/mod_bind2":        {Domain: "beta.example", Name: "mod_bind2", Loaded: true},
		"beta.example/mod_http_upload":  {Domain: "beta.example", Name: "mod_http_upload", Required: true},
		"alpha.example/mod_http_upload": {},
	} {
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for says, replies := range map[string][]reply{"since 6.6": oldest(t), "administrator of all domains": oneDomain(t)} {
		_, facts, err := read(t, mongooseim.Options{GraphQL: replay(t, replies), RequiredModules: []string{"mod_mam"}}, time.Unix(1795226400, 0))
		must.Succeed(t, err)
		if facts.ModulesErr == nil || !strings.Contains(facts.ModulesErr.Error(), says) {
			t.Errorf("error %v, want one that says %q", facts.ModulesErr, says)
		}
	}
}

// schema is that of priv/pg.sql and priv/mysql.sql, with server or, before
// 5.0, without.
func schema(server bool) []string {
	column, key := "", ""
	if server {
		column, key = "server varchar(250) NOT NULL, ", "server, "
	}
	return []string{
		`CREATE TABLE last (` + column + `username varchar(250) NOT NULL, seconds int NOT NULL, state text NOT NULL, PRIMARY KEY (` + key + `username))`,
		`CREATE TABLE users (` + column + `username varchar(250) NOT NULL, password text NOT NULL, created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (` + key + `username))`,
	}
}

func TestSchemas(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	rows := func(server string) []string {
		return append(schema(server != ""),
			fmt.Sprintf(`INSERT INTO last VALUES (%s'day', %d, 'x'), (%s'month', %d, '')`, server, now.Unix()-5, server, now.Unix()-20*86400),
			fmt.Sprintf(`INSERT INTO users VALUES (%s'day', '', '2020-01-01 00:00:00'), (%s'never', '', '2020-01-01 00:00:00')`, server, server),
			fmt.Sprintf(`INSERT INTO users(%s username, password) VALUES (%s'new', '')`, map[bool]string{true: "server,", false: ""}[server != ""], server),
		)
	}
	want := map[string]domain{"example.org": {2, 3, 1, -1}}
	for name, c := range map[string]struct {
		location func(testing.TB) string
		exec     func(testing.TB, string, ...string)
		server   string
	}{
		"PostgreSQL":             {dbtest.PostgreSQL, dbtest.Exec, "'example.org', "},
		"PostgreSQL, before 5.0": {dbtest.PostgreSQL, dbtest.Exec, ""},
		"MariaDB":                {dbtest.MariaDB, dbtest.ExecMySQL, "'example.org', "},
		"MariaDB, before 5.0":    {dbtest.MariaDB, dbtest.ExecMySQL, ""},
	} {
		t.Run(name, func(t *testing.T) {
			location := c.location(t)
			c.exec(t, location, rows(c.server)...)
			o := mongooseim.Options{Database: source(t, location)}
			if c.server == "" {
				_, _, err := read(t, o, now)
				if err == nil || !strings.Contains(err.Error(), "do not say of which domain") {
					t.Errorf("error %v", err)
				}
				o.Host = "example.org"
			}
			got, _, err := read(t, o, now)
			must.Succeed(t, err)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(domain{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Grants of the columns that are read are enough.
func TestLeastRights(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	dbtest.Exec(t, location, schema(true)...)
	role := fmt.Sprintf("reader_%d", time.Now().UnixNano())
	dbtest.Exec(t, location, `CREATE ROLE `+role+` LOGIN`, `INSERT INTO last VALUES ('a.example', 'u', 1795226300, 'x')`,
		`GRANT SELECT (server, username, seconds) ON last TO `+role)
	defer dbtest.Exec(t, location, `DROP OWNED BY `+role, `DROP ROLE `+role)
	o := mongooseim.Options{Database: source(t, strings.Replace(location, "postgres@", role+"@", 1))}
	got, _, err := read(t, o, time.Unix(1795226400, 0))
	must.Succeed(t, err)
	if diff := cmp.Diff(map[string]domain{"a.example": {1, -1, -1, -1}}, got, cmp.AllowUnexported(domain{})); diff != "" {
		t.Error(diff)
	}
	dbtest.Exec(t, location, `REVOKE SELECT (seconds) ON last FROM `+role)
	_, _, err = read(t, o, time.Unix(1795226400, 0))
	if err == nil || !strings.Contains(err.Error(), "no permission to read it") {
		t.Errorf("error %v", err)
	}
}

// Hosts and host types may have databases of their own: all are read.
func TestDatabasesOfHostTypes(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	database := func(host string, accounts int) sqldb.Source {
		location := dbtest.PostgreSQL(t)
		statements := []string{
			`CREATE TABLE users (server text, username text, created_at timestamp)`,
			`CREATE TABLE last (server text, username text, seconds integer, state text)`,
		}
		for n := range accounts {
			statements = append(statements, fmt.Sprintf(`INSERT INTO users VALUES ('%s', 'u%d', '2020-01-01')`, host, n),
				fmt.Sprintf(`INSERT INTO last VALUES ('%s', 'u%d', %d, '')`, host, n, now.Unix()-60))
		}
		dbtest.Exec(t, location, statements...)
		return source(t, location)
	}
	o := mongooseim.Options{Database: database("a.example", 3), OtherDatabases: []sqldb.Source{database("b.example", 2)}}
	got, facts, err := read(t, o, now)
	must.Succeed(t, err)
	want := map[string]domain{"a.example": {3, 3, 0, -1}, "b.example": {2, 2, 0, -1}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(domain{})); diff != "" || !strings.HasPrefix(facts.Database, "postgresql ") {
		t.Errorf("%s %s", facts.Database, diff)
	}
	// One of them is gone: what the other holds is not all there is.
	o.OtherDatabases[0] = source(t, "postgres://u@127.0.0.1:"+dbtest.FreePort(t)+"/gone")
	if _, _, err := read(t, o, now); err == nil {
		t.Error("figures without one of the databases")
	}
}
