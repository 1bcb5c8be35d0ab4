package collector_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/mongooseim"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/test/must"
)

// A resident is a user with an account on an XMPP server, or with a record of activity, or
// with both.
type resident struct {
	account, disabled bool
	record            string    // "": none; "never": one that says so; "seen"
	seen              time.Time // in whole seconds
	created           int64     // of the account, in Unix seconds; 0 if the server does not say
}

// age is that of the account by what the server has recorded, and the exporter since the day
// of its first refresh.
func (r resident) age(first, at time.Time) string {
	day := func(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
	switch r.record {
	case "":
		if created := time.Unix(r.created, 0); day(created).After(day(first)) && !day(created).After(day(at)) {
			return "never"
		}
		return "unknown"
	case "never":
		return "never"
	}
	names := []string{"0-7d", "7-30d", "30-90d", "90-180d", "180-365d"}
	days := int(at.Truncate(24*time.Hour).Sub(r.seen.Truncate(24*time.Hour)) / (24 * time.Hour))
	for i, below := range []int{7, 30, 90, 180, 365} {
		if days < below {
			return names[i]
		}
	}
	return "365d-"
}

type residents map[string]resident

// An xmppServer writes residents as a server has them, and reads them.
type xmppServer struct {
	write    func(path string, all residents) error
	read     func(path string) collector.Reader
	disables bool // accounts, and says when they were created, as Prosody 13
	// noNever is set if there are no records of people who never came.
	noNever bool
}

func xmppServers() map[string]xmppServer {
	const host = "example.org"
	sqlite := func(path string) ejabberd.Database {
		return ejabberd.Database{Source: sourceOf(path)}
	}
	return map[string]xmppServer{
		"Prosody with files": {write: writeProsodyFiles, read: func(path string) collector.Reader {
			return prosody.New(prosody.Options{DataPath: path}, activity.SynapseClasses())
		}, disables: true},
		"Prosody with SQL": {write: func(path string, all residents) error {
			rows := []string{`CREATE TABLE prosody (host TEXT, "user" TEXT, store TEXT, "key" TEXT, type TEXT, value TEXT)`}
			add := func(user, store, key, kind, value string) {
				rows = append(rows, fmt.Sprintf(`INSERT INTO prosody VALUES ('%s', '%s', '%s', '%s', '%s', '%s')`, host, user, store, key, kind, value))
			}
			for user, r := range all {
				if r.account {
					add(user, "accounts", "salt", "string", "x")
				}
				if r.disabled {
					add(user, "accounts", "disabled", "boolean", "true")
				}
				if r.account && r.created > 0 {
					add(user, "accounts", "created", "number", fmt.Sprint(r.created))
				}
				switch r.record {
				case "never":
					add(user, "lastlog2", "registered", "json", `{"timestamp":1000}`)
				case "seen":
					add(user, "lastlog2", "login", "json", fmt.Sprintf(`{"timestamp":%d}`, r.seen.Unix()))
				}
			}
			return writeSQLite(path, rows)
		}, read: func(path string) collector.Reader {
			return prosody.New(prosody.Options{Database: sourceOf(path)}, activity.SynapseClasses())
		}, disables: true},
		"ejabberd": {write: func(path string, all residents) error {
			rows := []string{
				`CREATE TABLE last (server_host text, username text, seconds text, state text)`,
				`CREATE TABLE users (server_host text, username text, type integer, created_at text)`,
			}
			for user, r := range all {
				for kind := 1; r.account && kind <= 1+len(user)%2; kind++ { // some have several stored passwords
					rows = append(rows, fmt.Sprintf(`INSERT INTO users VALUES ('%s', '%s', %d, '2020-01-01')`, host, user, kind))
				}
				switch r.record {
				case "never":
					rows = append(rows, fmt.Sprintf(`INSERT INTO last VALUES ('%s', '%s', '1000', 'Registered but didn''t login')`, host, user))
				case "seen":
					rows = append(rows, fmt.Sprintf(`INSERT INTO last VALUES ('%s', '%s', '%d', '')`, host, user, r.seen.Unix()))
				}
			}
			return writeSQLite(path, rows)
		}, read: func(path string) collector.Reader {
			return ejabberd.New(ejabberd.Options{Databases: []ejabberd.Database{sqlite(path)}})
		}},
		"MongooseIM": {write: func(path string, all residents) error {
			rows := []string{
				`CREATE TABLE last (server text, username text, seconds integer, state text)`,
				`CREATE TABLE users (server text, username text, created_at text)`,
			}
			for user, r := range all {
				if r.account {
					rows = append(rows, fmt.Sprintf(`INSERT INTO users VALUES ('%s', '%s', '2020-01-01')`, host, user))
				}
				if r.record == "seen" {
					rows = append(rows, fmt.Sprintf(`INSERT INTO last VALUES ('%s', '%s', %d, '')`, host, user, r.seen.Unix()))
				}
			}
			return writeSQLite(path, rows)
		}, read: func(path string) collector.Reader {
			return mongooseim.New(mongooseim.Options{Database: sourceOf(path)})
		}, noNever: true},
	}
}

// writeProsodyFiles writes the stores lastlog2 and accounts.
func writeProsodyFiles(path string, all residents) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	write := func(store, user, fields string) error {
		folder := filepath.Join(path, "example%2eorg", store)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, user+".dat"), []byte("return {\n"+fields+"\n};\n"), 0o600)
	}
	for user, r := range all {
		if r.account {
			fields := `["iteration_count"] = 10000;`
			if r.disabled {
				fields += ` ["disabled"] = true;`
			}
			if r.created > 0 {
				fields += fmt.Sprintf(` ["created"] = %d;`, r.created)
			}
			if err := write("accounts", user, fields); err != nil {
				return err
			}
		}
		var err error
		switch r.record {
		case "never":
			err = write("lastlog2", user, `["registered"] = { ["timestamp"] = 1000; };`)
		case "seen":
			err = write("lastlog2", user, fmt.Sprintf(`["login"] = { ["timestamp"] = %d; };`, r.seen.Unix()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// xmppRefresher refreshes by a clock that a test moves.
func xmppRefresher(reader collector.Reader, at *time.Time) *collector.Refresher {
	return collector.NewRefresher(collector.RefresherOptions{
		Server: "xmpp", Software: "any", Interval: time.Hour, StaleAfter: 3 * time.Hour, Reader: reader,
		Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(), Retention: activity.MaxWindow,
		Now: func() time.Time { return *at }, Logger: log.NewNopLogger(),
	})
}

// Whatever an XMPP server has recorded: each of its accounts has the age that its
// newest record says, and together they are all accounts, at the first refresh as at
// those that follow. A user with a record and no account has no age.
func TestDormancyOfXMPPServersEqualsANaiveModel(t *testing.T) {
	folder := t.TempDir()
	for name, server := range xmppServers() {
		t.Run(name, func(t *testing.T) {
			n := 0
			rapid.Check(t, func(t *rapid.T) {
				n++
				path := filepath.Join(folder, fmt.Sprint(name, n))
				defer func() { _ = os.RemoveAll(path) }()
				at := now
				reader := server.read(path)
				defer func() { _ = reader.Close() }()
				refresher := xmppRefresher(reader, &at)
				all := residents{
					"ada": {account: true, record: "seen", seen: at}, // so that there is a record
					"bob": {account: true},
				}
				for range rapid.IntRange(1, 3).Draw(t, "refreshes") {
					draw(t, server, all, at)
					if err := server.write(path, all); err != nil {
						t.Fatal(err)
					}
					if err := refresher.Refresh(t.Context()); err != nil {
						t.Fatal(err)
					}
					compareAges(t, all, now, at, refresher.Status().Snapshot.Domains[0])
					at = at.AddDate(0, 0, rapid.SampledFrom([]int{0, 1, 6, 30, 200}).Draw(t, "days until the next refresh"))
				}
			})
		})
	}
}

// draw changes some residents.
func draw(t *rapid.T, server xmppServer, all residents, at time.Time) {
	records := []string{"", "never", "seen", "seen"}
	if server.noNever {
		records[1] = ""
	}
	for range rapid.IntRange(0, 12).Draw(t, "changes") {
		user := fmt.Sprint("user", rapid.IntRange(0, 20).Draw(t, "user"))
		r := all[user]
		r.account = rapid.Bool().Draw(t, "account")
		r.disabled = r.account && server.disables && rapid.IntRange(0, 4).Draw(t, "disabled") == 0
		if server.disables {
			r.created = rapid.SampledFrom([]int64{0, 1000, now.Unix(), now.AddDate(0, 0, 1).Unix(), at.Unix()}).Draw(t, "created")
		}
		if r.record != "seen" { // what was seen stays so
			r.record = rapid.SampledFrom(records).Draw(t, "record")
		}
		if r.record == "seen" {
			days := rapid.SampledFrom([]int{-1, 0, 6, 7, 29, 30, 89, 90, 179, 180, 364, 365, 399, 400, 401, 5000}).Draw(t, "days ago")
			if at.Equal(now) { // else the clock seems to be behind, and the history does not begin yet
				days = max(0, days)
			}
			if seen := at.AddDate(0, 0, -days).Add(-time.Hour).Truncate(time.Second); seen.After(r.seen) {
				r.seen = seen
			}
		}
		all[user] = r
	}
}

func compareAges(t rapid.TB, all residents, first, at time.Time, d collector.Domain) {
	want, got := make(map[string]int), make(map[string]int)
	accounts := 0
	for _, r := range all {
		if r.account {
			want[r.age(first, at)]++
			accounts++
		}
	}
	if d.Dormancy == nil {
		t.Fatalf("no ages of %d accounts", accounts)
	}
	for i, age := range activity.DormancyAges() {
		if n := d.Dormancy[i]; n > 0 {
			got[age] = n
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("ages at %s (-naive +got):\n%s", at, diff)
	}
	if total, _ := d.Accounts(); total != accounts || d.Dormancy.Accounts() != accounts {
		t.Fatalf("%d accounts, %d by age, want %d", total, d.Dormancy.Accounts(), accounts)
	}
	for _, a := range d.Active {
		if diff := cmp.Diff([]collector.KindUsers{{Kind: activity.Native, Users: a.Users}}, a.Kinds); diff != "" {
			t.Fatalf("types of %d active users (-want +got):\n%s", a.Users, diff)
		}
	}
}

// On Prosody 13, an account that was created when the exporter had read the server for a whole
// day, and that has no record, was never used; for older ones that is not known.
func TestUnusedAccountsOfProsody(t *testing.T) {
	for name, server := range xmppServers() {
		if !server.disables {
			continue
		}
		t.Run(name, func(t *testing.T) {
			at, path := now, filepath.Join(t.TempDir(), "records")
			reader := server.read(path)
			t.Cleanup(func() { _ = reader.Close() })
			refresher := xmppRefresher(reader, &at)
			all := residents{"ada": {account: true, record: "seen", seen: now.Add(-time.Hour)}, "earlier": {account: true, created: now.Add(time.Hour).Unix()}, "undated": {account: true}}
			for _, want := range []activity.Dormancy{
				{0: 1, activity.Unremembered: 2},
				{0: 1, activity.Unremembered: 2, activity.Never: 1},
				{0: 1, activity.Unremembered: 2, activity.Never: 2},
			} {
				must.Succeed(t, server.write(path, all))
				must.Succeed(t, refresher.Refresh(t.Context()))
				if got := refresher.Status().Snapshot.Domains[0].Dormancy; got == nil || *got != want {
					t.Errorf("%s: ages %v, want %v", at, got, want)
				}
				at = at.AddDate(0, 0, 1)
				all[fmt.Sprint("new", len(all))] = resident{account: true, disabled: len(all)%2 == 0, created: at.Add(-time.Hour).Unix()}
			}
		})
	}
}

// A record that cannot be read says nothing, not that somebody never came.
func TestAgeOfADamagedRecordIsUnknown(t *testing.T) {
	c := newCommunity(t)
	c.logIn(now, "ada", "bob")
	c.write("lastlog2", "bob", `["login"] = {`)
	want := activity.Dormancy{0: 1, activity.Unremembered: 1}
	if d := c.refresh(now); d.Dormancy == nil || *d.Dormancy != want {
		t.Errorf("%v, want one of today and one unknown", d.Dormancy)
	}
}

// Guests who get in without an account are anonymous, people with accounts on the same
// host are native; where accounts cannot be listed, nobody knows who is which, and how
// old accounts are.
func TestGuestsAreAnonymous(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ejabberd.db")
	server := xmppServers()["ejabberd"]
	must.Succeed(t, server.write(path, residents{
		"ada":   {account: true, record: "seen", seen: now.Add(-time.Hour)},
		"guest": {record: "seen", seen: now.Add(-time.Hour)}, "other": {record: "seen", seen: now.AddDate(0, 0, -10)},
		"bob": {account: true},
	}))
	for name, c := range map[string]struct {
		host    ejabberd.Host
		want    map[string]string // by window
		dormant bool
	}{
		"nobody":     {ejabberd.Host{Last: chatserver.InSQL, Accounts: chatserver.InSQL}, map[string]string{"1d": "native 2", "30d": "native 3"}, true},
		"some":       {ejabberd.Host{Last: chatserver.InSQL, Accounts: chatserver.InSQL, Guests: collector.SomeGuests}, map[string]string{"1d": "native 1 anonymous 1", "30d": "native 1 anonymous 2"}, true},
		"all":        {ejabberd.Host{Last: chatserver.InSQL, Accounts: chatserver.Unlisted, Guests: collector.OnlyGuests}, map[string]string{"1d": "anonymous 2", "30d": "anonymous 3"}, false},
		"some, LDAP": {ejabberd.Host{Last: chatserver.InSQL, Accounts: chatserver.Unlisted, Guests: collector.SomeGuests}, map[string]string{"1d": "", "30d": ""}, false},
	} {
		t.Run(name, func(t *testing.T) {
			reader := ejabberd.New(ejabberd.Options{
				Databases: []ejabberd.Database{{Source: sourceOf(path)}}, Hosts: map[string]ejabberd.Host{"example.org": c.host},
			})
			at := now
			refresher := xmppRefresher(reader, &at)
			must.Succeed(t, refresher.Refresh(t.Context()))
			must.Succeed(t, reader.Close())
			d := refresher.Status().Snapshot.Domains[0]
			got := make(map[string]string)
			for _, a := range d.Active {
				var kinds []string
				for _, k := range a.Kinds {
					kinds = append(kinds, fmt.Sprint(k.Kind, " ", k.Users))
				}
				if _, asked := c.want[a.Window.String()]; asked {
					got[a.Window.String()] = strings.Join(kinds, " ")
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" || (d.Dormancy != nil) != c.dormant {
				t.Errorf("ages %v; types (-want +got):\n%s", d.Dormancy, diff)
			}
		})
	}
}

// The host for guests of a Prosody, whose records are those of guests alone.
func TestHostForGuests(t *testing.T) {
	c := newCommunity(t)
	c.logIn(now, "guest", "other")
	reader := prosody.New(prosody.Options{
		DataPath: c.data, Hosts: []string{"example.org"}, Accounts: map[string]prosody.AccountsPlace{"example.org": {Anonymous: true}},
	}, activity.SynapseClasses())
	facts := must.Get(reader.Read(t.Context(), time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses())))(t)
	if d := facts.Domains[0]; d.Guests != collector.OnlyGuests || d.AllAccounts || d.Registered != nil {
		t.Errorf("%+v, want guests alone, of whom there are no accounts", d)
	}
}
