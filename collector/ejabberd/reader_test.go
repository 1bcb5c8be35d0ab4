package ejabberd_test

import (
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/webapi"
	"active_users_exporter/test/must"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is shortly after the samples were taken.
var now = time.Unix(1795229500, 0)

// figure is what is shown of one virtual host; -1 is unknown.
type figure struct{ day, week, month, registered, created, online int }

func figures(cal *activity.Calendar, facts collector.Facts, now time.Time) map[string]figure {
	all := make(map[string]figure)
	for _, d := range facts.Domains {
		h := figure{-1, -1, -1, -1, -1, -1}
		if d.HasLastSeen {
			h.day = cal.ActiveAfter(d.Name, activity.Daily().Since(now), d.LastSeenSince).Users
			week, _ := activity.ParseWindow("7d")
			h.week = cal.ActiveAfter(d.Name, week.Since(now), d.LastSeenSince).Users
			h.month = cal.ActiveAfter(d.Name, activity.Monthly().Since(now), d.LastSeenSince).Users
		}
		if n, known := d.Registered[collector.Native]; known {
			h.registered = n
		}
		if n, known := d.Created[collector.Native]; known {
			h.created = n
		}
		if d.Online.Known {
			h.online = d.Online.Number
		}
		all[d.Name] = h
	}
	return all
}

func read(t *testing.T, o ejabberd.Options, now time.Time) (map[string]figure, collector.Facts, error) {
	t.Helper()
	cal := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
	reader := ejabberd.New(o)
	facts, err := reader.Read(t.Context(), time.Time{}, now, cal)
	must.Succeed(t, reader.Close())
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

func unzip(t *testing.T, path string) string {
	t.Helper()
	unzipped := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(path), ".gz"))
	must.WriteFile(t, unzipped, string(must.Gunzip(t, path)))
	return unzipped
}

// legacy is the database of a real ejabberd 23.01, one file for each host.
func legacy(t *testing.T) []ejabberd.Database {
	t.Helper()
	return []ejabberd.Database{
		{Source: source(t, "sqlite:"+unzip(t, "testdata/23.01-alpha.sqlite.gz")), Host: "alpha.example"},
		{Source: source(t, "sqlite:"+unzip(t, "testdata/23.01-beta.sqlite.gz")), Host: "beta.example"},
	}
}

// postgreSQL is the database of a real ejabberd 26.07, multihost schema. The
// table users was left out of the dump: it is filled with the accounts that the
// API told, in two rows for each, one of them new.
func postgreSQL(t *testing.T, dump string) []ejabberd.Database {
	t.Helper()
	location := dbtest.PostgreSQL(t)
	dbtest.LoadDump(t, location, "testdata/"+dump)
	dbtest.Exec(t, location, `SET search_path = public`,
		`CREATE TABLE public.users (username text NOT NULL, server_host text NOT NULL, type smallint NOT NULL, password text NOT NULL, created_at timestamp without time zone DEFAULT now() NOT NULL, PRIMARY KEY (server_host, username, type))`,
		`INSERT INTO public.users SELECT username, server_host, 2, '', to_timestamp(1795220000) AT TIME ZONE current_setting('TimeZone') FROM public.last`,
		`UPDATE public.users SET created_at = to_timestamp(1700000000) AT TIME ZONE current_setting('TimeZone') WHERE username IN ('alice', 'bob')`,
		`INSERT INTO public.users SELECT username, server_host, 3, '', to_timestamp(1795220000) AT TIME ZONE current_setting('TimeZone') FROM public.last`)
	return []ejabberd.Database{{Source: source(t, location)}}
}

