package collector_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/must"
)

// roll notes who was said to be active and who was said to exist.
type roll struct {
	activity.Recorder
	seen, exist map[string]bool
}

func (r *roll) Seen(domain, user []byte, client activity.Client, at time.Time) {
	r.seen[string(user)] = true
	r.Recorder.Seen(domain, user, client, at)
}

func (r *roll) Exists(_, user []byte, _ activity.Age) { r.exist[string(user)] = true }

// Readers say who has an account though no activity of theirs counts, so that nobody
// is taken for gone who is not: accounts that are disabled, were last used too long
// ago, by whatever clock, or never.
func TestReadersSayWhoExists(t *testing.T) {
	recent, ancient := now.Add(-time.Hour).Unix(), now.AddDate(0, 0, -500).Unix()
	for name, c := range map[string]struct {
		reader func(t *testing.T) collector.Reader
		exist  []string
	}{
		"Prosody, files": {func(t *testing.T) collector.Reader {
			c := newCommunity(t)
			c.logIn(time.Unix(recent, 0), "active", "disabled")
			c.logIn(time.Unix(ancient, 0), "ancient")
			c.write("accounts", "disabled", `["disabled"] = true;`)
			c.write("accounts", "never", `["iteration_count"] = 10000;`)
			must.Succeed(t, os.MkdirAll(filepath.Join(c.data, "example%2eorg", "clients"), 0o700))
			return prosody.New(prosody.Options{DataPath: c.data}, activity.SynapseClasses())
		}, []string{"ancient", "disabled", "never"}},
		"Prosody, SQL": {func(t *testing.T) collector.Reader {
			statements := []string{`CREATE TABLE prosody (host TEXT, "user" TEXT, store TEXT, "key" TEXT, type TEXT, value TEXT)`}
			row := func(user, store, key, kind, value string) {
				statements = append(statements, fmt.Sprintf(`INSERT INTO prosody VALUES ('example.org', '%s', '%s', '%s', '%s', '%s')`, user, store, key, kind, value))
			}
			for user, at := range map[string]int64{"active": recent, "disabled": recent, "ancient": ancient} {
				row(user, "lastlog2", "login", "json", fmt.Sprintf(`{"timestamp":%d}`, at))
			}
			for _, user := range []string{"active", "disabled", "ancient", "never"} {
				row(user, "accounts", "salt", "string", "x")
			}
			row("disabled", "accounts", "disabled", "boolean", "true")
			return prosody.New(prosody.Options{Database: databaseOf(t, statements...)}, activity.SynapseClasses())
		}, []string{"ancient", "disabled", "never"}},
		"ejabberd, SQL": {func(t *testing.T) collector.Reader {
			statements := []string{
				`CREATE TABLE last (server_host text, username text, seconds text, state text)`,
				`CREATE TABLE users (server_host text, username text, type integer, created_at text)`,
				fmt.Sprintf(`INSERT INTO last VALUES ('example.org', 'active', '%d', ''), ('example.org', 'ancient', '%d', ''), ('example.org', 'never', '%d', 'Registered but didn''t login')`, recent, ancient, recent),
			}
			return ejabberd.New(ejabberd.Options{Databases: []ejabberd.Database{{Source: databaseOf(t, statements...)}}})
		}, []string{"ancient", "never"}},
	} {
		t.Run(name, func(t *testing.T) {
			rec := &roll{activity.NewCalendar(activity.Key{}, activity.SynapseClasses()), map[string]bool{}, map[string]bool{}}
			reader := c.reader(t)
			facts := must.Get(reader.Read(t.Context(), time.Time{}, now, rec))(t)
			must.Succeed(t, reader.Close())
			if !facts.Complete || len(facts.Domains) != 1 || facts.Domains[0].Damaged != 0 {
				t.Fatalf("%+v, want one domain without damage", facts)
			}
			if diff := cmp.Diff(c.exist, slices.Sorted(maps.Keys(rec.exist))); diff != "" {
				t.Errorf("who exists without activity (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"active"}, slices.Sorted(maps.Keys(rec.seen))); diff != "" {
				t.Errorf("who is active (-want +got):\n%s", diff)
			}
		})
	}
}

// databaseOf makes an SQLite database.
func databaseOf(t *testing.T, statements ...string) sqldb.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "records.db")
	must.Succeed(t, writeSQLite(path, statements))
	return sourceOf(path)
}

// writeSQLite makes an SQLite database in place of one that may be there.
func writeSQLite(path string, statements []string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	db, err := sqldb.CreateSQLite(path)
	if err != nil {
		return err
	}
	all := "PRAGMA journal_mode = delete; PRAGMA synchronous = off; BEGIN;\n" + strings.Join(statements, ";\n") + "; COMMIT"
	if _, err := db.ExecContext(context.Background(), all); err != nil {
		return errors.Join(err, db.Close())
	}
	return db.Close()
}

func sourceOf(path string) sqldb.Source {
	source, err := sqldb.ParseSource("sqlite:" + path)
	if err != nil {
		panic(err)
	}
	return source
}
