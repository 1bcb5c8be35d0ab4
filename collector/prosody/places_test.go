package prosody_test

import (
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/config/configtest"
	"active_users_exporter/config/document"
	"active_users_exporter/test/must"
)

// storedRows makes prosody.sqlite in a data folder, with rows of host, user, store, key, type
// and value.
func storedRows(t *testing.T, dataPath string, rows ...[6]string) {
	t.Helper()
	db, err := sqldb.CreateSQLite(filepath.Join(dataPath, "prosody.sqlite"))
	must.Succeed(t, err)
	_, err = db.ExecContext(t.Context(), `CREATE TABLE prosody (host TEXT NOT NULL, "user" TEXT NOT NULL, store TEXT NOT NULL, "key" TEXT NOT NULL, type TEXT NOT NULL, value TEXT NOT NULL)`)
	must.Succeed(t, err)
	for _, r := range rows {
		_, err := db.ExecContext(t.Context(), `INSERT INTO prosody VALUES (?, ?, ?, ?, ?, ?)`, r[0], r[1], r[2], r[3], r[4], r[5])
		must.Succeed(t, err)
	}
	must.Succeed(t, db.Close())
}

func account(user string) [6]string {
	return [6]string{"example.org", user, "accounts", "password", "string", "x"}
}

// figuresOf are active users of a day, a week and a month, and accounts; -1 for what
// is not known.
func figuresOf(t *testing.T, o prosody.Options) (map[string][4]int, collector.Facts) {
	t.Helper()
	cal := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
	reader := prosody.New(o, activity.SynapseClasses())
	facts, err := reader.Read(t.Context(), time.Time{}, now, cal)
	must.Succeed(t, err)
	must.Succeed(t, reader.Close())
	all := make(map[string][4]int)
	counted := count(cal, facts, now)
	for _, d := range facts.Domains {
		f := [4]int{-1, -1, -1, -1}
		if d.HasLastSeen {
			windows := counted[d.Name]
			copy(f[:], windows[:])
		}
		if n, known := d.Registered[collector.Native]; known {
			f[3] = n
		}
		all[d.Name] = f
	}
	return all, facts
}

// at writes prosody.cfg.lua beside a data folder and returns what it says.
func at(t *testing.T, dataPath, content string) prosody.Options {
	t.Helper()
	path := filepath.Join(configtest.Files(t, map[string]string{"prosody.cfg.lua": "data_path = " + strconv.Quote(dataPath) + "\n" + content}), "prosody.cfg.lua")
	got, _, err := prosody.Kind().At(path)
	must.Succeed(t, err)
	return got.(prosody.Options)
}

