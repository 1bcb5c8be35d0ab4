package ejabberd

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/test/must"
	"active_users_exporter/test/oracle"
)

// A configuration with what ejabberd makes of it. Files are in one folder, the
// first is ejabberd.yml.
type configuration struct {
	content  string
	included map[string]string
	// since is the oldest version that understands it so, "" if 23.01 does.
	since string
	// want are the hosts, as oracle.Ejabberd prints them; none if ejabberd refuses
	// the file. What is for newer versions was printed by ejabberd 26.07.
	want []string
}

const both = "hosts: [a.example, b.example]\nauth_method: sql\nsql_type: pgsql\n"

// same are the lines of two hosts with the same options.
func same(rest string) []string { return []string{"a.example|" + rest, "b.example|" + rest} }

func configurations() map[string]configuration {
	return map[string]configuration{
		"defaults":               {content: both, want: same("pgsql|localhost|5432|ejabberd|ejabberd||false|[]")},
		"MySQL":                  {content: strings.Replace(both, "pgsql", "mysql", 1), want: same("mysql|localhost|3306|ejabberd|ejabberd||false|[]")},
		"JSON":                   {content: `{"hosts": ["a.example", "b.example"], "sql_type": "pgsql", "sql_database": "x", "auth_method": "sql"}`, want: same("pgsql|localhost|5432|x|ejabberd||false|[]")},
		"Windows' line ends":     {content: strings.ReplaceAll(both+"sql_database: x\n", "\n", "\r\n"), want: same("pgsql|localhost|5432|x|ejabberd||false|[]")},
		"a byte order mark":      {content: "\ufeff" + both, want: same("pgsql|localhost|5432|ejabberd|ejabberd||false|[]")},
		"capitals in hosts":      {content: "hosts: [A.Example, b.example]\nsql_type: pgsql\nauth_method: sql\nhost_config: {A.EXAMPLE: {sql_database: up}}\n", want: []string{"a.example|pgsql|localhost|5432|up|ejabberd||false|[]", "b.example|pgsql|localhost|5432|ejabberd|ejabberd||false|[]"}},
		"TLS":                    {content: both + "sql_ssl: yes\n", want: same("pgsql|localhost|5432|ejabberd|ejabberd||true|[]")},
		"a socket":               {content: both + "sql_server: 'unix:/run/postgresql/.s.PGSQL.5433'\n", want: same("pgsql|unix:/run/postgresql/.s.PGSQL.5433|5432|ejabberd|ejabberd||false|[]")},
		"several databases":      {content: both + "host_config:\n  b.example: {sql_server: other, sql_database: b}\n", want: []string{"a.example|pgsql|localhost|5432|ejabberd|ejabberd||false|[]", "b.example|pgsql|other|5432|b|ejabberd||false|[]"}},
		"an alias names itself":  {content: both + "sql_database: &d one\nsql_username: *d\n", want: same("pgsql|localhost|5432|one|d||false|[]")},
		"an empty password":      {content: both + "sql_password: ''\n", want: same("pgsql|localhost|5432|ejabberd|ejabberd||false|[]")},
		"digits and an e":        {content: both + "sql_password: 1e5\n", want: same("pgsql|localhost|5432|ejabberd|ejabberd|1e5|false|[]")},
		"a hexadecimal password": {content: both + "sql_password: 0x1F\n", want: same("pgsql|localhost|5432|ejabberd|ejabberd|0x1F|false|[]")},
		"a word of YAML's":       {content: both + "sql_password: yes\nsql_username: null\nsql_database: ~\n", want: same("pgsql|localhost|5432|~|null|yes|false|[]")},
		"a date":                 {content: both + "sql_password: 2001-01-01\n", want: same("pgsql|localhost|5432|ejabberd|ejabberd|2001-01-01|false|[]")},
		"an underscore":          {content: both + "sql_password: 1_000\n", want: same("pgsql|localhost|5432|ejabberd|ejabberd|1_000|false|[]")},
		"a container's variable": {content: both + "sql_password: ${DB_PASSWORD}\n", want: same("pgsql|localhost|5432|ejabberd|ejabberd|${DB_PASSWORD}|false|[]")},
		"an unquoted number":     {content: both + "sql_password: 12345\n"},
		"two documents":          {content: both + "---\nsql_database: x\n"},
		"a value twice":          {content: both + "sql_database: one\nsql_database: two\n"},
		"hosts twice":            {content: "hosts: [x.example]\n" + both, want: []string{"x.example|pgsql|localhost|5432|ejabberd|ejabberd||false|[]", "a.example|pgsql|localhost|5432|ejabberd|ejabberd||false|[]", "b.example|pgsql|localhost|5432|ejabberd|ejabberd||false|[]"}},
		"modules twice":          {content: both + "modules: {mod_ping: {}}\nmodules: {mod_last: {}}\n", want: same("pgsql|localhost|5432|ejabberd|ejabberd||false|[mod_last,mod_ping]")},
		"host_config twice":      {content: both + "host_config:\n  a.example: {sql_database: one}\nhost_config:\n  a.example: {sql_server: two}\n", want: []string{"a.example|pgsql|two|5432|one|ejabberd||false|[]", "b.example|pgsql|localhost|5432|ejabberd|ejabberd||false|[]"}},
		"a host twice":           {content: both + "host_config:\n  a.example: {sql_database: one}\n  a.example: {sql_server: two}\n", want: []string{"a.example|pgsql|two|5432|one|ejabberd||false|[]", "b.example|pgsql|localhost|5432|ejabberd|ejabberd||false|[]"}},
		"the example of 19.08 to 20.04": {
			content: both + "api_permissions:\n  \"admin access\":\n    who:\n      access:\n        allow:\n          acl: loopback\n          acl: admin\n    what: [\"*\"]\n",
			want:    same("pgsql|localhost|5432|ejabberd|ejabberd||false|[]"),
		},
		"modules of a host": {
			content: both + "modules: {mod_ping: {}}\nhost_config:\n  a.example: {modules: {mod_last: {}}}\nappend_host_config:\n  a.example: {modules: {mod_roster: {}}}\n",
			want:    []string{"a.example|pgsql|localhost|5432|ejabberd|ejabberd||false|[mod_last,mod_roster]", "b.example|pgsql|localhost|5432|ejabberd|ejabberd||false|[mod_ping]"},
		},
		"macros":                      {content: both + "define_macro:\n  DB: live\n  SECRET: 'p@ss'\nsql_database: DB\nsql_password: SECRET\n", want: same("pgsql|localhost|5432|live|ejabberd|p@ss|false|[]")},
		"a macro in quotes":           {content: both + "define_macro: {DB: live}\nsql_database: 'DB'\n", want: same("pgsql|localhost|5432|live|ejabberd||false|[]")},
		"macros in macros":            {content: both + "define_macro: {A: B, B: live}\nsql_database: A\n", want: same("pgsql|localhost|5432|live|ejabberd||false|[]")},
		"a macro for a list":          {content: "define_macro: {HOSTS: [m.example]}\nhosts: HOSTS\nsql_type: pgsql\nauth_method: sql\n", want: []string{"m.example|pgsql|localhost|5432|ejabberd|ejabberd||false|[]"}},
		"a macro in a list":           {content: "define_macro: {H: m.example}\nhosts: [H]\nsql_type: pgsql\nauth_method: sql\n", want: []string{"m.example|pgsql|localhost|5432|ejabberd|ejabberd||false|[]"}},
		"a macro for a number":        {content: both + "define_macro: {PORT: 5433}\nsql_port: PORT\n", want: same("pgsql|localhost|5433|ejabberd|ejabberd||false|[]")},
		"a macro that is not defined": {content: both + "sql_database: UNDEF\nsql_password: '@UNDEF@'\n", want: same("pgsql|localhost|5432|UNDEF|ejabberd|@UNDEF@|false|[]")},
		"within a plain text":         {content: both + "define_macro: {DB: live}\nsql_database: ej_@DB@\n", want: same("pgsql|localhost|5432|ej_@DB@|ejabberd||false|[]")},
		"plain within a quoted text":  {content: both + "define_macro: {DB: live}\nsql_database: \"ej_@DB@\"\n", want: same("pgsql|localhost|5432|ej_@DB@|ejabberd||false|[]")},
		"within a quoted text":        {content: both + "define_macro: {DB: \"live\"}\nsql_database: \"@DB@_@DB@\"\n", since: "25.03", want: same("pgsql|localhost|5432|live_live|ejabberd||false|[]")},
		"within a macro":              {content: both + "define_macro: {A: \"in_@B@\", B: \"live\"}\nsql_database: \"x_@A@\"\nsql_server: A\n", since: "25.03", want: same("pgsql|in_live|5432|x_in_live|ejabberd||false|[]")},
		"within a name of a host":     {content: "define_macro: {H: \"m.example\"}\nhosts: [\"chat.@H@\"]\nsql_type: pgsql\nauth_method: sql\n", since: "25.03", want: []string{"chat.m.example|pgsql|localhost|5432|ejabberd|ejabberd||false|[]"}},
		"within a block":              {content: both + "define_macro: {M: \"live\"}\nsql_database: |-\n  x_@M@\n", since: "25.03", want: same("pgsql|localhost|5432|x_live|ejabberd||false|[]")},
		"a number within a text":      {content: both + "define_macro: {M: 12}\nsql_database: \"x_@M@\"\n", want: same("pgsql|localhost|5432|x_@M@|ejabberd||false|[]")},
		"keywords":                    {content: both + "define_keyword: {KW: \"live\"}\nsql_database: \"x_@KW@\"\nsql_server: KW\nsql_username: \"KW\"\n", since: "25.03", want: same("pgsql|live|5432|x_live|KW||false|[]")},
		"a keyword in a plain text":   {content: both + "define_keyword: {KW: \"live\"}\nsql_database: x_@KW@\n", since: "25.03", want: same("pgsql|localhost|5432|x_live|ejabberd||false|[]")},
		"a plain keyword":             {content: both + "define_keyword: {KW: live}\nsql_database: \"x_@KW@\"\nsql_server: KW\n", since: "25.03", want: same("pgsql|live|5432|x_@KW@|ejabberd||false|[]")},
		"a keyword in small letters":  {content: both + "define_keyword: {kw: \"live\"}\nsql_database: \"x_@kw@\"\n", since: "25.03", want: same("pgsql|localhost|5432|x_live|ejabberd||false|[]")},
		"a keyword in a macro":        {content: both + "define_keyword: {K: \"kk\"}\ndefine_macro: {A: \"in_@K@\"}\nsql_database: \"x_@A@\"\n", since: "25.03", want: same("pgsql|localhost|5432|x_in_kk|ejabberd||false|[]")},
		"macro before keyword":        {content: both + "define_macro: {X: \"m\"}\ndefine_keyword: {X: \"k\"}\nsql_database: \"x_@X@\"\nsql_server: X\n", since: "25.03", want: same("pgsql|m|5432|x_m|ejabberd||false|[]")},
		"environment":                 {content: both + "sql_database: \"x_@FROM_ENV@\"\nsql_server: FROM_ENV\n", since: "25.03", want: same("pgsql|env|5432|x_env|ejabberd||false|[]")},
		"environment before macro":    {content: both + "define_macro: {FROM_ENV: \"mm\"}\nsql_database: \"x_@FROM_ENV@\"\n", since: "25.03", want: same("pgsql|localhost|5432|x_env|ejabberd||false|[]")},
		"environment before keyword":  {content: both + "define_keyword: {FROM_ENV: \"kw\"}\nsql_database: \"x_@FROM_ENV@\"\n", since: "25.03", want: same("pgsql|localhost|5432|x_env|ejabberd||false|[]")},
		"an included file":            {content: both + "include_config_file: more.yml\n", included: map[string]string{"more.yml": "sql_database: inc\nsql_server: s\n"}, want: same("pgsql|s|5432|inc|ejabberd||false|[]")},
		"several included files":      {content: both + "include_config_file: [a.yml, b.yml]\n", included: map[string]string{"a.yml": "sql_database: inc\n", "b.yml": "sql_server: s\n"}, want: same("pgsql|s|5432|inc|ejabberd||false|[]")},
		"an option in both files":     {content: both + "sql_database: main\ninclude_config_file: more.yml\n", included: map[string]string{"more.yml": "sql_database: inc\n"}},
		"allow_only":                  {content: both + "include_config_file:\n  more.yml: {allow_only: [sql_server]}\n", included: map[string]string{"more.yml": "sql_database: inc\nsql_server: s\n"}, want: same("pgsql|s|5432|ejabberd|ejabberd||false|[]")},
		"disallow":                    {content: both + "include_config_file:\n  more.yml: {disallow: [sql_server]}\n", included: map[string]string{"more.yml": "sql_database: inc\nsql_server: s\n"}, want: same("pgsql|localhost|5432|inc|ejabberd||false|[]")},
		"allow_only and disallow":     {content: both + "include_config_file:\n  more.yml: {allow_only: [sql_server, sql_database], disallow: [sql_server]}\n", included: map[string]string{"more.yml": "sql_database: inc\nsql_server: s\n"}, want: same("pgsql|s|5432|inc|ejabberd||false|[]")},
		"macros of an included file":  {content: both + "include_config_file: more.yml\nsql_database: DB\n", included: map[string]string{"more.yml": "define_macro: {DB: live}\n"}, want: same("pgsql|localhost|5432|live|ejabberd||false|[]")},
		"macros in an included file":  {content: both + "include_config_file: more.yml\ndefine_macro: {DB: live}\n", included: map[string]string{"more.yml": "sql_database: DB\n"}, want: same("pgsql|localhost|5432|live|ejabberd||false|[]")},
		"host_config in both files": {
			content: both + "host_config: {a.example: {sql_database: main}}\ninclude_config_file: more.yml\n", included: map[string]string{"more.yml": "host_config:\n  a.example: {sql_server: inc}\n  b.example: {sql_database: binc}\n"},
			want: []string{"a.example|pgsql|inc|5432|main|ejabberd||false|[]", "b.example|pgsql|localhost|5432|binc|ejabberd||false|[]"},
		},
		"modules in both files": {content: both + "modules: {mod_ping: {}}\ninclude_config_file: more.yml\n", included: map[string]string{"more.yml": "modules: {mod_last: {}}\n"}, want: same("pgsql|localhost|5432|ejabberd|ejabberd||false|[mod_last,mod_ping]")},
		"included hosts":        {content: "sql_type: pgsql\nauth_method: sql\ninclude_config_file: more.yml\n", included: map[string]string{"more.yml": "hosts: [i.example]\n"}, want: []string{"i.example|pgsql|localhost|5432|ejabberd|ejabberd||false|[]"}},
	}
}

