package sqldb_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

func TestParseSource(t *testing.T) {
	for location, want := range map[string]string{
		"sqlite:/var/lib/homeserver.db":                            "sqlite:/var/lib/homeserver.db",
		"sqlite:///var/lib/homeserver.db":                          "sqlite:/var/lib/homeserver.db",
		"sqlite:homeserver.db":                                     "sqlite:homeserver.db",
		"postgres://u:secret@db:5433/synapse?sslmode=disable":      "postgres://u@db:5433/synapse",
		"postgresql://u@db/synapse?password=secret":                "postgresql://u@db/synapse",
		"mysql://u:secret@db:3307/prosody?tls=true":                "mysql://u@db:3307/prosody",
		"mysql://u@/prosody?socket=/run/mysqld/mysqld.sock":        "mysql://u@/prosody",
		"postgres:///synapse?host=/run/postgresql&password=secret": "postgres:///synapse",
	} {
		source, err := sqldb.ParseSource(location)
		if err != nil || source.String() != want {
			t.Errorf("%s: %s and error %v, want %s", location, source, err, want)
		}
	}
	for location, says := range map[string]string{
		"":                                     "not a database location",
		"/var/lib/homeserver.db":               "not a database location",
		"sqlite:":                              "no file named",
		"mongodb://u:secret@h/db":              "databases of kind \"mongodb\" cannot be read",
		"mysql://u:secret@h":                   "no database named",
		"mysql://u:secret%zz@h/db":             "not a valid URL",
		"mysql://u:secret@h/db?tls=perhaps":    "tls=perhaps: want true, skip-verify or preferred",
		"mysql://u:secret@h/db?charset=utf8":   "option charset is not known",
		"postgres:secret":                      "not a valid URL",
		"postgres://u:secret%zz@h/db":          "not a valid URL",
		"postgres://u:secret@h:port/db":        "not a valid URL",
		"postgres://u:secret@h/db?sslmode=hmm": "sslmode is invalid",
	} {
		_, err := sqldb.ParseSource(location)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one that says %q and no secret", location, err, says)
		}
	}
}

// The zero Source is a mistake of ours: it must not read what happens to run at
// libpq's default address.
func TestNoDatabase(t *testing.T) {
	var none sqldb.Source
	called := false
	err := none.Read(t.Context(), sqldb.Options{}, func(context.Context, sqldb.View) error { called = true; return nil })
	if called || err == nil || !strings.Contains(err.Error(), "no database is configured") || !none.IsZero() || none.String() != "no database" {
		t.Errorf("%s: read %t, error %v", none, called, err)
	}
}

func TestPasswordsAreNeverPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		password := rapid.StringMatching(`[a-zA-Z0-9:/?#@%'" ]{8,20}`).Draw(t, "password")
		location := rapid.SampledFrom([]string{
			"postgres://u:%s@127.0.0.1:1/db?connect_timeout=1", "postgres://u@127.0.0.1:1/db?password=%s", "postgres://%s", "postgres:%s", "mysql://u:%s@h/db",
		}).Draw(t, "location")
		location = fmt.Sprintf(location, password)
		source, err := sqldb.ParseSource(location)
		if err == nil {
			err = source.Read(context.Background(), sqldb.Options{}, func(context.Context, sqldb.View) error { return nil })
		}
		printed := fmt.Sprintf("%s %v %+v %#v %v %+v", source, source, source, struct{ S sqldb.Source }{source}, err, err)
		if location != "postgres://"+password && strings.Contains(printed, password) {
			t.Fatalf("%q is in %q", password, printed)
		}
	})
}

