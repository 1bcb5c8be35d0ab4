package history_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
	"active_users_exporter/test/must"
)

// earlierTables are those of the first version, in PostgreSQL, with their columns.
const earlierTables = `
CREATE TABLE history_schema (version INTEGER NOT NULL);
CREATE TABLE history_domains (
	server TEXT NOT NULL, domain TEXT NOT NULL, id INTEGER NOT NULL, saved_at BIGINT NOT NULL, anew_at BIGINT NOT NULL,
	recorded_since BIGINT, rules TEXT NOT NULL, PRIMARY KEY (server, domain)
);
CREATE TABLE history_users (domain INTEGER NOT NULL, part INTEGER NOT NULL, users BYTEA NOT NULL, PRIMARY KEY (domain, part));
CREATE TABLE history_last_seen (domain INTEGER NOT NULL, part INTEGER NOT NULL, moments BYTEA NOT NULL, PRIMARY KEY (domain, part));
CREATE TABLE history_visits (
	domain INTEGER NOT NULL, day BIGINT NOT NULL, client TEXT NOT NULL, visits BIGINT NOT NULL, users BYTEA NOT NULL,
	PRIMARY KEY (domain, day, client)
)`

// A history of the first version, which an earlier exporter wrote, has the same
// figures in a database as in a folder; a key that is missing is not made for it.
func TestAnEarlierHistoryInADatabase(t *testing.T) {
	url, folder := dbtest.PostgreSQL(t), t.TempDir()
	for _, name := range []string{"history.db", "key"} {
		must.WriteFile(t, filepath.Join(folder, name), must.ReadFile(t, filepath.Join("../../testdata/earlier", name)))
	}
	from := must.Get(sqldb.CreateSQLite(filepath.Join(folder, "history.db")))(t)
	to := must.Get(sqldb.OpenPostgreSQL(url))(t)
	for statement := range strings.SplitSeq(earlierTables, ";") {
		_ = must.Get(to.ExecContext(t.Context(), statement))(t)
	}
	rows := 0
	for _, table := range []string{"history_schema", "history_domains", "history_users", "history_last_seen", "history_visits"} {
		rows += copyRows(t, from, to, table)
	}
	must.Succeed(t, from.Close())
	must.Succeed(t, to.Close())
	if rows < 300 {
		t.Fatalf("only %d rows", rows)
	}

	location := must.Get(storage.Parse(url))(t)
	none := history.New(location, filepath.Join(folder, "none"))
	if _, err := none.Load(t.Context(), "prosody", newCalendar(none), activity.SynapseClasses()); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("error %v without a key, want a sentence", err)
	}
	must.Succeed(t, none.Close())
	if _, err := os.Stat(filepath.Join(folder, "none")); err == nil {
		t.Error("a key was made")
	}
	figuresOf := func(s *history.Store) map[string]any {
		all := make(map[string]any)
		for _, server := range []string{"prosody", "synapse"} {
			cal := newCalendar(s)
			loaded := must.Get(s.Load(t.Context(), server, cal, activity.SynapseClasses()))(t)
			for _, domain := range []string{"example.org", "sqlite.lab.test"} {
				all[server+" "+domain] = figures(cal, domain)
				all[server+" "+domain+" observed"] = cal.ObservedDays(domain, noon)
			}
			all[server] = fmt.Sprint(loaded.At.Unix(), loaded.Damage)
		}
		must.Succeed(t, s.Close())
		return all
	}
	key := filepath.Join(folder, "key")
	if diff := cmp.Diff(figuresOf(history.New(storage.Folder(folder), "")), figuresOf(history.New(location, key))); diff != "" {
		t.Errorf("-folder +database:\n%s", diff)
	}
}

// copyRows copies a table and returns how many rows it has.
func copyRows(t *testing.T, from, to *sqlx.DB, table string) (rows int) {
	t.Helper()
	all := must.Get(from.QueryxContext(t.Context(), `SELECT * FROM `+table))(t)
	defer func() { must.Succeed(t, all.Close()) }()
	for all.Next() {
		row := must.Get(all.SliceScan())(t)
		insert := `INSERT INTO ` + table + ` VALUES (?` + strings.Repeat(`, ?`, len(row)-1) + `)`
		_ = must.Get(to.ExecContext(t.Context(), to.Rebind(insert), row...))(t)
		rows++
	}
	must.Succeed(t, all.Err())
	return rows
}
