package ejabberd_test

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/config/configtest"
	"active_users_exporter/test/must"
)

// configured returns what an ejabberd.yml says; DB stands for an SQLite database that
// is made with the statements.
func configured(t *testing.T, yml string, statements ...string) ejabberd.Options {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ejabberd.db")
	db, err := sqldb.CreateSQLite(path)
	must.Succeed(t, err)
	for _, s := range statements {
		_, err := db.ExecContext(t.Context(), s)
		must.Succeed(t, err)
	}
	must.Succeed(t, db.Close())
	yml += "\nsql_type: sqlite\nsql_database: \"" + path + "\"\n"
	got, _, err := ejabberd.Kind().At(filepath.Join(configtest.Files(t, map[string]string{"ejabberd.yml": yml}), "ejabberd.yml"))
	must.Succeed(t, err)
	return got.(ejabberd.Options)
}

// schema is the multihost one.
func schema() []string {
	return []string{
		`CREATE TABLE last (server_host text, username text, seconds text, state text)`,
		`CREATE TABLE users (server_host text, username text, type integer, created_at text)`,
		`CREATE TABLE sm (usec bigint, pid text, node text, username text, server_host text, resource text, priority text, info text)`,
	}
}

func lastRow(host, user string, at time.Time) string {
	return `INSERT INTO last VALUES ('` + host + `', '` + user + `', '` + strconv.FormatInt(at.Unix(), 10) + `', 'x')`
}

func accountRow(host, user string) string {
	return `INSERT INTO users VALUES ('` + host + `', '` + user + `', 1, '2020-01-01 00:00:00')`
}

func sessionRow(host, user, node string, began time.Time) string {
	return `INSERT INTO sm VALUES (` + strconv.FormatInt(began.UnixMicro(), 10) + `, 'p', '` + node + `', '` + user + `', '` + host + `', 'r', '0', '')`
}

// server answers as an ejabberd with these accounts; all were there an hour ago.
func server(accounts map[string][]string, online string) answers {
	all := answers{"status {}": {200, `"ejabberd 26.07 is running in that node"`}, "connected_users {}": {200, online}}
	var hosts []string
	for host, users := range accounts {
		hosts = append(hosts, strconv.Quote(host))
		var quoted []string
		for _, user := range users {
			quoted = append(quoted, strconv.Quote(user))
			all[`get_last {"host":"`+host+`","user":"`+user+`"}`] = answer{200, `{"status":"bye","timestamp":"` + now.Add(-time.Hour).UTC().Format(time.RFC3339) + `"}`}
		}
		all[`registered_users {"host":"`+host+`"}`] = answer{200, "[" + strings.Join(quoted, ",") + "]"}
		all[`stats_host {"host":"`+host+`","name":"registeredusers"}`] = answer{200, strconv.Itoa(len(users))}
	}
	all["registered_vhosts {}"] = answer{200, "[" + strings.Join(hosts, ",") + "]"}
	return all
}

// leftOver are the rows of an earlier configuration: 15 accounts, and two people who
// were last there 40 days ago.
func leftOver() []string {
	statements := append(schema(), lastRow("a.example", "old1", now.AddDate(0, 0, -40)), lastRow("a.example", "old2", now.AddDate(0, 0, -40)))
	for i := range 15 {
		statements = append(statements, accountRow("a.example", "u"+strconv.Itoa(i)))
	}
	return statements
}