// What ejabberd makes of a configuration, the installed one by its own code, we
// make of it too.
func TestConfigurationsAsEjabberd(t *testing.T) {
	t.Setenv("EJABBERD_MACRO_FROM_ENV", "env")
	t.Setenv("EJABBERD_MACRO_DB", "")
	must.Succeed(t, os.Unsetenv("EJABBERD_MACRO_DB"))
	all := configurations()
	paths := make(map[string]string)
	for name, c := range all {
		folder := t.TempDir()
		paths[name] = filepath.Join(folder, "ejabberd.yml")
		content := c.content
		for file, included := range c.included {
			must.WriteFile(t, filepath.Join(folder, file), included)
			// ejabberd looks for a relative one where it runs.
			content = strings.ReplaceAll(content, " "+file, " "+filepath.Join(folder, file))
			content = strings.ReplaceAll(content, "["+file, "["+filepath.Join(folder, file))
		}
		must.WriteFile(t, paths[name], content)
	}
	version, asEjabberd := oracle.Ejabberd(t, slices.Sorted(maps.Values(paths)))
	if version == "" || len(asEjabberd) != len(all) {
		t.Fatalf("ejabberd %q has read %d of %d files", version, len(asEjabberd), len(all))
	}
	refused := 0
	for name, c := range all {
		if c.want == nil {
			refused++
		}
		if c.since <= version {
			if diff := cmp.Diff(c.want, asEjabberd[paths[name]]); diff != "" {
				t.Errorf("%s: the table is wrong about ejabberd %s (-table +ejabberd):\n%s", name, version, diff)
			}
		}
		got, err := asWeRead(paths[name])
		if c.want == nil {
			continue // neither would run
		}
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v (-ejabberd +ours):\n%s", name, err, diff)
		}
	}
	says := fmt.Sprintf("of %d configurations, %d are understood as ejabberd does, %d are refused by ejabberd, and none by the exporter alone", len(all), len(all)-refused, refused)
	if document := strings.Join(strings.Fields(must.ReadFile(t, "../../docs/ejabberd-mongooseim.md")), " "); !strings.Contains(document, says) {
		t.Errorf("docs/ejabberd-mongooseim.md does not say: %s", says)
	}
}

// asWeRead are the lines of oracle.Ejabberd by our reading.
func asWeRead(path string) (lines []string, err error) {
	c, err := parseEjabberdYML(path, func(string, ...any) {})
	if err != nil {
		return nil, err
	}
	for _, host := range c.hosts() {
		kind, l := c.location(host, c.part(c.top["host_config"], host))
		if l.Port == "" {
			l.Port = map[string]string{"pgsql": "5432", "mysql": "3306"}[kind]
		}
		lines = append(lines, fmt.Sprintf("%s|%s|%s|%s|%s|%s|%s|%t|[%s]", host, kind, l.Host, l.Port, l.Database, l.User, l.Password, l.Encrypted, strings.Join(c.modules(host), ",")))
	}
	return lines, nil
}