func TestPostgreSQL(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	stranger := fmt.Sprintf("stranger_%d", os.Getpid()) // the server may not be ours alone
	dbtest.Exec(t, location, `CREATE TABLE users (name text)`, `INSERT INTO users VALUES ('a'), ('b'), ('c')`,
		`CREATE ROLE `+stranger+` LOGIN`)
	t.Cleanup(func() { dbtest.Exec(t, location, `DROP ROLE `+stranger) })
	with := func(change func(*url.URL)) string {
		u, err := url.Parse(location)
		must.Succeed(t, err)
		change(u)
		return u.String()
	}
	read := func(t *testing.T, location string, statement string) (n int, err error) {
		t.Helper()
		source, err := sqldb.ParseSource(location)
		must.Succeed(t, err)
		err = source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
			if view.Engine != sqldb.PostgreSQL || view.Version == "" {
				t.Errorf("engine %q, version %q", view.Engine, view.Version)
			}
			return view.GetContext(ctx, &n, statement)
		})
		return n, err
	}
	t.Run("reads", func(t *testing.T) {
		if n, err := read(t, location, `SELECT COUNT(*) FROM users`); err != nil || n != 3 {
			t.Errorf("%d users and error %v, want 3", n, err)
		}
	})
	t.Run("says who it is", func(t *testing.T) {
		n, err := read(t, location, `SELECT COUNT(*) FROM pg_stat_activity WHERE pid = pg_backend_pid() AND application_name = 'active_users_exporter'`)
		if err != nil || n != 1 {
			t.Errorf("%d connections and error %v, want 1", n, err)
		}
	})
	t.Run("limits itself", func(t *testing.T) {
		n, err := read(t, location, `SELECT COUNT(*) FROM pg_settings WHERE (name, setting) IN
			(('statement_timeout', '300000'), ('lock_timeout', '1000'), ('transaction_read_only', 'on'), ('transaction_isolation', 'repeatable read'))`)
		if err != nil || n != 4 {
			t.Errorf("%d of the settings and error %v, want 4", n, err)
		}
	})
	for name, c := range map[string]struct{ location, statement, reason, says string }{
		"writes":           {location, `DELETE FROM users RETURNING 1`, "unexpected", "read-only transaction"},
		"no such table":    {location, `SELECT 1 FROM nowhere`, "unexpected", `relation "nowhere" does not exist`},
		"no permission":    {with(func(u *url.URL) { u.User = url.User(stranger) }), `SELECT COUNT(*) FROM users`, "denied", "GRANT SELECT"},
		"no such user":     {with(func(u *url.URL) { u.User = url.User("nobody_at_all") }), `SELECT 1`, "denied", "nobody_at_all"},
		"no such database": {with(func(u *url.URL) { u.Path = "/nowhere" }), `SELECT 1`, "unreachable", "check the name of the database"},
		"nobody listens":   {"postgres://u@127.0.0.1:1/db", `SELECT 1`, "unreachable", "cannot connect"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(t, c.location, c.statement)
			if string(failure.Of(err)) != c.reason || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want reason %q and %q", err, c.reason, c.says)
			}
		})
	}
}