// Accounts are where the configuration has them: a folder of accounts or rows that an
// earlier configuration left there are neither counted, nor do they say who exists.
func TestAccountsWhereTheyAreConfigured(t *testing.T) {
	const recent = "1749988700"
	four := map[string]string{"accounts/old1.dat": "return {};", "accounts/old2.dat": "return {};"}
	for _, user := range []string{"old1", "n1", "n2", "n3"} {
		four["account_activity/"+user+".dat"] = active(recent)
	}
	twenty := map[string]string{"lastlog2/u1.dat": login(recent)}
	for i := range 20 {
		twenty["accounts/u"+strconv.Itoa(i)+".dat"] = "return {};"
	}
	five := [][6]string{account("u1"), account("u2"), account("u3"), account("u4"), account("u5")}
	gone := [6]string{"example.org", "n3", "accounts", "disabled", "boolean", "true"}
	inSQL := [][6]string{{"example.org", "u", "account_activity", "timestamp", "number", recent}, {"example.org", "off", "account_activity", "timestamp", "number", recent}, account("v"), account("w"), account("x")}
	for name, c := range map[string]struct {
		config string
		files  map[string]string
		rows   [][6]string
		want   [4]int
	}{
		"accounts moved to SQL":                   {`default_storage = "sql" storage = { lastlog2 = "internal", account_activity = "internal" }`, twenty, five, [4]int{1, 1, 1, 5}},
		"accounts in SQL, four people in files":   {`storage = { accounts = "sql" } sql = { driver = "SQLite3" }`, four, five, [4]int{4, 4, 4, 5}},
		"one of them disabled":                    {`storage = { accounts = "sql" }`, four, append([][6]string{gone}, five...), [4]int{3, 3, 3, 6}},
		"LDAP":                                    {`authentication = "ldap"`, four, nil, [4]int{4, 4, 4, -1}},
		"LDAP on this host":                       {"VirtualHost \"example.org\"\nauthentication = \"ldap\"", four, nil, [4]int{4, 4, 4, -1}},
		"internal accounts":                       {`authentication = "internal_hashed"`, four, nil, [4]int{1, 1, 1, 2}},
		"accounts in memory":                      {`storage = { accounts = "memory" }`, four, nil, [4]int{4, 4, 4, -1}},
		"activity in SQL, accounts in files":      {`default_storage = "sql" storage = { accounts = "internal" }`, map[string]string{"accounts/u.dat": "return {};", "accounts/off.dat": "return { disabled = true };"}, inSQL, [4]int{1, 1, 1, 2}},
		"activity in SQL, accounts in a provider": {`default_storage = "sql" authentication = "cyrus"`, nil, inSQL, [4]int{2, 2, 2, -1}},
	} {
		dataPath := t.TempDir()
		for file, content := range c.files {
			write(t, filepath.Join(dataPath, "example%2eorg", file), content)
		}
		storedRows(t, dataPath, c.rows...)
		if !strings.Contains(c.config, "VirtualHost") {
			c.config += "\nVirtualHost \"example.org\""
		}
		got, facts := figuresOf(t, at(t, dataPath, c.config))
		if diff := cmp.Diff(map[string][4]int{"example.org": c.want}, got); diff != "" || len(facts.Warnings) > 0 || facts.PartialErr != nil {
			t.Errorf("%s (-want +got):\n%s\nwarnings %q, error %v", name, diff, facts.Warnings, facts.PartialErr)
		}
	}
}

// Each virtual host counts by the records in the place that is configured for it. What
// lies of it in the others' place is left over, and no domain that is not served.
func TestHostsWithTheirOwnStorage(t *testing.T) {
	dataPath := t.TempDir()
	for _, file := range []string{"a%2eexample/lastlog2/u.dat", "b%2eexample/lastlog2/u.dat", "b%2eexample/lastlog2/v.dat", "c%2eexample/lastlog2/u.dat", "old%2eexample/lastlog2/u.dat"} {
		write(t, filepath.Join(dataPath, file), login("1749988700"))
	}
	write(t, filepath.Join(dataPath, "a%2eexample/accounts/u.dat"), "return {};")
	seen := func(host, user string) [6]string {
		return [6]string{host, user, "account_activity", "timestamp", "number", "1749988700"}
	}
	account := func(host, user string) [6]string {
		return [6]string{host, user, "accounts", "password", "string", "x"}
	}
	storedRows(t, dataPath, seen("a.example", "left"), seen("a.example", "over"), account("a.example", "left"), seen("b.example", "x"), seen("b.example", "y"), seen("b.example", "z"),
		account("b.example", "x"), account("b.example", "y"), account("b.example", "z"), account("b.example", "q"), account("c.example", "u"), account("c.example", "v"))
	options := at(t, dataPath, `VirtualHost "a.example" VirtualHost "b.example" default_storage = "sql" VirtualHost "c.example" storage = { accounts = "sql" }`)
	got, facts := figuresOf(t, options)
	want := map[string][4]int{"a.example": {1, 1, 1, 1}, "b.example": {3, 3, 3, 4}, "c.example": {1, 1, 1, 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`records of "old.example" are left out: the server does not serve this domain`}, facts.Warnings); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(facts.Database, "files, sqlite") {
		t.Errorf("storage %q", facts.Database)
	}
	reads := []string{"files: " + dataPath, "database: sqlite, file " + dataPath + "/prosody.sqlite", "hosts: a.example, b.example, c.example"}
	if diff := cmp.Diff(reads, options.Reads()); diff != "" {
		t.Error(diff)
	}
}

