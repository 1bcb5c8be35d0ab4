package collector_test

import (
	"context"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/mongooseim"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
	"active_users_exporter/test/samples"
)

// A sample is what a real XMPP server has written, until a moment: a reader of it, and its
// accounts by domain, by plain SQL or by looking into every file.
type sample struct {
	until    int64
	reader   func() collector.Reader
	accounts map[string]residents
}

// asked returns accounts by plain SQL: rows of a domain, a user, 1 if there is a record of
// activity that says "never", and the newest moment, 0 for none.
func asked(t *testing.T, source sqldb.Source, query string) map[string]residents {
	t.Helper()
	all := make(map[string]residents)
	must.Succeed(t, source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
		var rows []struct {
			Domain, Username string
			Never            int
			Seen             int64
		}
		if err := view.SelectContext(ctx, &rows, query); err != nil {
			return err
		}
		for _, row := range rows {
			add(all, row.Domain, row.Username, row.Never == 1, row.Seen)
		}
		return nil
	}))
	return all
}

func add(all map[string]residents, domain, user string, never bool, seen int64) {
	r := resident{account: true}
	switch {
	case seen > 0:
		r.record, r.seen = "seen", time.Unix(seen, 0)
	case never:
		r.record = "never"
	}
	if all[domain] == nil {
		all[domain] = make(residents)
	}
	all[domain][user] = r
}

// walked returns the accounts in a data directory of Prosody.
func walked(t *testing.T, data string) map[string]residents {
	t.Helper()
	login := regexp.MustCompile(`\["log(?:in|out)"\] = \{\s*\["timestamp"\] = (\d+)`)
	all := make(map[string]residents)
	for _, path := range must.Get(fs.Glob(os.DirFS(data), "*/accounts/*.dat"))(t) {
		parts := strings.Split(path, "/")
		record, _ := os.ReadFile(filepath.Join(data, parts[0], "lastlog2", parts[2]))
		seen := 0
		for _, found := range login.FindAllSubmatch(record, -1) {
			seen = max(seen, must.Get(strconv.Atoi(string(found[1])))(t))
		}
		add(all, must.Get(url.PathUnescape(parts[0]))(t), parts[2], strings.Contains(string(record), `["registered"]`), int64(seen))
	}
	return all
}

// prosodyAccounts asks the table of a Prosody; timestamp is an expression for that of a row.
func prosodyAccounts(timestamp string) string {
	return `SELECT host AS domain, "user" AS username, MAX(CASE WHEN store = 'lastlog2' AND "key" = 'registered' THEN 1 ELSE 0 END) AS never,
			MAX(CASE WHEN store = 'lastlog2' AND "key" IN ('login', 'logout') THEN ` + timestamp + ` ELSE 0 END) AS seen
		FROM prosody WHERE store IN ('accounts', 'lastlog2') GROUP BY host, "user" HAVING MAX(CASE WHEN store = 'accounts' THEN 1 ELSE 0 END) = 1`
}