// What people did is the same on both versions: 8 and 5 were connected at
// least once with presence. The table alone misses those who still are.
func TestFiguresOfRealServers(t *testing.T) {
	for name, c := range map[string]struct {
		databases func(t *testing.T) []ejabberd.Database
		answers   func(t *testing.T) answers
		want      map[string]figure
		version   string
	}{
		"23.01, SQLite, legacy schema": {
			databases: legacy,
			want:      map[string]figure{"alpha.example": {6, 6, 6, 12, 12, -1}, "beta.example": {3, 3, 3, 8, 8, -1}},
		},
		"23.01 with its API": {
			databases: legacy, answers: captured("testdata/api-ip-23.01.txtar"), version: "23.01-1",
			want: map[string]figure{"alpha.example": {8, 8, 8, 12, 12, 5}, "beta.example": {5, 5, 5, 8, 8, 2}},
		},
		"26.07, PostgreSQL, multihost schema": {
			databases: func(t *testing.T) []ejabberd.Database {
				return postgreSQL(t, "26.07-last-while-clients-online.sql.gz")
			},
			want: map[string]figure{"alpha.example": {5, 5, 5, 12, 10, -1}, "beta.example": {3, 3, 3, 8, 8, -1}},
		},
		"26.07 with its API by address": {
			databases: func(t *testing.T) []ejabberd.Database {
				return postgreSQL(t, "26.07-last-while-clients-online.sql.gz")
			},
			answers: byAddress, version: "26.07",
			want: map[string]figure{"alpha.example": {8, 8, 8, 12, 10, 5}, "beta.example": {5, 5, 5, 8, 8, 2}},
		},
		"26.07 with its API by account": {
			databases: func(t *testing.T) []ejabberd.Database {
				return postgreSQL(t, "26.07-last-while-clients-online.sql.gz")
			},
			answers: captured("testdata/api-account-26.07.txtar"), version: "26.07",
			want: map[string]figure{"alpha.example": {8, 8, 8, 12, 10, 5}, "beta.example": {5, 5, 5, 8, 8, 2}},
		},
		"26.07 after a restart": {
			databases: func(t *testing.T) []ejabberd.Database {
				return postgreSQL(t, "26.07-last-after-graceful-restart.sql.gz")
			},
			want: map[string]figure{"alpha.example": {8, 8, 8, 12, 10, -1}, "beta.example": {5, 5, 5, 8, 8, -1}},
		},
		"26.07, the API alone": {
			answers: byAddress, version: "26.07",
			want: map[string]figure{"alpha.example": {8, 8, 8, 12, -1, 5}, "beta.example": {5, 5, 5, 8, -1, 2}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var o ejabberd.Options
			if c.databases != nil {
				o.Databases = c.databases(t)
			}
			if c.answers != nil {
				o.API = replay(t, c.answers(t))
			}
			got, facts, err := read(t, o, now)
			must.Succeed(t, err)
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(figure{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if facts.Version != c.version || !facts.Complete || len(facts.Warnings) > 0 {
				t.Errorf("version %q, warnings %q", facts.Version, facts.Warnings)
			}
		})
	}
}

// rows fills a database of the given engine, in the shape of ejabberd's own
// schema (sql/lite.sql, sql/mysql.new.sql), with a row (host, user, seconds,
// state) each.
func rows(t *testing.T, location string, multihost bool, rows ...[4]string) []ejabberd.Database {
	t.Helper()
	column, key := "", "username"
	if multihost {
		column, key = "server_host varchar(191) NOT NULL, ", "server_host, username"
	}
	statements := []string{
		`CREATE TABLE last (` + column + `username varchar(191) NOT NULL, seconds text NOT NULL, state text NOT NULL, PRIMARY KEY (` + key + `))`,
		`CREATE TABLE users (` + column + `username varchar(191) NOT NULL, type smallint NOT NULL, password text NOT NULL, created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (` + key + `, type))`,
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	for _, r := range rows {
		host := ""
		if multihost {
			host = quote(r[0]) + ", "
		}
		statements = append(statements, `INSERT INTO last VALUES (`+host+quote(r[1])+`, `+quote(r[2])+`, `+quote(r[3])+`)`)
		for _, kind := range []string{"1", "2"} {
			statements = append(statements, `INSERT INTO users VALUES (`+host+quote(r[1])+`, `+kind+`, '', '2020-01-01 00:00:00')`)
		}
	}
	if path, ok := strings.CutPrefix(location, "sqlite:"); ok {
		db, err := sqldb.CreateSQLite(path)
		must.Succeed(t, err)
		for _, s := range statements {
			_, err := db.ExecContext(t.Context(), s)
			must.Succeed(t, err)
		}
		must.Succeed(t, db.Close())
	} else {
		dbtest.ExecMySQL(t, location, statements...)
	}
	database := ejabberd.Database{Source: source(t, location)}
	if !multihost {
		database.Host = rows[0][0]
	}
	return []ejabberd.Database{database}
}

const never = "Registered but didn't login"

func TestRows(t *testing.T) {
	const at = 1795229500
	for name, c := range map[string]struct {
		seconds, state string
		want           [3]int
		damaged        int
	}{
		"a second less than a day": {"1795143101", "x", [3]int{1, 1, 1}, 0},
		"a day":                    {"1795143100", "x", [3]int{0, 1, 1}, 0},
		"in the future":            {"1895143100", "x", [3]int{1, 1, 1}, 0},
		"never logged in":          {"1795229499", never, [3]int{0, 0, 0}, 0},
		"no text":                  {"1795229499", "", [3]int{1, 1, 1}, 0},
		"imported":                 {"", "", [3]int{0, 0, 0}, 0},
		"the epoch":                {"0", "", [3]int{0, 0, 0}, 0},
		"few digits":               {"999", "", [3]int{0, 0, 0}, 0},
		"no number":                {"soon", "", [3]int{0, 0, 0}, 1},
		"too large":                {"99999999999999999999", "", [3]int{0, 0, 0}, 1},
	} {
		database := rows(t, "sqlite:"+filepath.Join(t.TempDir(), "ejabberd.db"), true,
			[4]string{"example.org", "u", c.seconds, c.state}, [4]string{"example.org", "imported", "", ""})
		got, facts, err := read(t, ejabberd.Options{Databases: database}, time.Unix(at, 0))
		must.Succeed(t, err)
		h := got["example.org"]
		if [3]int{h.day, h.week, h.month} != c.want || h.registered != 2 || h.created != 0 || facts.Domains[0].Damaged != c.damaged || len(facts.Warnings) != c.damaged {
			t.Errorf("%s: %+v, %+v", name, h, facts)
		}
	}
}

// If no row of a host can be read, it is not known who was active there: that is
// no zero. The other hosts go on; without any, the server has failed.
func TestHostsOfWhichNoRowCanBeRead(t *testing.T) {
	damaged := [4]string{"example.org", "u", "2026-11-21 03:51:40", ""}
	path := "sqlite:" + filepath.Join(t.TempDir(), "ejabberd.db")
	got, facts, err := read(t, ejabberd.Options{Databases: rows(t, path, true, damaged, [4]string{"example.net", "u", "1795229499", ""})}, now)
	must.Succeed(t, err)
	want := map[string]figure{"example.org": {-1, -1, -1, 1, 0, -1}, "example.net": {1, 1, 1, 1, 0, -1}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(figure{})); diff != "" || len(facts.Warnings) != 1 {
		t.Errorf("warnings %q (-want +got):\n%s", facts.Warnings, diff)
	}
	path = "sqlite:" + filepath.Join(t.TempDir(), "ejabberd.db")
	if _, _, err := read(t, ejabberd.Options{Databases: rows(t, path, true, damaged)}, now); err == nil || !strings.Contains(err.Error(), path+": the time in all rows") {
		t.Errorf("error %v, want that all rows are damaged", err)
	}
}

// Without the API, sessions are in the database with sm_db_type: sql.
func TestSessionsInSQL(t *testing.T) {
	for _, multihost := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "ejabberd.db")
		database := rows(t, "sqlite:"+path, multihost, [4]string{"example.org", "u", "1795229499", never}, [4]string{"example.org", "v", "1700000000", "x"})
		db, err := sqldb.CreateSQLite(path)
		must.Succeed(t, err)
		column, host := "", ""
		if multihost {
			column, host = "server_host text NOT NULL, ", "'example.org', "
		}
		_, err = db.ExecContext(t.Context(), `CREATE TABLE sm (usec bigint NOT NULL, pid text NOT NULL, node text NOT NULL, username text NOT NULL, `+column+`resource text NOT NULL, priority text NOT NULL, info text NOT NULL)`)
		must.Succeed(t, err)
		want := map[string]figure{"example.org": {0, 0, 0, 2, 0, -1}}
		check := func() {
			t.Helper()
			got, _, err := read(t, ejabberd.Options{Databases: database}, now)
			must.Succeed(t, err)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(figure{})); diff != "" {
				t.Errorf("multihost %v (-want +got):\n%s", multihost, diff)
			}
		}
		check()
		for _, resource := range []string{"a", "b"} {
			_, err = db.ExecContext(t.Context(), `INSERT INTO sm VALUES (`+strconv.FormatInt(now.Add(-23*time.Hour).UnixMicro(), 10)+`, 'p', 'n', 'u', `+host+`'`+resource+`', '0', '')`)
			must.Succeed(t, err)
		}
		must.Succeed(t, db.Close())
		want["example.org"] = figure{1, 1, 1, 2, 0, 1}
		check()
	}
}