// What ejabberd.yml has elsewhere is not read from the database, whatever rows an
// earlier configuration left there.
func TestWhatIsConfiguredIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		yml        string
		statements []string
		answers    answers // nil without the API
		want       map[string]figure
	}{
		"last activity in Mnesia, old rows in SQL": {
			"hosts: [a.example]\ndefault_db: sql\nauth_method: sql\nmodules: {mod_last: {db_type: mnesia}}", leftOver(),
			server(map[string][]string{"a.example": {"n1", "n2", "n3"}}, "[]"),
			map[string]figure{"a.example": {3, 3, 3, 15, 0, 0}},
		},
		"the same without the API": {
			"hosts: [a.example]\ndefault_db: sql\nauth_method: sql\nmodules: {mod_last: {db_type: mnesia}}", leftOver(), nil,
			map[string]figure{"a.example": {-1, -1, -1, 15, 0, -1}},
		},
		"Mnesia by default": {
			"hosts: [a.example]\nauth_method: sql\nmodules: {mod_last: {}}", leftOver(),
			server(map[string][]string{"a.example": {"n1", "n2", "n3"}}, "[]"),
			map[string]figure{"a.example": {3, 3, 3, 15, 0, 0}},
		},
		"accounts in Mnesia, old rows in SQL": {
			"hosts: [a.example]\ndefault_db: sql\nauth_method: internal\nmodules: {mod_last: {}}", append(leftOver(), lastRow("a.example", "n1", now.Add(-time.Hour))),
			server(map[string][]string{"a.example": {"n1", "n2"}}, "[]"),
			map[string]figure{"a.example": {1, 1, 1, 2, -1, 0}},
		},
		"mod_last is not loaded any more": {
			"hosts: [a.example]\ndefault_db: sql\nmodules: {mod_mam: {}}", leftOver(), nil,
			map[string]figure{"a.example": {-1, -1, -1, 15, 0, -1}},
		},
		"a Mnesia host beside an SQL host": {
			"hosts: [a.example, b.example]\ndefault_db: sql\nmodules: {mod_last: {}}\nhost_config: {b.example: {default_db: mnesia}}",
			append(schema(), lastRow("a.example", "u", now.Add(-time.Hour)), accountRow("a.example", "u")),
			server(map[string][]string{"a.example": {"u"}, "b.example": {"v", "w"}}, "[]"),
			map[string]figure{"a.example": {1, 1, 1, 1, 0, 0}, "b.example": {2, 2, 2, 2, -1, 0}},
		},
		// ejabberd counts none of such accounts: j1 is connected, j2 was.
		"accounts of tokens": {
			"hosts: [a.example]\ndefault_db: sql\nauth_method: [jwt]\nmodules: {mod_last: {}}", append(schema(), lastRow("a.example", "j2", now.Add(-time.Hour))),
			server(map[string][]string{"a.example": nil}, `["j1@a.example/x"]`),
			map[string]figure{"a.example": {2, 2, 2, -1, -1, 1}},
		},
		"accounts elsewhere and here": {
			"hosts: [a.example]\ndefault_db: sql\nauth_method: [ldap, sql]\nmodules: {mod_last: {}}", leftOver(), nil,
			map[string]figure{"a.example": {0, 0, 0, -1, -1, -1}},
		},
		"accounts in both places": {
			"hosts: [a.example]\ndefault_db: sql\nauth_method: [internal, sql]\nmodules: {mod_last: {}}", leftOver(),
			server(map[string][]string{"a.example": {"u1", "u2", "u3"}}, "[]"),
			map[string]figure{"a.example": {0, 0, 0, 3, -1, 0}},
		},
		"guests": {
			"hosts: [a.example]\ndefault_db: sql\nauth_method: anonymous\nmodules: {mod_last: {}}", leftOver(),
			server(map[string][]string{"a.example": {"guest"}}, `["guest@a.example/x"]`),
			map[string]figure{"a.example": {1, 1, 1, -1, -1, 1}},
		},
	} {
		o := configured(t, c.yml, c.statements...)
		if c.answers != nil {
			o.API = replay(t, c.answers)
		}
		got, facts, err := read(t, o, now)
		must.Succeed(t, err)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(figure{})); diff != "" || len(facts.Warnings) > 0 {
			t.Errorf("%s (-want +got):\n%s\nwarnings %q", name, diff, facts.Warnings)
		}
	}
}

// What is taken for granted where nothing says what is configured.
func TestWhatIsAssumed(t *testing.T) {
	o := configured(t, "hosts: [a.example]\ndefault_db: sql\nmodules: {mod_last: {}}", append(schema(), lastRow("a.example", "u", now))...)
	alone := ejabberd.Options{Databases: []ejabberd.Database{{Source: o.Databases[0].Source}}}
	running := alone
	running.API = replay(t, server(map[string][]string{"a.example": nil}, "[]"))
	for name, c := range map[string]struct {
		options ejabberd.Options
		want    string
	}{
		"ejabberd.yml":              {o, ""},
		"the database":              {alone, "the tables last, users and sm are in use if they have rows, and every host with rows is served"},
		"the database, and it runs": {running, "the tables last and users are in use if they have rows"},
		"the API alone":             {ejabberd.Options{API: running.API}, ""},
	} {
		_, facts, err := read(t, c.options, now)
		must.Succeed(t, err)
		if facts.Assumed != c.want {
			t.Errorf("%s: %q, want %q", name, facts.Assumed, c.want)
		}
	}
}

// Why nobody's activity is known is said with what helps; where only guests get in,
// nothing is wrong.
func TestWhyNothingIsRecorded(t *testing.T) {
	for options, want := range map[string]string{
		"auth_method: sql\nmodules: {mod_last: {}}":                             "the table last has no row of it",
		"auth_method: sql\nmodules: {mod_last: {db_type: mnesia}}":              "mod_last keeps it in Mnesia, which ejabberd's API tells: set api_url",
		"auth_method: [external, ldap]\nmodules: {mod_last: {db_type: mnesia}}": "mod_last keeps it in Mnesia, and ejabberd cannot list the accounts to ask for: set db_type: sql",
		"auth_method: jwt\nmodules: {mod_mam: {}}":                              "mod_last is not among its modules in ejabberd.yml",
		"auth_method: anonymous\nmodules: {mod_last: {}}":                       "",
		"auth_method: anonymous\nmodules: {mod_last: {db_type: mnesia}}":        "",
		"auth_method: [anonymous, sql]\nmodules: {mod_last: {}}":                "the table last has no row of it",
	} {
		_, facts, err := read(t, configured(t, "hosts: [a.example]\ndefault_db: sql\n"+options, append(schema(), accountRow("gone.example", "u"))...), now)
		must.Succeed(t, err)
		if got := facts.Domains[0].NotRecorded; (got == "") != (want == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", options, got, want)
		}
	}
}

