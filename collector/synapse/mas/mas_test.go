package mas_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse/mas"
	"active_users_exporter/test/must"
)

// expected is what an independent oracle counted in the sample by plain SQL.
type expected struct {
	MAS struct {
		Accounts            map[string]int
		AccountsByProvider  map[string]int            `json:"accounts_by_provider"`
		Created             int                       `json:"accounts_created_24h"`
		WithoutPassword     int                       `json:"accounts_without_password"`
		ActiveMatrixUsers   map[string]int            `json:"active_matrix_users"`
		ActiveUsersByClient map[string]map[string]int `json:"active_users_by_client"`
		ActiveUsersByKind   map[string]map[string]int `json:"active_users_by_kind"`
		AdminSessions       map[string]int            `json:"admin_sessions"`
		Abandoned           int                       `json:"registrations_abandoned"`
		Completed           int                       `json:"registrations_completed_24h"`
		Started             int                       `json:"registrations_started_24h"`
		Sessions            map[string]int
	}
	NowMilliseconds int64 `json:"now_ms"`
}

// sample loads the sample and returns the location of MAS' schema, for a role with
// the rights that docs/mas.md names.
func sample(t *testing.T) (location string, want expected) {
	t.Helper()
	want = expectedFigures(t)
	database := dbtest.PostgreSQL(t)
	dbtest.LoadDump(t, database, "testdata/mas-sample.sql.gz")
	_, grants, _ := strings.Cut(must.ReadFile(t, "../../../docs/mas.md"), "```sql\n")
	grants, _, _ = strings.Cut(grants, "```")
	role := fmt.Sprintf("exporter_of_mas_%d", os.Getpid()) // the server may not be ours alone
	dbtest.Exec(t, database, "SET search_path = mas; "+strings.ReplaceAll(grants, "active_users_exporter", role),
		"GRANT USAGE ON SCHEMA mas TO "+role)
	t.Cleanup(func() { dbtest.Exec(t, database, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	u := must.Get(url.Parse(database))(t)
	u.User = url.User(role)
	query := u.Query()
	query.Set("search_path", "mas")
	u.RawQuery = query.Encode()
	return u.String(), want
}

func expectedFigures(t *testing.T) (want expected) {
	t.Helper()
	must.Succeed(t, json.Unmarshal([]byte(must.ReadFile(t, "testdata/mas-sample-expected.json")), &want))
	return want
}

func read(t *testing.T, location string, classes *activity.Classes, now time.Time) *mas.Figures {
	t.Helper()
	source := must.Get(sqldb.ParseSource(location))(t)
	return must.Get(mas.Read(t.Context(), mas.Options{Database: source}, "chat.example", classes, now))(t)
}

// named are rules that give the clients of the sample names of their own.
func named(t *testing.T) (classes *activity.Classes, rules map[string]string) {
	t.Helper()
	rules = make(map[string]string)
	var all []activity.Rule
	for _, client := range []string{"Element X Android", "Element X", "Element Desktop", "Element Admin", "Element", "Cinny", "FluffyChat", "Plaza Forum", "SchildiChat Next"} {
		name := strings.ReplaceAll(strings.ToLower(client), " ", "_")
		rules[client] = name
		all = append(all, activity.Rule{Name: name, Any: []string{client}})
	}
	return must.Get(activity.NewClasses(all))(t), rules
}

func TestFiguresOfTheSample(t *testing.T) {
	location, want := sample(t)
	classes, rules := named(t)
	got := read(t, location, classes, time.UnixMilli(want.NowMilliseconds))
	if len(got.Warnings) > 0 {
		t.Errorf("warnings %q: the documented rights do not suffice", got.Warnings)
	}
	equal := func(what string, want, got any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	equal("accounts", want.MAS.Accounts, got.Accounts)
	equal("accounts by provider", want.MAS.AccountsByProvider, got.Linked)
	equal("created", want.MAS.Created, *got.Created)
	equal("without password", want.MAS.WithoutPassword, *got.WithoutPassword)
	equal("registrations", map[string]int{"started": want.MAS.Started, "completed": want.MAS.Completed, "abandoned": want.MAS.Abandoned}, got.Registrations)

	sessions, admins := make(map[string]int), make(map[string]int)
	for s, n := range got.Sessions {
		sessions[s.Kind] += n
		kind := s.Kind
		if kind == "client" { // the oracle counts sessions of programs among those of OAuth 2.0
			kind = "oauth2"
		}
		if s.Rights == "admin" {
			admins[kind] += n
		}
	}
	equal("sessions", want.MAS.Sessions, sessions)
	equal("administrators' sessions", want.MAS.AdminSessions, admins)

	for _, window := range activity.DefaultWindows() {
		w := window.String()
		equal("matrix "+w, want.MAS.ActiveMatrixUsers[w], got.Active[mas.Activity{Name: "matrix", Window: window}])
		for _, kind := range []string{"oauth2", "compat", "personal"} {
			equal(kind+" "+w, want.MAS.ActiveUsersByKind[w][kind], got.Active[mas.Activity{Name: kind, Window: window}])
			if kind != "oauth2" {
				equal("client "+kind+" "+w, want.MAS.ActiveUsersByKind[w][kind], got.Clients[mas.Activity{Name: kind, Window: window}])
			}
		}
		for client, users := range want.MAS.ActiveUsersByClient[w] {
			equal(client+" "+w, users, got.Clients[mas.Activity{Name: rules[client], Window: window}])
		}
	}
}

// Clients choose their names themselves: without a rule they are one label.
func TestNamesOfStrangersAreNoLabels(t *testing.T) {
	location, want := sample(t)
	now := time.UnixMilli(want.NowMilliseconds)
	names := make(map[string]bool)
	got := read(t, location, activity.SynapseClasses(), now)
	for a := range got.Clients {
		names[a.Name] = true
	}
	if diff := cmp.Diff(map[string]bool{"other": true, "compat": true, "personal": true}, names); diff != "" {
		t.Error(diff)
	}
	for _, window := range activity.DefaultWindows() {
		other, all := got.Clients[mas.Activity{Name: "other", Window: window}], got.Active[mas.Activity{Name: "oauth2", Window: window}]
		if other != all || all == 0 {
			t.Errorf("%s: %d users of other clients, want the %d of all", window, other, all)
		}
	}
}

// A database of an earlier MAS lacks tables and columns: what needs them is absent,
// the rest is right.
func TestEarlierVersions(t *testing.T) {
	want := expectedFigures(t)
	database := dbtest.PostgreSQL(t)
	dbtest.LoadDump(t, database, "testdata/mas-sample.sql.gz")
	dbtest.Exec(t, database, "SET search_path = mas; DROP TABLE personal_access_tokens, personal_sessions, user_registrations; ALTER TABLE users DROP deactivated_at; ALTER TABLE oauth2_clients DROP is_static")
	u := must.Get(url.Parse(database))(t)
	u.RawQuery += "&search_path=mas"
	got := read(t, u.String(), activity.SynapseClasses(), time.UnixMilli(want.NowMilliseconds))
	if got.Registrations != nil || len(got.Warnings) > 0 {
		t.Errorf("registrations %v, warnings %q: nothing is missing", got.Registrations, got.Warnings)
	}
	total := 0
	for _, n := range want.MAS.Accounts {
		total += n
	}
	if got.Accounts["deactivated"] != 0 || got.Accounts["active"]+got.Accounts["locked"] != total {
		t.Errorf("accounts %v, want %d in all", got.Accounts, total)
	}
	for _, window := range activity.DefaultWindows() {
		if n := got.Active[mas.Activity{Name: "oauth2", Window: window}]; n != want.MAS.ActiveUsersByKind[window.String()]["oauth2"] {
			t.Errorf("%s: %d", window, n)
		}
		if _, known := got.Active[mas.Activity{Name: "personal", Window: window}]; known {
			t.Errorf("%s: users of personal sessions are unknown, not 0", window)
		}
	}
}

// A right that is missing, as after an update that brought a table or a column, costs the
// figures that need it, not their truth: all others are the same, and a warning has the
// statement.
func TestMissingRights(t *testing.T) {
	location, want := sample(t)
	now := time.UnixMilli(want.NowMilliseconds)
	owner := must.Get(url.Parse(location))(t)
	role := owner.User.Username()
	owner.User = url.User("postgres")
	all := figuresByName(read(t, location, activity.SynapseClasses(), now))
	for _, c := range []struct{ table, columns, costs string }{
		{"users", "deactivated_at", "accounts created without-password linked"},
		{"users", "locked_at", "accounts created"},
		{"user_passwords", "user_id", "without-password"},
		{"upstream_oauth_providers", "human_name", "linked"},
		{"user_registrations", "completed_at", "registrations"},
		{"oauth2_sessions", "finished_at", "sessions:oauth2 sessions:client sessions:compat sessions:browser sessions:personal"},
		{"personal_sessions", "actor_user_id, last_active_at", "active:personal active:matrix clients:personal"},
		{"personal_sessions", "revoked_at", "sessions:personal"},
		{"personal_access_tokens", "expires_at", "sessions:personal"},
		{"oauth2_clients", "is_static", "clients:other clients:compat clients:personal"},
		{"compat_sessions", "last_active_at", "active:oauth2 active:compat active:personal active:matrix clients:other clients:compat clients:personal"},
	} {
		on := fmt.Sprintf("SELECT (%s) ON mas.%s ", c.columns, c.table)
		dbtest.Exec(t, owner.String(), "REVOKE "+on+"FROM "+role)
		got := read(t, location, activity.SynapseClasses(), now)
		wanted := maps.Clone(all)
		maps.DeleteFunc(wanted, func(name, _ string) bool { return slices.Contains(strings.Fields(c.costs), name) })
		if diff := cmp.Diff(wanted, figuresByName(got)); diff != "" {
			t.Errorf("without %s of %s (-want +got):\n%s", c.columns, c.table, diff)
		}
		if statement := fmt.Sprintf("GRANT SELECT (%s) ON %s", c.columns, c.table); !strings.Contains(strings.Join(got.Warnings, "\n"), statement) {
			t.Errorf("warnings %q, want one with %s", got.Warnings, statement)
		}
		dbtest.Exec(t, owner.String(), "GRANT "+on+"TO "+role)
	}
}

// figuresByName are all figures that are known.
func figuresByName(f *mas.Figures) map[string]string {
	all := make(map[string]string)
	add := func(name string, known bool, value any) {
		if known {
			all[name] += fmt.Sprintf("%v ", value)
		}
	}
	add("accounts", f.Accounts != nil, f.Accounts)
	add("linked", f.Linked != nil, f.Linked)
	add("registrations", f.Registrations != nil, f.Registrations)
	if f.Created != nil {
		add("created", true, *f.Created)
	}
	if f.WithoutPassword != nil {
		add("without-password", true, *f.WithoutPassword)
	}
	for _, rights := range []string{"user", "admin"} {
		for _, kind := range []string{"oauth2", "client", "compat", "browser", "personal"} {
			n, known := f.Sessions[mas.Session{Kind: kind, Rights: rights}]
			add("sessions:"+kind, known, n)
		}
	}
	for _, window := range activity.DefaultWindows() {
		for what, counts := range map[string]map[mas.Activity]int{"active:": f.Active, "clients:": f.Clients} {
			for _, name := range []string{"oauth2", "compat", "personal", "matrix", "other"} {
				n, known := counts[mas.Activity{Name: name, Window: window}]
				add(what+name, known, n)
			}
		}
	}
	return all
}

func TestNotMAS(t *testing.T) {
	source := must.Get(sqldb.ParseSource(dbtest.PostgreSQL(t)))(t)
	_, err := mas.Read(t.Context(), mas.Options{Database: source}, "chat.example", activity.SynapseClasses(), time.Unix(0, 0))
	if err == nil || !strings.Contains(err.Error(), "is it MAS' database") {
		t.Errorf("error %v", err)
	}
}
