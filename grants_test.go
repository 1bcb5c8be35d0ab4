package main

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
	"active_users_exporter/test/must"
)

// stranger makes a role that may do nothing in a database, and returns the location for
// it and for the owner.
func stranger(t *testing.T, dump string) (location, owner string) {
	t.Helper()
	owner = dbtest.PostgreSQL(t)
	if dump != "" {
		dbtest.LoadDump(t, owner, dump)
	}
	u := must.Get(url.Parse(owner))(t)
	role := fmt.Sprintf("stranger_%d", time.Now().UnixNano())
	dbtest.Exec(t, owner, "CREATE ROLE "+role+" LOGIN", "REVOKE CONNECT ON DATABASE "+strings.TrimPrefix(u.Path, "/")+" FROM PUBLIC", "REVOKE ALL ON SCHEMA public FROM PUBLIC")
	t.Cleanup(func() { dbtest.Exec(t, owner, "DROP OWNED BY "+role+" CASCADE", "DROP ROLE "+role) })
	u.User = url.User(role)
	return u.String(), owner
}

// checked runs check-config, and returns what it prints and the statements in it.
func checked(t *testing.T, file string) (said string, statements []string) {
	t.Helper()
	var out, log bytes.Buffer
	run([]string{"check-config", "--storage.path=", "--config.file=" + file}, &out, &log)
	if log.Len() > 0 {
		t.Errorf("besides what is printed, it says %s", log.String())
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "GRANT ") {
			statements = append(statements, strings.TrimSuffix(line, "\n"))
		}
	}
	return out.String(), statements
}

// A role that may do nothing gets all rights that are needed from the statements that
// check-config prints, pasted until none is left; they are no more than what is read.
func TestMissingGrantsCanBePasted(t *testing.T) {
	for _, c := range []struct{ name, software, dump, key, columns, secret string }{
		{"synapse", "synapse", "test/testdata/synapse/homeserver-pg-day31.sql.gz", "", "GRANT SELECT (user_id, user_agent, last_seen) ON public.user_ips TO ", "SELECT password_hash FROM users"},
		{"mas", "synapse", "collector/synapse/mas/testdata/mas-sample.sql.gz", "mas", "GRANT SELECT (user_id) ON mas.user_passwords TO ", "SELECT hashed_password FROM mas.user_passwords"},
		{"dendrite", "dendrite", "collector/dendrite/testdata/dendrite-pg.sql.gz", "", "GRANT SELECT ON public.userapi_daily_stats TO ", "SELECT password_hash FROM userapi_accounts"},
		{"prosody", "prosody", "collector/prosody/testdata/12-pg/pg_dump_online.sql.gz", "", "GRANT SELECT ON public.prosody TO ", ""},
		{"ejabberd", "ejabberd", "collector/ejabberd/testdata/26.07-last-while-clients-online.sql.gz", "", `ON public.last TO `, ""},
		{"mongooseim", "mongooseim", "collector/mongooseim/testdata/mim-pg-last.sql.gz", "", `ON public.last TO `, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			location, owner := stranger(t, c.dump)
			file := filepath.Join(t.TempDir(), "active_users.yml")
			server := fmt.Sprintf("{software: %s, from: '%s'}", c.software, location)
			if c.key != "" {
				records := realRecords(t)
				server = fmt.Sprintf("{software: %s, from: 'sqlite:%s/homeserver.db', %s: '%s&search_path=mas'}", c.software, records, c.key, location)
			}
			must.WriteFile(t, file, "servers: ["+server+"]\n")
			said, statements := checked(t, file)
			all := ""
			for range 5 { // CONNECT first, then the rest
				if len(statements) == 0 {
					break
				}
				all += strings.Join(statements, "\n")
				dbtest.Exec(t, owner, statements...)
				said, statements = checked(t, file)
			}
			if len(statements) > 0 || strings.Contains(said, "NOT OK") || strings.Contains(said, "no permission") || strings.Contains(said, "unknown without") {
				t.Errorf("after all statements it says\n%s", said)
			}
			for _, want := range []string{"GRANT CONNECT ON DATABASE ", "GRANT USAGE ON SCHEMA ", c.columns} {
				if !strings.Contains(all, want) {
					t.Errorf("%q is not among the statements:\n%s", want, all)
				}
			}
			if c.secret != "" {
				refusedFor(t, location, c.secret)
			}
		})
	}
}

// refusedFor makes sure that a role may not execute a statement.
func refusedFor(t *testing.T, location, statement string) {
	t.Helper()
	db := must.Get(sqldb.OpenPostgreSQL(location))(t)
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("%s: %v, want that it is refused", statement, err)
	}
}