// A virtual host whose storage cannot be read costs its own figures alone, and the reason
// is said. Nothing is missing of guests; what lies of them elsewhere is left over.
func TestHostsWhoseStorageCannotBeRead(t *testing.T) {
	dataPath := t.TempDir()
	for _, file := range []string{"a%2eexample/lastlog2/u.dat", "b%2eexample/lastlog2/u.dat", "guests%2eexample/lastlog2/u.dat"} {
		write(t, filepath.Join(dataPath, file), login("1749988700"))
	}
	got, facts := figuresOf(t, at(t, dataPath, `VirtualHost "guests.example" authentication = "anonymous" storage = "memory" VirtualHost "a.example" VirtualHost "b.example" storage = "xep0227"`))
	if diff := cmp.Diff(map[string][4]int{"a.example": {1, 1, 1, -1}, "b.example": {-1, -1, -1, -1}}, got); diff != "" || len(facts.Warnings) > 0 {
		t.Errorf("%s, warnings %q", diff, facts.Warnings)
	}
	for _, d := range facts.Domains {
		if said := strings.Contains(d.NotRecorded, `storage "xep0227" cannot be read`); said != (d.Name == "b.example") {
			t.Errorf("%s: %q", d.Name, d.NotRecorded)
		}
	}
}

// password_file is for whichever database server has something, also beside files.
func TestPasswordFileBesideFiles(t *testing.T) {
	const server = `{ driver = "PostgreSQL", database = "d", username = "u" }`
	for content, taken := range map[string]bool{
		`VirtualHost "a.example" VirtualHost "b.example" storage = "sql" sql = ` + server: true,
		`storage = { accounts = "sql" } VirtualHost "a.example" sql = ` + server:          true,
		`VirtualHost "a.example"`: false,
		`VirtualHost "a.example" VirtualHost "b.example" storage = "sql"`: false,
	} {
		item := &chatserver.Item{
			Document: document.New("", nil), Location: configtest.Files(t, map[string]string{"prosody.cfg.lua": content}) + "/prosody.cfg.lua",
			Values: map[string]*yaml.Node{"password_file": {Kind: yaml.ScalarNode, Tag: "!!str", Value: "/run/secrets/p"}},
		}
		o := prosody.Kind().Configure(item).(prosody.Options)
		if err := item.Err(); (err == nil) != taken || taken && o.PasswordFile != "/run/secrets/p" {
			t.Errorf("%s: password_file %q, error %v", content, o.PasswordFile, err)
		}
	}
}

// A database of accounts that cannot be read costs the accounts alone.
func TestAccountsThatCannotBeRead(t *testing.T) {
	dataPath := t.TempDir()
	write(t, filepath.Join(dataPath, "example%2eorg/lastlog2/u.dat"), login("1749988700"))
	got, facts := figuresOf(t, at(t, dataPath, "storage = { accounts = \"sql\" }\nVirtualHost \"example.org\""))
	if diff := cmp.Diff(map[string][4]int{"example.org": {1, 1, 1, -1}}, got); diff != "" || facts.PartialErr == nil {
		t.Errorf("error %v (-want +got):\n%s", facts.PartialErr, diff)
	}
}

