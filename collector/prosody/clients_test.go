package prosody_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/must"
)

// clientClasses know two clients by what they call themselves.
func clientClasses(t *testing.T) *activity.Classes {
	t.Helper()
	classes, err := activity.NewClasses([]activity.Rule{{Name: "gajim", Any: []string{"Gajim"}}, {Name: "conversations", Any: []string{"Conversations"}}})
	must.Succeed(t, err)
	return classes
}

// byClient counts who was active within a day, by class.
func byClient(t *testing.T, o prosody.Options, domain string) (map[string]int, bool) {
	t.Helper()
	classes := clientClasses(t)
	cal := activity.NewCalendar(activity.Key{}, classes)
	facts, err := prosody.New(o, classes).Read(t.Context(), time.Time{}, now, cal)
	must.Succeed(t, err)
	active := cal.ActiveAfter(domain, activity.Daily().Since(now), time.Time{})
	got := map[string]int{"all": active.Users}
	for class, name := range classes.Names() {
		if active.Clients[class] > 0 {
			got[name] = active.Clients[class]
		}
	}
	return got, facts.Domains[0].Clients
}

// As mod_client_management of Prosody 13 writes them: two clients of one user,
// one has not been there for long, and an old client without a name.
const (
	modern = `return {
	["d4565fa7-4d72-4749-b3d3-740edbf87770"] = {
		["user_agent"] = { ["software"] = "Gajim"; ["device"] = "Laptop"; };
		["last_seen"] = 1749988000; ["mechanisms"] = { ["PLAIN"] = 1749988000; };
	};
	["0f2ad3a1-6b7a-4c0b-9d5d-2b7ad0c1f001"] = {
		["user_agent"] = { ["software"] = "Conversations \"x\" \\ \195\169"; }; ["last_seen"] = 1740000000;
	};
};
`
	legacy = `return { ["w9njChBVg7tV"] = { ["legacy"] = true; ["last_seen"] = 1749988000; ["full_jid"] = "u@h/r"; }; };`
)

func TestClientsOfProsody(t *testing.T) {
	folder := t.TempDir()
	host := filepath.Join(folder, "example%2eorg")
	for user, clients := range map[string]string{"a": modern, "b": strings.ReplaceAll(modern, "1740000000", "1749988100"), "c": legacy, "d": "return {};", "e": ""} {
		write(t, filepath.Join(host, "lastlog2", user+".dat"), login("1749988700"))
		if clients != "" {
			write(t, filepath.Join(host, "clients", user+".dat"), clients)
		}
	}
	got, known := byClient(t, prosody.Options{DataPath: folder}, "example.org")
	if diff := cmp.Diff(map[string]int{"all": 5, "gajim": 2, "conversations": 1, "unknown": 3}, got); diff != "" || !known {
		t.Errorf("known %v, -want +got:\n%s", known, diff)
	}
}

func TestClientsInADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prosody.sqlite")
	db, err := sqldb.CreateSQLite(path)
	must.Succeed(t, err)
	for _, statement := range []string{
		`CREATE TABLE prosody (host TEXT, "user" TEXT, store TEXT, "key" TEXT, type TEXT, value TEXT)`,
		`INSERT INTO prosody VALUES ('example.org', 'a', 'account_activity', 'timestamp', 'number', '1749988700')`,
		`INSERT INTO prosody VALUES ('example.org', 'a', 'clients', 'id1', 'json', '{"user_agent":{"device":"Laptop","software":"Gajim"},"last_seen":1749988000}')`,
		`INSERT INTO prosody VALUES ('example.org', 'a', 'clients', 'id2', 'json', '{"user_agent":[],"last_seen":1749988600}')`,
		`INSERT INTO prosody VALUES ('example.org', 'b', 'clients', 'id3', 'json', '{"last_seen":1749988600,"legacy":true}')`,
		`INSERT INTO prosody VALUES ('elsewhere', 'b', 'clients', 'id3', 'json', 'nonsense')`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		must.Succeed(t, err)
	}
	must.Succeed(t, db.Close())
	source, err := sqldb.ParseSource("sqlite:" + path)
	must.Succeed(t, err)
	got, known := byClient(t, prosody.Options{Database: source}, "example.org")
	if diff := cmp.Diff(map[string]int{"all": 1, "gajim": 1, "unknown": 1}, got); diff != "" || !known {
		t.Errorf("known %v, -want +got:\n%s", known, diff)
	}
}

// The community module lastlog of old Prosodys counts where there is nothing
// newer.
func TestLegacyLastlog(t *testing.T) {
	folder := t.TempDir()
	event := func(kind string) string {
		return `return { ["event"] = "` + kind + `"; ["timestamp"] = 1749988700; ["ip"] = "192.0.2.1"; };`
	}
	for user, kind := range map[string]string{"a": "login", "b": "logout", "c": "message", "d": "registered"} {
		write(t, filepath.Join(folder, "old%2eexample/lastlog", user+".dat"), event(kind))
		write(t, filepath.Join(folder, "new%2eexample/lastlog", user+".dat"), event(kind))
	}
	write(t, filepath.Join(folder, "new%2eexample/lastlog2/a.dat"), login("1749988700"))
	for domain, want := range map[string]int{"old.example": 3, "new.example": 1} {
		if got, known := byClient(t, prosody.Options{DataPath: folder}, domain); got["all"] != want || known {
			t.Errorf("%s: %v, want %d", domain, got, want)
		}
	}
}