// The exporter's own database: rights to make the tables, and to use those that another
// role has made.
func TestMissingGrantsOfTheStorage(t *testing.T) {
	location, owner := stranger(t, "")
	folder := t.TempDir()
	file := filepath.Join(folder, "active_users.yml")
	must.WriteFile(t, file, "storage: {path: '"+location+"', key_file: key}\nservers: [{software: synapse, from: 'sqlite:"+realRecords(t)+"/homeserver.db'}]\n")
	open := func(location string) error {
		store := history.New(must.Get(storage.Parse(location))(t), filepath.Join(folder, "key"))
		_, err := store.Load(t.Context(), "synapse", activity.NewCalendar(store.Key(), activity.SynapseClasses()), activity.SynapseClasses())
		return closed(store, err)
	}
	if said, _ := checked(t, file); !strings.Contains(said, "NOT OK: ") || !strings.Contains(said, "permission denied for database") {
		t.Errorf("without CONNECT it says\n%s", said)
	}
	role := must.Get(url.Parse(location))(t).User.Username()
	dbtest.Exec(t, owner, "GRANT CONNECT ON DATABASE "+strings.TrimPrefix(must.Get(url.Parse(owner))(t).Path, "/")+" TO "+role)
	must.Succeed(t, open(owner)) // whose tables the role may not use
	said, statements := checked(t, file)
	if !strings.Contains(said, "GRANT USAGE, CREATE ON SCHEMA public TO "+role+";") || !strings.Contains(said, "GRANT SELECT, INSERT, UPDATE, DELETE ON public.history_accounts, ") {
		t.Errorf("it says\n%s", said)
	}
	if err := open(location); err == nil {
		t.Error("the history can be used without rights")
	}
	dbtest.Exec(t, owner, statements...)
	must.Succeed(t, open(location))
	if said, _ := checked(t, file); !regexp.MustCompile(`^storage postgres://\S+: ok\n`).MatchString(said) {
		t.Errorf("with all rights it says\n%s", said)
	}
}

func closed(store *history.Store, err error) error {
	if closeErr := store.Close(); err == nil {
		return closeErr
	}
	return err
}

// check-config says what is wrong with the folder and the key, once, and changes nothing.
func TestCheckConfigLooksAtTheStorage(t *testing.T) {
	records := realRecords(t)
	server := "--server=synapse=sqlite:" + records + "/homeserver.db"
	filled := t.TempDir()
	store := history.New(storage.Folder(filled), "")
	_, err := store.Load(t.Context(), "synapse", activity.NewCalendar(store.Key(), activity.SynapseClasses()), activity.SynapseClasses())
	must.Succeed(t, closed(store, err))
	for _, c := range []struct {
		name  string
		spoil func(folder string)
		code  int
		says  string
	}{
		{"missing", func(folder string) { must.Succeed(t, os.Remove(folder)) }, exitOK, ": ok\n"},
		{"empty", func(string) {}, exitOK, ": ok\n"},
		{"a file", func(folder string) { must.Succeed(t, os.Remove(folder)); must.WriteFile(t, folder, "") }, exitFault, " is no folder"},
		{"half a key", func(folder string) { must.WriteFile(t, filepath.Join(folder, "key"), "short") }, exitFault, "is no key of a history: it has 5 bytes"},
		{"another key", func(folder string) {
			must.Succeed(t, os.CopyFS(folder, os.DirFS(filled)))
			must.WriteFile(t, filepath.Join(folder, "key"), "0123456789abcdef")
		}, exitFault, "the history was recorded with another key"},
		{"a damaged history", func(folder string) {
			must.WriteFile(t, filepath.Join(folder, "history.db"), strings.Repeat("no database", 100))
		}, exitFault, "file is not a database"},
		{"in use", func(folder string) {
			claim := must.Get(storage.Folder(folder).Claim("serve"))(t)
			t.Cleanup(func() { must.Succeed(t, claim.Release()) })
		}, exitOK, fmt.Sprintf(": ok, in use by process %d (serve)", os.Getpid())},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "data")
			must.Succeed(t, os.Mkdir(folder, 0o700))
			c.spoil(folder)
			before := tree(folder)
			t.Setenv("ACTIVE_USERS_NOW", "1794236747")
			var out, log bytes.Buffer
			code := run([]string{"check-config", server, "--storage.path=" + folder}, &out, &log)
			if code != c.code || strings.Count(out.String(), c.says) == 0 || log.Len() > 0 {
				t.Errorf("exit code %d, %s%s; want %d, %q", code, out.String(), log.String(), c.code, c.says)
			}
			if reason := strings.TrimPrefix(c.says, ": "); code != exitOK && strings.Count(out.String(), reason) != 1 {
				t.Errorf("it is said more than once:\n%s", out.String())
			}
			if after := tree(folder); after != before {
				t.Errorf("there is now %s, before %s", after, before)
			}
		})
	}
}

// tree lists what is in a folder.
func tree(folder string) string {
	var names []string
	entries, _ := os.ReadDir(folder) // none if it is missing
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return strings.Join(names, " ")
}