func TestMariaDB(t *testing.T) {
	location := dbtest.MariaDB(t)
	database := rows(t, location, true,
		[4]string{"example.org", "u", "1795229499", "x"}, [4]string{"example.org", "v", "1795229499", never},
		[4]string{"bücher.example", "ü", "1790000000", "x"})
	got, facts, err := read(t, ejabberd.Options{Databases: database}, now)
	must.Succeed(t, err)
	want := map[string]figure{"example.org": {1, 1, 1, 2, 0, -1}, "bücher.example": {0, 0, 0, 1, 0, -1}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(figure{})); diff != "" || !strings.HasPrefix(facts.Database, "mysql ") {
		t.Errorf("%s (-want +got):\n%s", facts.Database, diff)
	}
}

func TestWhoseLegacyDatabase(t *testing.T) {
	database := rows(t, "sqlite:"+filepath.Join(t.TempDir(), "ejabberd.db"), false, [4]string{"example.org", "u", "1795229499", "x"})
	got, _, err := read(t, ejabberd.Options{Databases: database}, now)
	must.Succeed(t, err)
	want := map[string]figure{"example.org": {1, 1, 1, 1, 0, -1}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(figure{})); diff != "" {
		t.Error(diff)
	}
	database[0].Host = ""
	_, _, err = read(t, ejabberd.Options{Databases: database}, now)
	if err == nil || !strings.Contains(err.Error(), "legacy schema") {
		t.Errorf("error %v", err)
	}
	// Who has given ejabberd.yml is not told to give it.
	_, _, err = read(t, ejabberd.Options{Databases: database, Modules: map[string][]string{"example.org": {"mod_last"}, "example.net": {"mod_last"}}}, now)
	if err == nil || strings.Contains(err.Error(), "give ejabberd.yml") || !strings.Contains(err.Error(), "several virtual hosts share them") {
		t.Errorf("by its configuration: %v", err)
	}
	one := answers{
		"registered_vhosts {}": {200, `["only.example"]`}, "connected_users {}": {200, `["u@only.example/a","u@only.example/b","w@only.example/c"]`}, "status {}": {403, `{}`},
	}
	got, facts, err := read(t, ejabberd.Options{Databases: database, API: replay(t, one)}, now)
	must.Succeed(t, err)
	want = map[string]figure{"only.example": {2, 2, 2, 1, 0, 2}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(figure{})); diff != "" || len(facts.Warnings) != 1 {
		t.Errorf("%q %s", facts.Warnings, diff)
	}
}