// Accounts are not 0 if ejabberd may be unable to list them.
func TestNoAccountsByTheAPIAlone(t *testing.T) {
	got, _, err := read(t, ejabberd.Options{API: replay(t, server(map[string][]string{"jwt.example": nil}, `["j1@jwt.example/x"]`))}, now)
	must.Succeed(t, err)
	if diff := cmp.Diff(map[string]figure{"jwt.example": {-1, -1, -1, -1, -1, 1}}, got, cmp.AllowUnexported(figure{})); diff != "" {
		t.Error(diff)
	}
}

// Rows of a domain that was taken out of hosts are counted in one warning.
func TestDomainsThatAreNotServed(t *testing.T) {
	rows := append(schema(), lastRow("a.example", "u", now), lastRow("gone.example", "v", now), accountRow("movim%2eeu", "w"), sessionRow("gone.example", "v", "n", now))
	const yml = "hosts: [a.example]\ndefault_db: sql\nsm_db_type: sql\nmodules: {mod_last: {}}"
	want := map[string]figure{"a.example": {1, 1, 1, -1, -1, -1}}
	for _, withAPI := range []bool{false, true} {
		o := configured(t, yml, rows...)
		if withAPI { // which says what is served, without ejabberd.yml
			o = ejabberd.Options{Databases: o.Databases, API: replay(t, server(map[string][]string{"a.example": nil}, "[]"))}
			o.Databases[0].Host = ""
			want["a.example"] = figure{1, 1, 1, -1, -1, 0}
		}
		got, facts, err := read(t, o, now)
		must.Succeed(t, err)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(figure{})); diff != "" {
			t.Errorf("with the API: %v (-want +got):\n%s", withAPI, diff)
		}
		if diff := cmp.Diff([]string{"records of 2 domains are left out: the server does not serve them"}, facts.Warnings); diff != "" {
			t.Error(diff)
		}
	}
}

// ejabberd was killed and left its sessions behind. Those of a node that has not had
// a new session for a day are not believed.
func TestSessionsOfAKilledNode(t *testing.T) {
	const yml = "hosts: [a.example]\ndefault_db: sql\nsm_db_type: sql\nmodules: {mod_last: {}}"
	long := now.AddDate(0, 0, -90)
	for name, c := range map[string]struct {
		sessions []string
		want     figure
		warnings int
	}{
		"90 days ago":               {[]string{sessionRow("a.example", "u", "n1", long), sessionRow("a.example", "v", "n1", long)}, figure{0, 0, 1, 2, 0, -1}, 1},
		"it runs":                   {[]string{sessionRow("a.example", "u", "n1", long), sessionRow("a.example", "v", "n1", now.Add(-time.Hour))}, figure{2, 2, 2, 2, 0, 2}, 0},
		"one of two":                {[]string{sessionRow("a.example", "u", "n1", long), sessionRow("a.example", "v", "n2", now)}, figure{1, 1, 2, 2, 0, 1}, 1},
		"one user on both":          {[]string{sessionRow("a.example", "v", "n1", now), sessionRow("a.example", "v", "n2", now)}, figure{1, 1, 2, 2, 0, 1}, 0},
		"sessions of another place": {nil, figure{0, 0, 1, 2, 0, -1}, 0},
	} {
		rows := append(schema(), accountRow("a.example", "u"), accountRow("a.example", "v"), lastRow("a.example", "u", now.AddDate(0, 0, -10)))
		got, facts, err := read(t, configured(t, yml, append(rows, c.sessions...)...), now)
		must.Succeed(t, err)
		if diff := cmp.Diff(map[string]figure{"a.example": c.want}, got, cmp.AllowUnexported(figure{})); diff != "" || len(facts.Warnings) != c.warnings {
			t.Errorf("%s (-want +got):\n%s\nwarnings %q", name, diff, facts.Warnings)
		}
	}
	// The table is there, but sessions are in Mnesia.
	rows := append(schema(), accountRow("a.example", "u"), lastRow("a.example", "u", now.AddDate(0, 0, -10)), sessionRow("a.example", "u", "n", now))
	got, _, err := read(t, configured(t, strings.Replace(yml, "sm_db_type: sql\n", "", 1), rows...), now)
	must.Succeed(t, err)
	if diff := cmp.Diff(map[string]figure{"a.example": {0, 0, 1, 1, 0, -1}}, got, cmp.AllowUnexported(figure{})); diff != "" {
		t.Error(diff)
	}
}