// Row-level security hides rows without an error, unless it is asked for one: users
// would be too few.
func TestRowLevelSecurityIsAnError(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	role := fmt.Sprintf("reader_%d", time.Now().UnixNano())
	dbtest.Exec(t, location, "CREATE TABLE seen (name text)", "INSERT INTO seen VALUES ('a'), ('b')", "CREATE ROLE "+role+" LOGIN", "GRANT SELECT ON seen TO "+role)
	t.Cleanup(func() { dbtest.Exec(t, location, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	u, err := url.Parse(location)
	must.Succeed(t, err)
	u.User = url.User(role)
	source, err := sqldb.ParseSource(u.String())
	must.Succeed(t, err)
	counts := map[string]func(ctx context.Context, view sqldb.View, n *int) error{
		"by a query": func(ctx context.Context, view sqldb.View, n *int) error {
			return view.GetContext(ctx, n, `SELECT COUNT(*) FROM seen`)
		},
		"by a stream": func(ctx context.Context, view sqldb.View, n *int) error {
			return view.Stream(ctx, `SELECT name FROM seen`, 1, func(*sqldb.Row) { *n++ })
		},
	}
	for name, count := range counts {
		read := func() (n int, err error) {
			err = source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error { return count(ctx, view, &n) })
			return n, err
		}
		if n, err := read(); err != nil || n != 2 {
			t.Errorf("%s: %d rows and error %v, want 2", name, n, err)
		}
		dbtest.Exec(t, location, "ALTER TABLE seen ENABLE ROW LEVEL SECURITY")
		if _, err := read(); failure.Of(err) != failure.Denied || !strings.Contains(err.Error(), "BYPASSRLS") {
			t.Errorf("%s: error %v, want one that says what to do", name, err)
		}
		dbtest.Exec(t, location, "ALTER ROLE "+role+" BYPASSRLS")
		if n, err := read(); err != nil || n != 2 {
			t.Errorf("%s, as a role that sees all rows: %d rows and error %v, want 2", name, n, err)
		}
		dbtest.Exec(t, location, "ALTER ROLE "+role+" NOBYPASSRLS", "ALTER TABLE seen DISABLE ROW LEVEL SECURITY")
	}
}

// A table that somebody has locked is not waited for.
func TestMySQLDoesNotWaitForLocks(t *testing.T) {
	location := dbtest.MariaDB(t)
	dbtest.ExecMySQL(t, location, "CREATE TABLE users (name text)")
	unlock := dbtest.LockMySQL(t, location, "users")
	source, err := sqldb.ParseSource(location)
	must.Succeed(t, err)
	err = source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
		var n, limit int
		must.Succeed(t, view.GetContext(ctx, &limit, `SELECT @@lock_wait_timeout`))
		if limit != 1 {
			t.Errorf("waits %d seconds for a lock, want 1", limit)
		}
		return view.GetContext(ctx, &n, `SELECT COUNT(*) FROM users`)
	})
	if failure.Of(err) != failure.Locked {
		t.Errorf("error %v, want that the table is locked", err)
	}
	unlock()
}

func TestMySQL(t *testing.T) {
	location := dbtest.MariaDB(t)
	stranger := fmt.Sprintf("stranger_%d", os.Getpid()) // the server may not be ours alone
	dbtest.ExecMySQL(t, location, "CREATE TABLE users (name text)", "INSERT INTO users VALUES ('a'), ('b'), ('c')",
		"CREATE USER "+stranger+"@'%'", "GRANT CREATE VIEW ON *.* TO "+stranger+"@'%'")
	t.Cleanup(func() { dbtest.ExecMySQL(t, location, "DROP USER "+stranger+"@'%'") })
	with := func(change func(*url.URL)) string {
		u, err := url.Parse(location)
		must.Succeed(t, err)
		change(u)
		return u.String()
	}
	for name, c := range map[string]struct {
		location, statement string
		want                int
		reason, says        string
	}{
		"reads":            {location, `SELECT COUNT("name") FROM users`, 3, "", ""},
		"writes":           {location, `DELETE FROM users`, 0, "unexpected", "READ ONLY transaction"},
		"no such table":    {location, `SELECT 1 FROM nowhere`, 0, "unexpected", "doesn't exist"},
		"no permission":    {with(func(u *url.URL) { u.User = url.User(stranger) }), `SELECT COUNT(*) FROM users`, 0, "denied", "GRANT SELECT"},
		"wrong password":   {with(func(u *url.URL) { u.User = url.UserPassword(stranger, "secret") }), `SELECT 1`, 0, "denied", "check user and password"},
		"no such database": {with(func(u *url.URL) { u.Path = "/nowhere" }), `SELECT 1`, 0, "unreachable", "check the name of the database"},
		"nobody listens":   {"mysql://u:secret@127.0.0.1:1/db", `SELECT 1`, 0, "unreachable", "cannot connect"},
	} {
		source, err := sqldb.ParseSource(c.location)
		must.Succeed(t, err)
		n := 0
		err = source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
			if view.Engine != sqldb.MySQL || view.Version == "" {
				t.Errorf("engine %q, version %q", view.Engine, view.Version)
			}
			return view.GetContext(ctx, &n, c.statement)
		})
		switch {
		case c.reason == "" && (err != nil || n != c.want):
			t.Errorf("%s: %d and error %v, want %d", name, n, err, c.want)
		case c.reason != "" && (string(failure.Of(err)) != c.reason || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%s: error %v, want reason %q and %q", name, err, c.reason, c.says)
		}
	}
}