// xmppSamples are samples of all XMPP servers.
func xmppSamples() map[string]func(t *testing.T) sample {
	prosodyIn := func(t *testing.T, location, timestamp string, until int64) sample {
		t.Helper()
		source := must.Get(sqldb.ParseSource(location))(t)
		return sample{until, func() collector.Reader {
			return prosody.New(prosody.Options{Database: source}, activity.SynapseClasses())
		}, asked(t, source, prosodyAccounts(timestamp))}
	}
	unzipped := func(t *testing.T, path string) string {
		t.Helper()
		at := filepath.Join(t.TempDir(), "db")
		must.WriteFile(t, at, string(must.Gunzip(t, path)))
		return "sqlite:" + at
	}
	dumped := func(t *testing.T, path string, statements ...string) string {
		t.Helper()
		location := dbtest.PostgreSQL(t)
		dbtest.LoadDump(t, location, path)
		dbtest.Exec(t, location, statements...)
		return location
	}
	const (
		prosodyUntil = 1_752_000_000
		ejabberdOf   = `CASE WHEN state LIKE 'Registered but didn%' THEN 1 ELSE 0 END AS never, CASE WHEN state NOT LIKE 'Registered but didn%' THEN CAST(seconds AS bigint) ELSE 0 END AS seen`
	)
	return map[string]func(t *testing.T) sample{
		"Prosody 0.12, files": func(t *testing.T) sample {
			folder := t.TempDir()
			must.Succeed(t, samples.Untar("prosody/testdata/12-int/data_online.tar.gz", folder, map[string]string{"data": "prosody"}))
			data := filepath.Join(folder, "prosody")
			return sample{prosodyUntil, func() collector.Reader {
				return prosody.New(prosody.Options{DataPath: data}, activity.SynapseClasses())
			}, walked(t, data)}
		},
		"Prosody 0.12, PostgreSQL": func(t *testing.T) sample {
			return prosodyIn(t, dumped(t, "prosody/testdata/12-pg/pg_dump_online.sql.gz"), `(value::json ->> 'timestamp')::bigint`, prosodyUntil)
		},
		"Prosody 13, SQLite": func(t *testing.T) sample {
			return prosodyIn(t, unzipped(t, "prosody/testdata/13/prosody_online.sqlite.gz"), `CAST(json_extract(value, '$.timestamp') AS INTEGER)`, prosodyUntil)
		},
		"ejabberd 23.01, SQLite": func(t *testing.T) sample {
			source := must.Get(sqldb.ParseSource(unzipped(t, "ejabberd/testdata/23.01-alpha.sqlite.gz")))(t)
			return sample{1795229500, func() collector.Reader {
				return ejabberd.New(ejabberd.Options{Databases: []ejabberd.Database{{Source: source, Host: "alpha.example"}}})
			}, asked(t, source, `SELECT 'alpha.example' AS domain, username, `+ejabberdOf+` FROM users JOIN last USING (username)`)}
		},
		"ejabberd 26.07, PostgreSQL": func(t *testing.T) sample { // without its accounts
			source := must.Get(sqldb.ParseSource(dumped(t, "ejabberd/testdata/26.07-last-after-graceful-restart.sql.gz",
				`CREATE TABLE public.users AS SELECT username, server_host, 1 AS type, now()::timestamp AS created_at FROM public.last`)))(t)
			return sample{1795229500, func() collector.Reader {
				return ejabberd.New(ejabberd.Options{Databases: []ejabberd.Database{{Source: source}}})
			}, asked(t, source, `SELECT server_host AS domain, username, `+ejabberdOf+` FROM last`)}
		},
		"MongooseIM, PostgreSQL": func(t *testing.T) sample { // without its accounts
			source := must.Get(sqldb.ParseSource(dumped(t, "mongooseim/testdata/mim-pg-last-spread.sql.gz",
				`CREATE TABLE public.users AS SELECT server, username, now()::timestamp AS created_at FROM public.last
					UNION SELECT server, 'newcomer', now()::timestamp FROM public.last`)))(t)
			return sample{1795229483, func() collector.Reader {
				return mongooseim.New(mongooseim.Options{Database: source})
			}, asked(t, source, `SELECT users.server AS domain, users.username, 0 AS never, COALESCE(seconds, 0) AS seen
				FROM users LEFT JOIN last ON last.server = users.server AND last.username = users.username`)}
		},
	}
}

// On what real XMPP servers have written, ages of accounts are those of plain SQL, at the
// moment of the records and later, and types of users add up.
func TestAgesOfSamplesEqualANaiveModel(t *testing.T) {
	for name, of := range xmppSamples() {
		t.Run(name, func(t *testing.T) {
			s := of(t)
			for _, days := range []int{0, 1, 29, 100, 380, 1000} {
				at := time.Unix(s.until, 0).UTC().AddDate(0, 0, days)
				reader := s.reader()
				refresher := xmppRefresher(reader, &at)
				must.Succeed(t, refresher.Refresh(t.Context()))
				must.Succeed(t, reader.Close())
				compared := make(map[string]bool)
				for _, d := range refresher.Status().Snapshot.Domains {
					if len(s.accounts[d.Name]) > 0 {
						compareAges(t, s.accounts[d.Name], at, at, d)
						compared[d.Name] = true
					}
				}
				if len(compared) < len(s.accounts) || len(compared) == 0 {
					t.Errorf("compared are %v, want %v", slices.Sorted(maps.Keys(compared)), slices.Sorted(maps.Keys(s.accounts)))
				}
			}
		})
	}
}
