package synapse_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/test/must"
)

// withBots configures patterns of bots.
func withBots(t *testing.T, location string, bots ...string) func(*collector.RefresherOptions) {
	t.Helper()
	source := must.Get(sqldb.ParseSource(location))(t)
	return func(o *collector.RefresherOptions) {
		o.Reader = synapse.New(synapse.Options{Database: source, Bots: bots}, o.Classes)
	}
}

// matches is what the documentation says of a pattern.
func matches(pattern, name string) bool {
	switch {
	case pattern == "":
		return name == ""
	case pattern[0] == '*':
		return matches(pattern[1:], name) || name != "" && matches(pattern, name[1:])
	}
	return name != "" && (pattern[0] == '?' || pattern[0] == name[0]) && matches(pattern[1:], name[1:])
}

// botAccount is an account of a world, whose user may have come 40 and 2 days ago.
type botAccount struct {
	localpart, made, service string
	guest, deactivated       bool
	came                     bool
}

// botServer is a name that patterns must not see.
const botServer = "a-bot.b:8448"

func (a botAccount) rows() []string {
	null := func(text string) string {
		if text == "" {
			return "NULL"
		}
		return "'" + text + "'"
	}
	flag := map[bool]int{true: 1}
	name := "@" + a.localpart + ":" + botServer
	rows := []string{fmt.Sprintf(`INSERT INTO users (name, creation_ts, is_guest, appservice_id, deactivated, user_type) VALUES ('%s', %d, %d, %s, %d, %s)`,
		name, noon.Add(-50*day).Unix(), flag[a.guest], null(a.service), flag[a.deactivated], null(a.made))}
	if a.came {
		rows = append(rows,
			fmt.Sprintf(`INSERT INTO user_ips (user_id, access_token, ip, user_agent, last_seen) VALUES ('%s', 't', '::1', 'Mozilla', %d)`, name, millis(-2*day)),
			fmt.Sprintf(`INSERT INTO user_daily_visits (user_id, device_id, timestamp, user_agent) VALUES ('%[1]s', 'D', %[2]d, 'Mozilla'), ('%[1]s', 'D', %[3]d, 'Mozilla')`,
				name, millis(-40*day-12*time.Hour), millis(-2*day-12*time.Hour)))
	}
	return rows
}

// kind is the type of the account as docs/definitions.md has it.
func (a botAccount) kind(bots []string) activity.Kind {
	switch {
	case a.deactivated:
		return activity.Deactivated
	case a.guest:
		return activity.Guest
	case a.service != "":
		return activity.Bridged
	case a.made == "bot":
		return activity.Bot
	case a.made == "support":
		return activity.Support
	}
	for _, pattern := range bots {
		if matches(pattern, a.localpart) {
			return activity.Bot
		}
	}
	return activity.Native
}