func TestDatabasesThatAreNotEjabberds(t *testing.T) {
	for says, schema := range map[string]string{
		"is this the database of ejabberd":           `CREATE TABLE x (y)`,
		"no permission to read the column state":     `CREATE TABLE last (server_host text, username text, seconds text)`,
		"does ejabberd keep its records elsewhere":   `CREATE TABLE last (server_host text, username text, seconds text, state text)`,
		"are (legacy schema): name it with domain, ": `CREATE TABLE last (username text, seconds text, state text)`,
	} {
		path := filepath.Join(t.TempDir(), "other.db")
		db, err := sqldb.CreateSQLite(path)
		must.Succeed(t, err)
		_, err = db.ExecContext(t.Context(), schema)
		must.Succeed(t, err)
		must.Succeed(t, db.Close())
		_, _, err = read(t, ejabberd.Options{Databases: []ejabberd.Database{{Source: source(t, "sqlite:"+path)}}}, now)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want one that says %q", err, says)
		}
	}
}

func TestModulesOfARunningServer(t *testing.T) {
	one := answers{
		"registered_vhosts {}": {200, `["a.example"]`}, "connected_users {}": {200, `[]`}, "status {}": {200, `"ejabberd 24.12 is running in that node"`},
		`registered_users {"host":"a.example"}`: {200, `[]`},
	}
	o := ejabberd.Options{API: replay(t, one), Hosts: map[string]ejabberd.Host{"a.example": {Last: chatserver.InMnesia, Accounts: chatserver.InMnesia}}, Modules: map[string][]string{"a.example": {"mod_last", "mod_mam"}}, RequiredModules: []string{"mod_mam", "a.example/mod_ping"}}
	got, facts, err := read(t, o, now)
	must.Succeed(t, err)
	want := []collector.Module{
		{Domain: "a.example", Name: "mod_last", Loaded: true},
		{Domain: "a.example", Name: "mod_mam", Loaded: true, Required: true},
		{Domain: "a.example", Name: "mod_ping", Required: true},
	}
	if diff := cmp.Diff(want, facts.Modules); diff != "" || facts.Version != "24.12" {
		t.Errorf("%s %s", facts.Version, diff)
	}
	if diff := cmp.Diff(map[string]figure{"a.example": {-1, -1, -1, 0, -1, 0}}, got, cmp.AllowUnexported(figure{})); diff != "" {
		t.Error(diff)
	}
}