// A module that is missing is named. One that is enabled and has recorded nobody is
// another matter; and where nobody has an account, there is nobody to record.
func TestModulesThatRecord(t *testing.T) {
	const missing, waiting, leftOver = "no store has logins: add mod_lastlog2", "no store has logins yet, though mod_lastlog2", "nobody has logged in for two days, and the configuration enables no module"
	const two = "\nVirtualHost \"example.org\"\nVirtualHost \"localhost\"\n"
	const account = "return {};"
	for name, c := range map[string]struct {
		config string
		files  map[string]string // below the folder of the data
		want   map[string]string // said of each host, "" if nothing is wrong
	}{
		"as Debian 12 installs it":             {two, nil, map[string]string{"example.org": missing, "localhost": missing}},
		"as Debian 13 installs it":             {`modules_enabled = { "account_activity" }` + two, nil, map[string]string{"example.org": waiting, "localhost": waiting}},
		"somebody has logged in":               {`modules_enabled = { "lastlog2" }` + two, map[string]string{"example%2eorg/lastlog2/u.dat": login("1749988700")}, map[string]string{"example.org": "", "localhost": ""}},
		"nobody of those who could":            {`modules_enabled = { "lastlog2" }` + two, map[string]string{"example%2eorg/lastlog2/u.dat": login("1749988700"), "localhost/accounts/v.dat": account}, map[string]string{"example.org": "", "localhost": waiting}},
		"on one host":                          {two + `modules_enabled = { "lastlog2" }`, map[string]string{"localhost/lastlog2/u.dat": login("1749988700")}, map[string]string{"example.org": missing, "localhost": ""}},
		"on all but one":                       {`modules_enabled = { "lastlog2" }` + two + `modules_disabled = { "lastlog2" }`, map[string]string{"example%2eorg/lastlog2/u.dat": login("1749988700")}, map[string]string{"example.org": "", "localhost": missing}},
		"an option that is appended to":        {`modules_enabled = { "roster" } modules_enabled:append { "account_activity" }` + two, map[string]string{"example%2eorg/accounts/u.dat": account}, map[string]string{"example.org": waiting, "localhost": waiting}},
		"a folder in which there are no hosts": {`modules_enabled = { "lastlog2" }` + two, map[string]string{"README": "x"}, map[string]string{"example.org": waiting, "localhost": waiting}},
		"the module is no longer enabled":      {two, map[string]string{"example%2eorg/lastlog2/u.dat": login("1749800000"), "localhost/lastlog2/u.dat~": "", "localhost/accounts/u.dat": account}, map[string]string{"example.org": leftOver, "localhost": leftOver}},
		"another module brings it along":       {two, map[string]string{"example%2eorg/lastlog2/u.dat": login("1749988700")}, map[string]string{"example.org": "", "localhost": missing}},
	} {
		dataPath := t.TempDir()
		for file, content := range c.files {
			write(t, filepath.Join(dataPath, file), content)
		}
		_, facts := figuresOf(t, at(t, dataPath, c.config))
		got := make(map[string]string)
		for _, d := range facts.Domains {
			if got[d.Name] = d.NotRecorded; c.want[d.Name] != "" && strings.Contains(d.NotRecorded, c.want[d.Name]) {
				got[d.Name] = c.want[d.Name]
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Shown are the virtual hosts that are served, those without records too, since
// somebody has to look after them. What else has records is counted in one warning.
func TestHostsThatAreServed(t *testing.T) {
	dataPath := t.TempDir()
	for _, file := range []string{"example%2eorg/lastlog2/u", "old%2eexample/lastlog2/u", "older%2eexample/accounts/u", "conference%2eexample%2eorg/lastlog2/room", "conference%2eexample%2eorg/config/room"} {
		write(t, filepath.Join(dataPath, file+".dat"), login("1749988700"))
	}
	const config = "VirtualHost \"example.org\"\nVirtualHost \"new.example\"\nVirtualHost \"guests.example\"\nauthentication = \"anonymous\"\n" +
		"VirtualHost \"old.example\"\nenabled = false\nComponent \"conference.example.org\" \"muc\""
	got, facts := figuresOf(t, at(t, dataPath, config))
	want := map[string][4]int{"example.org": {1, 1, 1, -1}, "new.example": {-1, -1, -1, -1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"records of 2 domains are left out: the server does not serve them"}, facts.Warnings); diff != "" {
		t.Error(diff)
	}
	for _, d := range facts.Domains {
		if (d.NotRecorded == "") != (d.Name == "example.org") {
			t.Errorf("%s: %q", d.Name, d.NotRecorded)
		}
	}
	// From the folder alone, a component for rooms is recognised by its rooms.
	got, facts = figuresOf(t, prosody.Options{DataPath: dataPath})
	want = map[string][4]int{"example.org": {1, 1, 1, -1}, "old.example": {1, 1, 1, -1}, "older.example": {-1, -1, -1, 1}}
	if diff := cmp.Diff(want, got); diff != "" || len(facts.Warnings) > 0 {
		t.Errorf("%s %q", diff, facts.Warnings)
	}
	// The running server says what is a component.
	write(t, filepath.Join(dataPath, "pubsub%2eexample%2eorg/lastlog2/node.dat"), login("1749988700"))
	maps.Copy(want, map[string][4]int{"pubsub.example.org": {1, 1, 1, -1}})
	got, _ = figuresOf(t, prosody.Options{DataPath: dataPath})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	delete(want, "pubsub.example.org")
	path := socket(t, opening+`<repl-result>Result: {&quot;hosts&quot;:{&quot;pubsub.example.org&quot;:{&quot;type&quot;:&quot;component&quot;}}}</repl-result>`)
	got, _ = figuresOf(t, prosody.Options{DataPath: dataPath, AdminSocket: path})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