// botWorld draws accounts with names that nearly match.
func botWorld(rt *rapid.T) []botAccount {
	accounts := []botAccount{{localpart: "root", came: true}} // else nothing is recorded
	names := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab_%B.\-][ab_.\-/=!]{0,5}`), 1, 12, rapid.ID[string]).Draw(rt, "names")
	for _, name := range names {
		kind := rapid.IntRange(0, 9).Draw(rt, "kind")
		accounts = append(accounts, botAccount{
			localpart: name, made: map[int]string{0: "bot", 1: "support", 2: "of a kind that administrators invented"}[kind],
			service: map[int]string{3: "irc"}[kind], guest: kind == 4, deactivated: kind == 5,
			came: rapid.IntRange(0, 3).Draw(rt, "came") > 0,
		})
	}
	return accounts
}

// shownKinds are the active users of a month and those of r30v2, by kind; they must add up.
func shownKinds(rt *rapid.T, d figures) (active, returned map[activity.Kind]int) {
	counts := func(users int, kinds []collector.KindUsers) map[activity.Kind]int {
		all := make(map[activity.Kind]int)
		for _, k := range kinds {
			users -= k.Users
			if k.Users > 0 {
				all[k.Kind] = k.Users
			}
		}
		if users != 0 {
			rt.Fatalf("by kind there are %d users less than in all", users)
		}
		return all
	}
	return counts(d.Active[2].Users, d.Active[2].Kinds), counts(d.Retention.Users, d.Retention.Kinds)
}

// Patterns make bots of the native accounts whose names they match, whatever else there is,
// and change no other figure, the usage report's among them: at first, when accounts change,
// and when the patterns do while the history is kept.
func TestBotsByName(t *testing.T) {
	patterns := rapid.SliceOfN(rapid.StringMatching(`[ab*?_.\-/=]{0,4}[ab][ab*?_.\-/]{0,2}`), 0, 4)
	seen := make(map[activity.Kind]int)
	worlds(t, func(t *testing.T, rt *rapid.T, db database) {
		db.run(`DELETE FROM users`, `DELETE FROM user_ips`, `DELETE FROM devices`, `DELETE FROM user_daily_visits`)
		accounts := botWorld(rt)
		for _, a := range accounts {
			db.run(a.rows()...)
		}
		now, pause := noon, time.Hour
		if !strings.HasPrefix(db.location, "sqlite:") { // whose statistics lag behind
			pause = day
		}
		folder := must.Get(os.MkdirTemp(t.TempDir(), ""))(t)
		for range 2 { // processes or reloads, each with other patterns
			bots := patterns.Draw(rt, "bots")
			store := history.New(storage.Folder(folder), "")
			r := newRefresher(t, db.location, &now, withBots(t, db.location, bots...), func(o *collector.RefresherOptions) {
				o.History, o.Key, o.Cache = store, store.Key(), true
			})
			for range 2 {
				got := refresh(t, r)
				active, returned := make(map[activity.Kind]int), make(map[activity.Kind]int)
				for _, a := range accounts {
					if a.came {
						active[a.kind(bots)]++
						returned[a.kind(bots)]++
						seen[a.kind(bots)]++
					}
				}
				gotActive, gotReturned := shownKinds(rt, got)
				if diff := cmp.Diff(active, gotActive) + cmp.Diff(returned, gotReturned); diff != "" {
					rt.Fatalf("bots %q, accounts %+v (-naive +got):\n%s", bots, accounts, diff)
				}
				without := refresh(t, newRefresher(t, db.location, &now))
				if diff := cmp.Diff(withoutTypes(without), withoutTypes(got)); diff != "" {
					rt.Fatalf("bots %q changed other figures (-without +with):\n%s", bots, diff)
				}
				which := rapid.IntRange(1, len(accounts)-1).Draw(rt, "who changes")
				accounts[which].deactivated = !accounts[which].deactivated
				db.run(fmt.Sprintf(`UPDATE users SET deactivated = 1 - deactivated WHERE name = '@%s:%s'`, accounts[which].localpart, botServer))
				now = now.Add(pause)
			}
			must.Succeed(t, store.Close())
		}
	})
	if seen[activity.Bot] == 0 || seen[activity.Native] == 0 || seen[activity.Support] == 0 {
		t.Errorf("the worlds have too few kinds of accounts: %v", seen)
	}
}

// withoutTypes are all figures of a homeserver except for types of users.
func withoutTypes(d figures) map[string]int {
	all := shown(d)
	for name := range all {
		if strings.HasPrefix(name, "active type ") {
			delete(all, name)
		}
	}
	for name, n := range d.usage.Statistics {
		all["usage "+name] = int(n)
	}
	for name, n := range d.usage.LimitMAU {
		all["limit "+name] = n
	}
	return all
}

// On a database that a real Synapse has written, its own figures stay what it reported while
// people become bots by their names.
func TestBotsOfRealServers(t *testing.T) {
	for name, c := range map[string]struct {
		expected string
		location func(t *testing.T) string
	}{
		"SQLite":     {"expected-sqlite-day69.json", func(t *testing.T) string { return "sqlite:" + sampleSQLite(t) }},
		"PostgreSQL": {"expected-pg-day31.json", func(t *testing.T) string { return leastPrivileged(t, samplePostgreSQL(t)) }},
	} {
		t.Run(name, func(t *testing.T) {
			location, want := c.location(t), expected(t, c.expected)
			now := time.Unix(want.Now, 0)
			without := refresh(t, newRefresher(t, location, &now))
			got := refresh(t, newRefresher(t, location, &now, withBots(t, location, "k?5_*", "*_only", "bridge_*", "nobody-*")))
			for statistic, value := range got.usage.Statistics {
				if value != want.statistics[statistic] {
					t.Errorf("%s = %v, Synapse says %v", statistic, value, want.statistics[statistic])
				}
			}
			if diff := cmp.Diff(withoutTypes(without), withoutTypes(got)); diff != "" {
				t.Errorf("other figures have changed (-without +with):\n%s", diff)
			}
			of := func(d figures, kind activity.Kind) int { return shown(d)["active type 30d "+kind.String()] }
			bots := of(got, activity.Bot) - of(without, activity.Bot)
			if natives := of(without, activity.Native) - of(got, activity.Native); bots == 0 || bots != natives || of(got, activity.Native) == 0 {
				t.Errorf("%d more bots and %d less native users, want the same, and not all", bots, natives)
			}
		})
	}
}

// A name is compared as it is by both databases: letter by letter, capitals apart, and
// characters with a meaning in SQL have none.
func TestPatternsMean(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*-bot", "ada-bot", true},
		{"*-bot", "-bot", true},
		{"*-bot", "ada-bots", false},
		{"bot.*", "bot.x", true},
		{"bot.*", "botx", false},
		{"a_b", "axb", false},
		{"a_b", "a_b", true},
		{"a?b", "axb", true},
		{"a?b", "aäb", true},
		{"a?b", "ab", false},
		{"bot*", "Bot1", false},
		{"a*", "a%", true},
		{"*b", "[b]", false},
		{"b?", "b!", true},
		{"a", "a", true},
		{"a", "aa", false},
	} {
		for _, location := range []string{"sqlite:" + t.TempDir() + "/x.db", dbtest.PostgreSQL(t)} {
			db := database{location: location}.open(t)
			var got bool
			must.Succeed(t, db.Get(&got, `SELECT `+chatserver.Bots{c.pattern}.Match("'@[*_'':"+c.name+"'", "@[*_':", "", must.Get(sqldb.ParseSource(location))(t).Engine())))
			if got != c.want {
				t.Errorf("%s matches %s by %.8s: %t", c.pattern, c.name, location, got)
			}
		}
	}
}