// byAddress are the captured answers of 26.07, completed by those about alpha
// that were not captured: its sessions are in connected_users_info, its
// accounts in the dump, and get_last is what the dump says.
func byAddress(t *testing.T) answers {
	all := captured("testdata/api-ip-26.07.txtar")(t)
	maps.Copy(all, answers{
		`connected_users_vhost {"host":"alpha.example"}`: {200, `["dave@alpha.example/desk","erin@alpha.example/r1","heidi@alpha.example/tablet","ivan@alpha.example/sm","judy@alpha.example/kickme"]`},
		`registered_users {"host":"alpha.example"}`:      {200, `["admin","alice","bob","carol","dave","erin","frank","grace","heidi","ivan","judy","metrics"]`},
	})
	for user, host := range map[string]string{"admin": "alpha", "carol": "alpha", "metrics": "alpha", "peggy": "beta", "quentin": "beta", "rupert": "beta"} {
		all[`get_last {"host":"`+host+`.example","user":"`+user+`"}`] = answer{200, `{"status":"Registered but didn't login","timestamp":"2026-11-21T02:41:52Z"}`}
	}
	for user, host := range map[string]string{"bob": "alpha", "grace": "alpha", "kate": "beta", "leo": "beta", "mallory": "beta"} {
		all[`get_last {"host":"`+host+`.example","user":"`+user+`"}`] = answer{200, `{"status":"gone","timestamp":"2026-11-21T02:41:59Z"}`}
	}
	return all
}

// Accounts in SQL, last activity in Mnesia, mod_last's default: the API gives
// it, where it may.
func TestAccountsAloneInSQL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ejabberd.db")
	db, err := sqldb.CreateSQLite(path)
	must.Succeed(t, err)
	for _, statement := range []string{
		`CREATE TABLE last (server_host text, username text, seconds text, state text)`,
		`CREATE TABLE users (server_host text, username text, type integer, created_at text)`,
		`INSERT INTO users VALUES ('a.example', 'u', 1, '2026-01-01 00:00:00')`,
	} {
		_, err = db.ExecContext(t.Context(), statement)
		must.Succeed(t, err)
	}
	must.Succeed(t, db.Close())
	one := answers{
		"registered_vhosts {}": {200, `["a.example"]`}, "connected_users {}": {200, `[]`}, "status {}": {200, `"ejabberd 24.12 is running in that node"`},
		`registered_users {"host":"a.example"}`:    {200, `["u"]`},
		`get_last {"host":"a.example","user":"u"}`: {200, `{"timestamp":"` + now.Add(-time.Hour).UTC().Format(time.RFC3339) + `","status":"bye"}`},
	}
	o := ejabberd.Options{Databases: []ejabberd.Database{{Source: source(t, "sqlite:"+path)}}, API: replay(t, one)}
	got, facts, err := read(t, o, now)
	must.Succeed(t, err)
	if f := got["a.example"]; f.day != 1 || f.registered != 1 || len(facts.Warnings) != 0 {
		t.Errorf("%+v, warnings %q", f, facts.Warnings)
	}
	refusal := one["status {}"]
	refusal.status, refusal.body = 403, `{}`
	one[`registered_users {"host":"a.example"}`] = refusal
	got, facts, err = read(t, ejabberd.Options{Databases: o.Databases, API: replay(t, one)}, now)
	must.Succeed(t, err)
	if f := got["a.example"]; f.day != -1 || f.registered != 1 || len(facts.Warnings) != 1 {
		t.Errorf("where the API may not tell: %+v, warnings %q", f, facts.Warnings)
	}
}
