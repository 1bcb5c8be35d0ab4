package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
	"active_users_exporter/test/must"
)

// sharedStorage returns a configuration file with a Synapse and a database for its history,
// the location of the database, and the file of the key.
func sharedStorage(t *testing.T) (file, location, key string) {
	t.Helper()
	records, location := realRecords(t), dbtest.PostgreSQL(t)
	file, key = filepath.Join(t.TempDir(), "active_users.yml"), filepath.Join(t.TempDir(), "key")
	must.WriteFile(t, file, fmt.Sprintf("storage: {path: '%s', key_file: '%s'}\nservers: [{software: synapse, from: 'sqlite:%s/homeserver.db'}]\n", location, key, records))
	return file, location, key
}

// tablesIn counts the tables of a database.
func tablesIn(t *testing.T, location string) (n int) {
	t.Helper()
	db := must.Get(sqldb.OpenPostgreSQL(location))(t)
	defer func() { _ = db.Close() }()
	must.Succeed(t, db.GetContext(t.Context(), &n, `SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'`))
	return n
}

// Commands that look at a database in which nothing is recorded yet say so, show what the
// chat server keeps itself, and make nothing: neither tables nor a key.
func TestLookingAtAnEmptyDatabaseMakesNothing(t *testing.T) {
	t.Setenv("ACTIVE_USERS_NOW", "1794236747")
	file, location, key := sharedStorage(t)
	for _, c := range []struct{ command, prints, says string }{
		{"report", "synapse", ""},
		{"report --month=2026-10", "sqlite.lab.test", "nothing is recorded yet"},
		{"backfill --from=2026-11-01 --to=2026-11-02", "chat_r30v2_users", "nothing is recorded yet"},
		{"check-config", "storage " + must.Get(storage.Parse(location))(t).String() + ": ok", ""},
	} {
		var out, log bytes.Buffer
		code := run(append(strings.Fields(c.command), "--config.file="+file), &out, &log)
		if !strings.Contains(out.String(), c.prints) || !strings.Contains(log.String(), c.says) || code != exitOK {
			t.Errorf("%s: exit code %d, want %q and %q:\n%s\n%s", c.command, code, c.prints, c.says, &log, &out)
		}
		if c.says == "" && strings.Contains(log.String(), "history") {
			t.Errorf("%s says %s", c.command, &log)
		}
		if n := tablesIn(t, location); n != 0 {
			t.Errorf("%s made %d tables", c.command, n)
		}
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("a key was made")
	}
}

// check-config compares the key with the one that a shared history was recorded with, and
// leaves alone what an earlier exporter has made.
func TestCheckConfigKnowsTheKeyOfADatabase(t *testing.T) {
	t.Setenv("ACTIVE_USERS_NOW", "1794236747")
	file, location, key := sharedStorage(t)
	store := history.New(must.Get(storage.Parse(location))(t), key)
	_ = must.Get(store.Load(t.Context(), "synapse", activity.NewCalendar(store.Key(), activity.SynapseClasses()), activity.SynapseClasses()))(t)
	must.Succeed(t, store.Close())
	check := func(when, says string, want int) {
		t.Helper()
		var out, log bytes.Buffer
		if code := run([]string{"check-config", "--config.file=" + file}, &out, &log); code != want || !strings.Contains(out.String(), says) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s%s", when, code, want, says, &out, &log)
		}
	}
	check("the right key", ": ok", exitOK)
	right := must.ReadFile(t, key)
	must.WriteFile(t, key, "another key whatever it may be"[:len(right)])
	check("another key", "the history was recorded with another key than that in "+key, exitFault)
	must.WriteFile(t, key, right)
	dbtest.Exec(t, location, `UPDATE history_schema SET version = 1`, `DROP TABLE history_key`)
	check("of an earlier exporter", ": ok", exitOK)
	var out, log bytes.Buffer
	if code := run([]string{"report", "--month=2026-10", "--config.file=" + file}, &out, &log); code != exitFault || !strings.Contains(log.String(), "written by an earlier exporter: start serve") {
		t.Errorf("exit code %d: %s", code, &log)
	}
}
