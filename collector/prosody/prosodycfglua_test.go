package prosody_test

import (
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/config/configtest"
)

// accountsApart leaves to other tests where accounts are and what components there are.
func accountsApart() cmp.Option {
	return cmpopts.IgnoreFields(prosody.Options{}, "Accounts", "Components", "Recording")
}

// The configuration files of the servers that the samples come from.
func TestProsodysOwnConfiguration(t *testing.T) {
	hosts := []string{"example.com", "chat.example.org", "bücher.example", "late.example.net", "guest.example.net"}
	for file, want := range map[string]prosody.Options{
		"12-int":    {DataPath: "/lab/12-int/data", Hosts: hosts},
		"12-pg":     {Database: configtest.Source(t, "postgres://prosody:labpw@127.0.0.1:15432/prosody12"), Hosts: hosts},
		"13-sqlite": {Database: configtest.Source(t, "sqlite:/lab/13-sqlite/data/prosody.sqlite"), Hosts: hosts},
		"13-mysql":  {Database: configtest.Source(t, "mysql://prosody:labpw@127.0.0.1:13316/prosody13"), Hosts: hosts},
	} {
		got, _, err := prosody.Kind().At("testdata/configuration/" + file + ".cfg.lua")
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if diff := cmp.Diff(chatserver.Source(want), got, cmp.AllowUnexported(sqldb.Source{}), accountsApart()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestStoragesOfProsody(t *testing.T) {
	for content, says := range map[string]string{
		`storage = "memory"`:                            `storage "memory" cannot be read`,
		`storage = { lastlog2 = "sql" }`:                "in different storages",
		`storage = "sql" sql = {driver = "Oracle"}`:     `prosody.cfg.lua:1:17: sql: driver "Oracle" is none of`,
		`VirtualHost "a" default_storage = "memory"`:    `prosody.cfg.lua:1:17: virtual host "a" has its own storage: storage "memory" cannot be read`,
		`VirtualHost "a" storage = "sql" sql = {}`:      `prosody.cfg.lua:1:33: virtual host "a" has its own storage: sql: no driver is named`,
		`storage = "sql" sql = {}`:                      "no driver is named",
		`storage = "sql" sql = {driver = "PostgreSQL"}`: "no database is named",
		`storage = "sql" sql = {driver = "MySQL", database = "d", host = "/run/mysqld/mysqld.sock"}`: "host is a path",
		`data_path = { "/srv" }`:          "data_path is no text",
		`default_storage = {}`:            "default_storage is no text",
		`storage = "sql" sql = "SQLite3"`: "it is no table of options",
		`storage = "sql" sql = { driver = "SQLite3", database = ":memory:" }`:                          "in Prosody's memory",
		`o = { driver = "SQLite3" } default_storage = "sql" sql = FileLine and o or error("13 alone")`: "it is no table of options",
		`o = { lastlog2 = "sql" } storage = FileLine and o or error("13 alone")`:                       "storage is given as another option",
		`VirtualHost "a" enabled = false`:                                                              "no VirtualHost is enabled",
		`base = "/srv" data_path = base or "/other" storage = base and "internal" or "sql"`:            "for Prosody 13 than for earlier ones",
		`storage = { lastlog2 = "sql" } modules_enabled = { "lastlog2", "account_activity" }`:          "in different storages",
		`x =`:                           "prosody.cfg.lua:1:4: no valid Lua",
		`require "cjson"`:               "prosody.cfg.lua:1:1: the configuration needs the module",
		`assert(ENV_UNSET_X, "set it")`: "prosody.cfg.lua:1:1: set it",
	} {
		directory := configtest.Files(t, map[string]string{"prosody.cfg.lua": content})
		_, _, err := prosody.Kind().At(directory + "/prosody.cfg.lua")
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "prosody.cfg.lua") {
			t.Errorf("%s: error %v, want one that says %q", content, err, says)
		}
		if err != nil && !strings.Contains(err.Error(), `name Prosody's data_path`) {
			t.Errorf("%s: error %v does not say what to do instead", content, err)
		}
	}
	for content, want := range map[string]string{
		``: "/var/lib/prosody",
		`storage = { accounts = "sql", lastlog2 = "internal", account_activity = "internal" } default_storage = "sql" data_path = "d"`: "/d",
	} {
		directory := configtest.Files(t, map[string]string{"prosody.cfg.lua": content})
		got, _, err := prosody.Kind().At(directory + "/prosody.cfg.lua")
		if err != nil || !strings.HasSuffix(got.(prosody.Options).DataPath, want) {
			t.Errorf("%s: %+v, error %v", content, got, err)
		}
	}
}

// TestConfigurationsFoundInTheWild has a row for each way in which operators'
// files were refused, or read otherwise than Prosody reads them: files in,
// options out.
func TestConfigurationsFoundInTheWild(t *testing.T) {
	t.Setenv("TEST_DOMAIN", "Env.Example")
	const files = "/var/lib/prosody"
	one := []string{"example.com"}
	database := func(url string) sqldb.Source { return configtest.Source(t, url) }
	for name, c := range map[string]struct {
		content string
		further map[string]string
		want    prosody.Options
	}{
		"a host that is switched off": {
			`VirtualHost "example.com" VirtualHost "old.example" enabled = false`, nil,
			prosody.Options{DataPath: files, Hosts: one},
		},
		"a host that is switched off in its table": {
			`VirtualHost "old.example" { enabled = false } VirtualHost "example.com"`, nil,
			prosody.Options{DataPath: files, Hosts: one},
		},
		"an enabled that is no boolean": {
			`VirtualHost "example.com" enabled = "false"`, nil,
			prosody.Options{DataPath: files, Hosts: one},
		},
		"a host that is switched off has other records": {
			`VirtualHost "old.example" enabled = false storage = "sql" VirtualHost "example.com"`, nil,
			prosody.Options{DataPath: files, Hosts: one},
		},
		"files that begin with a dot are no part of it": {
			`Include "conf.d/*.cfg.lua"`,
			map[string]string{"conf.d/x.cfg.lua": `VirtualHost "example.com"`, "conf.d/.bak.cfg.lua": `VirtualHost "bak.example"`, "conf.d/._x.cfg.lua": "\x00\x05"},
			prosody.Options{DataPath: files, Hosts: one},
		},
		"the global section goes on behind a table": {
			`VirtualHost "example.com" { } data_path = "/srv/prosody"`, nil,
			prosody.Options{DataPath: "/srv/prosody", Hosts: one},
		},
		"storage behind a table": {
			`VirtualHost "example.com" { } storage = "internal"`, nil,
			prosody.Options{DataPath: files, Hosts: one},
		},
		"a method of a string":            {`VirtualHost(("EXAMPLE.com"):lower())`, nil, prosody.Options{DataPath: files, Hosts: one}},
		"tonumber":                        {`c2s_timeout = tonumber(ENV_X or "300") VirtualHost "example.com"`, nil, prosody.Options{DataPath: files, Hosts: one}},
		"ipairs":                          {`for _, h in ipairs{"example.com"} do VirtualHost(h) end`, nil, prosody.Options{DataPath: files, Hosts: one}},
		"table.insert":                    {`local t = {} table.insert(t, "example.com") VirtualHost(t[1])`, nil, prosody.Options{DataPath: files, Hosts: one}},
		"string.format":                   {`VirtualHost(string.format("%s.%s", "example", "com"))`, nil, prosody.Options{DataPath: files, Hosts: one}},
		"assert of os.getenv":             {`VirtualHost(assert(os.getenv("TEST_DOMAIN"), "set TEST_DOMAIN"))`, nil, prosody.Options{DataPath: files, Hosts: []string{"env.example"}}},
		"ENV_":                            {`VirtualHost(ENV_TEST_DOMAIN)`, nil, prosody.Options{DataPath: files, Hosts: []string{"env.example"}}},
		"gmatch":                          {`for h in ("example.com"):gmatch("[^,]+") do VirtualHost(h) end`, nil, prosody.Options{DataPath: files, Hosts: one}},
		"Lua's library behind Lua":        {`VirtualHost(Lua.assert("example.com")) n = Lua.tonumber("1") m = Lua.table.unpack({ 1 })`, nil, prosody.Options{DataPath: files, Hosts: one}},
		"modules whose values are chance": {`secret = require "util.uuid".generate() .. require "util.id".short() VirtualHost "example.com"`, nil, prosody.Options{DataPath: files, Hosts: one}},
		"the module stringy":              {`VirtualHost(require "stringy".split("example.com, x", ", ")[1])`, nil, prosody.Options{DataPath: files, Hosts: one}},
		"an option is appended to": {
			`modules_enabled = { "x" } modules_enabled:append { "lastlog2" } storage = { account_activity = "sql" } VirtualHost "example.com"`, nil,
			prosody.Options{DataPath: files, Hosts: one},
		},
		"a component with module and options": {`VirtualHost "example.com" Component "muc.example.com" "muc" { name = "y" }`, nil, prosody.Options{DataPath: files, Hosts: one}},
		"an Include counts from the file that it is in": {
			`Include "conf.d/x.cfg.lua"`,
			map[string]string{"conf.d/x.cfg.lua": `Include "sub/y.cfg.lua"`, "conf.d/sub/y.cfg.lua": `VirtualHost "example.com" { } data_path = "/srv/y"`},
			prosody.Options{DataPath: "/srv/y", Hosts: one},
		},
		"syntax of Lua 5.3 and 5.4": {`local d <const> = "example.com" x = 7 // 2 y = 1 << 3 goto e ::e:: VirtualHost(d)`, nil, prosody.Options{DataPath: files, Hosts: one}},
		"a socket's folder": {
			`default_storage = "sql" sql = { driver = "PostgreSQL", database = "prosody", username = "prosody", password = "p/w", host = "/var/run/postgresql" } VirtualHost "example.com"`, nil,
			prosody.Options{Database: database("postgres://prosody:p%2Fw@/prosody?host=%2Fvar%2Frun%2Fpostgresql&port=5432"), Hosts: one},
		},
		"a socket's folder and a port": {
			`default_storage = "sql" sql = { driver = "PostgreSQL", database = "prosody", host = "/run/postgresql", port = 5433 } VirtualHost "example.com"`, nil,
			prosody.Options{Database: database("postgres:///prosody?host=%2Frun%2Fpostgresql&port=5433"), Hosts: one},
		},
		"an address and a port as text": {
			`default_storage = "sql" sql = { driver = "MySQL", database = "prosody", username = "u", password = "p@/?#", host = "::1", port = "3307" } VirtualHost "example.com"`, nil,
			prosody.Options{Database: database("mysql://u:p%40%2F%3F%23@[::1]:3307/prosody"), Hosts: one},
		},
		"no address": {
			`storage = "sql" sql = { driver = "PostgreSQL", database = "prosody" } VirtualHost "example.com"`, nil,
			prosody.Options{Database: database("postgres://localhost:5432/prosody"), Hosts: one},
		},
		"SQLite without any options":      {`storage = "sql" VirtualHost "example.com"`, nil, prosody.Options{Database: database("sqlite:/var/lib/prosody/prosody.sqlite"), Hosts: one}},
		"the storage of the activity":     {`default_storage = "sql" storage = { lastlog2 = "internal", account_activity = "internal" } VirtualHost "example.com"`, nil, prosody.Options{DataPath: files, Hosts: one}},
		"lastlog2 in SQL, as 0.12 has it": {`storage = { lastlog2 = "sql" } modules_enabled = { "lastlog2" } VirtualHost "example.com"`, nil, prosody.Options{Database: database("sqlite:/var/lib/prosody/prosody.sqlite"), Hosts: one}},
		"account_activity alone":          {`storage = { lastlog2 = "sql" } VirtualHost "example.com" modules_enabled = { "account_activity" }`, nil, prosody.Options{DataPath: files, Hosts: one}},
		"the name of sql before 0.10":     {`storage = "sql2" VirtualHost "example.com"`, nil, prosody.Options{Database: database("sqlite:/var/lib/prosody/prosody.sqlite"), Hosts: one}},
		"hosts with their own storage": {
			`VirtualHost "a.example" VirtualHost "b.example" default_storage = "sql" VirtualHost "c.example" storage = { lastlog2 = "sql", account_activity = "sql" }
			VirtualHost "d.example" default_storage = "sql" sql = { driver = "PostgreSQL", database = "d" } VirtualHost "e.example"`, nil,
			prosody.Options{DataPath: files, Hosts: []string{"a.example", "b.example", "c.example", "d.example", "e.example"}, Others: []prosody.HostsPlace{
				{Place: prosody.Place{Database: database("sqlite:/var/lib/prosody/prosody.sqlite")}, Hosts: []string{"b.example", "c.example"}},
				{Place: prosody.Place{Database: database("postgres://localhost:5432/d")}, Hosts: []string{"d.example"}},
			}},
		},
		"the first host has its own storage": {
			`VirtualHost "a.example" storage = "sql" VirtualHost "b.example"`, nil,
			prosody.Options{Database: database("sqlite:/var/lib/prosody/prosody.sqlite"), Hosts: []string{"a.example", "b.example"}, Others: []prosody.HostsPlace{
				{Place: prosody.Place{DataPath: files}, Hosts: []string{"b.example"}},
			}},
		},
		"a host's own storage that cannot be read": {
			`VirtualHost "guests.example" storage = "memory" VirtualHost "a.example" VirtualHost "b.example"`, nil,
			prosody.Options{DataPath: files, Hosts: []string{"guests.example", "a.example", "b.example"}, Unreadable: map[string]string{"guests.example": `storage "memory" cannot be read: internal and sql can`}},
		},
		"a host's own storage, the same for all": {
			`VirtualHost "example.com" storage = "sql" sql = { driver = "SQLite3", database = "/srv/x.sqlite" }`, nil,
			prosody.Options{Database: database("sqlite:/srv/x.sqlite"), Hosts: one},
		},
		"no user, and a password": {
			`storage = "sql" sql = { driver = "PostgreSQL", database = "prosody", password = "p@/?" } VirtualHost "example.com"`, nil,
			prosody.Options{Database: database("postgres://localhost:5432/prosody?password=p%40%2F%3F"), Hosts: one},
		},
		"values that are none": {
			`data_path = false default_storage = nil storage = function() end VirtualHost "example.com"`, nil,
			prosody.Options{DataPath: files, Hosts: one},
		},
		"an option that is another one, which only earlier versions take": {
			`stores = { lastlog2 = "sql" } storage = stores VirtualHost "example.com"`, nil,
			prosody.Options{DataPath: files, Hosts: one},
		},
		"options as variables, without effect": {`base = "/srv" other = base .. "/x" VirtualHost "example.com"`, nil, prosody.Options{DataPath: files, Hosts: one}},
		"a host of another script":             {`VirtualHost "BÜCHER.example"`, nil, prosody.Options{DataPath: files, Hosts: []string{"bücher.example"}}},
		"line ends of Windows":                 {"storage = \"internal\"\r\nVirtualHost \"example.com\"\r\n", nil, prosody.Options{DataPath: files, Hosts: one}},
	} {
		all := map[string]string{"prosody.cfg.lua": c.content}
		maps.Copy(all, c.further)
		got, _, err := prosody.Kind().At(configtest.Files(t, all) + "/prosody.cfg.lua")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(chatserver.Source(c.want), got, cmp.AllowUnexported(sqldb.Source{}), accountsApart()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestRelativePathOnTheCommandLine: it means the same as the absolute one.
func TestRelativePathOnTheCommandLine(t *testing.T) {
	directory := configtest.Files(t, map[string]string{
		"prosody.cfg.lua":  `Include "@/conf.d/x.cfg.lua" Include "conf.d/y.cfg.lua" Include "conf.d/z*.lua" data_path = "data"`,
		"conf.d/x.cfg.lua": `VirtualHost "x.example"`,
		"conf.d/y.cfg.lua": `VirtualHost "y.example"`,
		"conf.d/z.lua":     `VirtualHost "z.example"`,
	})
	path := directory + "/prosody.cfg.lua"
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(content), "@", directory)), 0o600); err != nil {
		t.Fatal(err)
	}
	want, _, err := prosody.Kind().At(path)
	if err != nil {
		t.Fatal(err)
	}
	if hosts := want.(prosody.Options).Hosts; cmp.Diff([]string{"x.example", "y.example", "z.example"}, hosts) != "" {
		t.Errorf("hosts %v", hosts)
	}
	t.Chdir(directory)
	for _, relative := range []string{"prosody.cfg.lua", "./prosody.cfg.lua", "conf.d/../prosody.cfg.lua"} {
		got, _, err := prosody.Kind().At(relative)
		if err != nil {
			t.Errorf("%s: %v", relative, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(sqldb.Source{}), accountsApart()); diff != "" {
			t.Errorf("%s (-absolute +relative):\n%s", relative, diff)
		}
	}
}

// TestFolderOfTheConfiguration: the folder stands for the file in it, and a folder
// without one is that of the records.
func TestFolderOfTheConfiguration(t *testing.T) {
	directory := configtest.Files(t, map[string]string{"prosody.cfg.lua": `VirtualHost "a.example"`, "README": "", "data/x": ""})
	for location, want := range map[string]prosody.Options{
		directory:           {DataPath: "/var/lib/prosody", Hosts: []string{"a.example"}},
		directory + "/data": {DataPath: directory + "/data"},
	} {
		got, _, err := prosody.Kind().At(location)
		if diff := cmp.Diff(chatserver.Source(want), got, cmp.AllowUnexported(sqldb.Source{}), accountsApart()); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", location, err, diff)
		}
	}
}

// TestEnvironmentThatTheExporterLacks: a file that asks for it may mean another
// database or host to Prosody, which is said.
func TestEnvironmentThatTheExporterLacks(t *testing.T) {
	t.Setenv("TEST_SET", "x.example")
	for content, want := range map[string][]string{
		`VirtualHost(ENV_TEST_SET)`: nil,
		`VirtualHost(ENV_TEST_UNSET or os.getenv("TEST_OTHER") or os.getenv("TEST_SET"))`: {
			"Prosody's configuration asks for environment variables that the exporter does not have: TEST_OTHER, TEST_UNSET; those that Prosody has must be set for the exporter as well",
		},
	} {
		directory := configtest.Files(t, map[string]string{"prosody.cfg.lua": content})
		_, warnings, err := prosody.Kind().At(directory + "/prosody.cfg.lua")
		if diff := cmp.Diff(want, warnings); diff != "" || err != nil {
			t.Errorf("%s: error %v, warnings (-want +got):\n%s", content, err, diff)
		}
	}
}
