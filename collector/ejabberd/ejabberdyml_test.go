package ejabberd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/webapi"
	"active_users_exporter/config"
	"active_users_exporter/config/configtest"
	"active_users_exporter/test/must"
)

var unexported = cmp.AllowUnexported(sqldb.Source{}, webapi.Endpoint{})

// The configurations of the servers that the samples come from.
func TestEjabberdYMLOfRealServers(t *testing.T) {
	for file, want := range map[string][]ejabberd.Database{
		"26.07.yml": {{Source: configtest.Source(t, "postgres://ej:ejpw@127.0.0.1:27432/ej26")}},
		"23.01.yml": {
			{Source: configtest.Source(t, "sqlite:/srv/lab/ej23/alpha.sqlite"), Host: "alpha.example"},
			{Source: configtest.Source(t, "sqlite:/srv/lab/ej23/beta.sqlite"), Host: "beta.example"},
		},
	} {
		got, _, err := ejabberd.Kind().At("testdata/configuration/" + file)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		o := got.(ejabberd.Options)
		if diff := cmp.Diff(want, o.Databases, unexported); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		if m := o.Modules["beta.example"]; len(o.Modules) != 2 || len(m) < 10 || !strings.Contains(strings.Join(m, " "), "mod_last mod_") {
			t.Errorf("%s: modules %v", file, o.Modules)
		}
	}
}

func TestEjabberdYML(t *testing.T) {
	for name, c := range map[string]struct {
		files   map[string]string
		want    []ejabberd.Database
		modules map[string][]string
	}{
		"defaults, one host": {
			map[string]string{"ejabberd.yml": "hosts: [a.example]\nsql_type: mysql\n"},
			[]ejabberd.Database{{Source: configtest.Source(t, "mysql://ejabberd@localhost:3306/ejabberd"), Host: "a.example"}},
			map[string][]string{"a.example": nil},
		},
		"macros": {
			map[string]string{"ejabberd.yml": "define_macro:\n  HOSTS: [a.example]\n  SECRET: 'p@ss/w'\n  DB: \"live\"\nhosts: HOSTS\nsql_type: pgsql\nsql_password: SECRET\nsql_database: \"ej_@DB@\"\nsql_ssl: true\n"},
			[]ejabberd.Database{{Source: configtest.Source(t, "postgres://ejabberd:p%40ss%2Fw@localhost:5432/ej_live?sslmode=require"), Host: "a.example"}},
			map[string][]string{"a.example": nil},
		},
		"included files": {
			map[string]string{
				"ejabberd.yml": "hosts: [a.example, b.example]\ninclude_config_file:\n  conf/sql.yml:\n    allow_only: [sql_type, sql_server, modules]\n  more.yml: {disallow: [sql_type]}\nmodules:\n  mod_a: {}\nhost_config:\n  b.example:\n    modules: {mod_b: {}}\nappend_host_config: {a.example: {modules: {mod_c: {}}}}\n",
				"conf/sql.yml": "sql_type: mysql\nsql_server: unix:/run/mysqld/mysqld.sock\nsql_username: nobody\nmodules: {mod_d: {}, mod_a: {}}\n",
				"more.yml":     "sql_type: mssql\nsql_username: ej\n",
			},
			[]ejabberd.Database{{Source: configtest.Source(t, "mysql://ej@/ejabberd?socket=%2Frun%2Fmysqld%2Fmysqld.sock")}},
			map[string][]string{"a.example": {"mod_a", "mod_c", "mod_d"}, "b.example": {"mod_b"}},
		},
		"a socket of another port": {
			map[string]string{"ejabberd.yml": "hosts: [a.example]\nsql_type: pgsql\nsql_server: 'unix:/run/postgresql/.s.PGSQL.5433'\n"},
			[]ejabberd.Database{{Source: configtest.Source(t, "postgres://ejabberd@/ejabberd?host=%2Frun%2Fpostgresql&port=5433"), Host: "a.example"}},
			map[string][]string{"a.example": nil},
		},
		"options of ejabberd 16 and before": {
			map[string]string{"ejabberd.yml": "hosts: [a.example]\nodbc_type: pgsql\nodbc_server: s\nodbc_database: d\nodbc_username: u\nodbc_password: p\nodbc_port: 5433\n"},
			[]ejabberd.Database{{Source: configtest.Source(t, "postgres://u:p@s:5433/d"), Host: "a.example"}},
			map[string][]string{"a.example": nil},
		},
		"a database for each host by @HOST@": {
			map[string]string{"ejabberd.yml": "hosts: [a.example, b.example]\nsql_type: pgsql\nsql_database: \"ej_@HOST@\"\n"},
			[]ejabberd.Database{
				{Source: configtest.Source(t, "postgres://ejabberd@localhost:5432/ej_a.example"), Host: "a.example"},
				{Source: configtest.Source(t, "postgres://ejabberd@localhost:5432/ej_b.example"), Host: "b.example"},
			},
			map[string][]string{"a.example": nil, "b.example": nil},
		},
		"a key of the API twice, as in ejabberd's own example": {
			map[string]string{"ejabberd.yml": "hosts: [a.example]\nsql_type: pgsql\napi_permissions: {x: {who: {access: {allow: {acl: loopback, acl: admin}}}}}\n"},
			[]ejabberd.Database{{Source: configtest.Source(t, "postgres://ejabberd@localhost:5432/ejabberd"), Host: "a.example"}},
			map[string][]string{"a.example": nil},
		},
		"a list of files, a Unix socket of PostgreSQL": {
			map[string]string{"ejabberd.yml": "include_config_file: [x.yml]\n", "x.yml": "hosts: [a.example]\nsql_type: pgsql\nsql_server: 'unix:/run/postgresql/.s.PGSQL.5432'\n"},
			[]ejabberd.Database{{Source: configtest.Source(t, "postgres://ejabberd@/ejabberd?host=%2Frun%2Fpostgresql"), Host: "a.example"}},
			map[string][]string{"a.example": nil},
		},
	} {
		got, _, err := ejabberd.Kind().At(configtest.Files(t, c.files))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(chatserver.Source(ejabberd.Options{Databases: c.want, Modules: c.modules, Hosts: got.(ejabberd.Options).Hosts}), got, unexported); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A certificate is verified where ejabberd verifies it: if it is asked to, and given
// who must have signed it.
func TestCertificateOfTheDatabase(t *testing.T) {
	const signed = ", certificate signed by an authority in "
	for options, want := range map[string]struct {
		describes string
		warnings  int
	}{
		"sql_ssl: true": {"", 0},
		"sql_ssl: true\nsql_ssl_cafile: /etc/ssl/ca.pem":                                            {"", 0},
		"sql_ssl: true\nsql_ssl_verify: true\nsql_ssl_cafile: /etc/ssl/ca.pem":                      {signed + "/etc/ssl/ca.pem", 0},
		"sql_ssl: true\nsql_ssl_verify: 'yes'\nsql_ssl_cafile: /etc/ssl/ca.pem":                     {signed + "/etc/ssl/ca.pem", 0},
		"sql_ssl: false\nsql_ssl_verify: true\nsql_ssl_cafile: /etc/ssl/ca.pem":                     {"", 0},
		"sql_ssl: true\nsql_ssl_verify: true":                                                       {"", 1},
		"sql_ssl: true\nhost_config: {a.example: {sql_ssl_verify: true, sql_ssl_cafile: /own.pem}}": {signed + "/own.pem", 0},
	} {
		for _, engine := range []string{"pgsql", "mysql"} {
			path := configtest.Files(t, map[string]string{"ejabberd.yml": "hosts: [a.example]\nsql_type: " + engine + "\n" + options + "\n"})
			got, warnings, err := ejabberd.Kind().At(path)
			must.Succeed(t, err)
			if described := got.Reads()[0]; !strings.HasSuffix(strings.Replace(described, ", all of it for a.example", "", 1), "user ejabberd"+want.describes) || len(warnings) != want.warnings {
				t.Errorf("%s, %s: %q, warnings %q", engine, options, described, warnings)
			}
		}
	}
}

func TestMistakesInEjabberdYML(t *testing.T) {
	for name, c := range map[string]struct{ content, says string }{
		"no hosts":        {"sql_type: pgsql\n", "it lists no hosts"},
		"empty":           {"", "it lists no hosts"},
		"Mnesia":          {"hosts: [a]\n", "its records are in Mnesia"},
		"unknown engine":  {"hosts: [a]\nsql_type: mssql\nsql_password: hunter2\n", `"mssql" cannot be read`},
		"relative path":   {"hosts: [a]\nsql_type: sqlite\nsql_database: e.db\n", "no absolute path"},
		"no YAML":         {"hosts: [a]\nsql_password: 'hunter2\n", "ejabberd.yml:2: no valid YAML: found unexpected end of stream"},
		"a wrong type":    {"- hunter2\n", "ejabberd.yml:1:1: not a configuration of ejabberd"},
		"outside":         {"include_config_file: /etc/passwd\n", "names a file outside of"},
		"outside, hidden": {"include_config_file: ../x.yml\n", "names a file outside of"},
		"itself":          {"include_config_file: ejabberd.yml\n", "included twice"},
		"two documents":   {"hosts: [a]\n---\nsql_password: hunter2\n", "ejabberd.yml:2: a second document"},
		"another socket":  {"hosts: [a]\nsql_type: pgsql\nsql_server: 'unix:/run/x.sock'\nsql_password: hunter2\n", "the socket is not named .s.PGSQL.PORT"},
		"not there":       {"include_config_file: x.yml\n", "x.yml: no such file"},
	} {
		directory := configtest.Files(t, map[string]string{"ejabberd.yml": c.content})
		_, _, err := ejabberd.Kind().At(filepath.Join(directory, "ejabberd.yml"))
		if text := fmt.Sprint(err); err == nil || !strings.Contains(text, c.says) || strings.Contains(text, "hunter2") {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}
}

// A server whose records are in Mnesia is read through its API, and its
// configuration lists the modules.
func TestEjabberdYMLAndAPI(t *testing.T) {
	directory := configtest.Files(t, map[string]string{
		"etc/ejabberd.yml": "hosts: [a.example]\nmodules: {mod_mam: {}}\n",
		"c.yml":            "servers: [{software: ejabberd, from: etc, api_url: 'http://127.0.0.1:5280/api', required_modules: [mod_mam]}]\n",
		"bad.yml":          "servers: [{software: ejabberd, from: etc/ejabberd.yml}]\n",
	})
	got, err := config.Source{File: filepath.Join(directory, "c.yml"), LookupEnv: os.LookupEnv}.Load()
	if err != nil {
		t.Fatal(err)
	}
	want := ejabberd.Options{API: configtest.Endpoint(t, "http://127.0.0.1:5280/api"), Hosts: map[string]ejabberd.Host{"a.example": {Accounts: chatserver.InMnesia, Sessions: chatserver.InMnesia}}, Modules: map[string][]string{"a.example": {"mod_mam"}}, RequiredModules: []string{"mod_mam"}}
	if diff := cmp.Diff(chatserver.Source(want), got.Servers[0].Source, unexported); diff != "" {
		t.Error(diff)
	}
	if _, err := (config.Source{File: filepath.Join(directory, "bad.yml"), LookupEnv: os.LookupEnv}).Load(); err == nil || !strings.Contains(err.Error(), "bad.yml:1:38: from: this ejabberd has no SQL database") {
		t.Errorf("error %v", err)
	}
}

// What ejabberd would not take, or what it knows and we do not.
func TestWarningsOfEjabberdYML(t *testing.T) {
	path := filepath.Join(configtest.Files(t, map[string]string{"ejabberd.yml": "hosts: [a.example]\nsql_type: pgsql\nsql_database: one\nsql_database: \"x_@SECRET_NAME@\"\nsql_password: \"p@A@\"\n"}), "ejabberd.yml")
	got, warnings, err := ejabberd.Kind().At(path)
	if err != nil || len(got.(ejabberd.Options).Databases) != 1 {
		t.Fatalf("%v, error %v", got, err)
	}
	want := []string{
		path + ":4:1: option sql_database is there twice: the last one counts, if ejabberd takes the file at all",
		"sql_database: @SECRET_NAME@ is not defined: if it is in the environment of ejabberd (EJABBERD_MACRO_SECRET_NAME), it must be in that of the exporter too",
	}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Error(diff)
	}
}

// A relative path on the command line means the same as the absolute one.
func TestRelativePathOfEjabberdYML(t *testing.T) {
	directory := configtest.Files(t, map[string]string{"x.yml": "hosts: [a.example]\nsql_type: pgsql\n"})
	content := "include_config_file: [" + filepath.Join(directory, "x.yml") + "]\n"
	if err := os.WriteFile(filepath.Join(directory, "ejabberd.yml"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(directory)
	got, _, err := ejabberd.Kind().At("ejabberd.yml")
	if err != nil || len(got.(ejabberd.Options).Databases) != 1 {
		t.Errorf("%v, error %v", got, err)
	}
}
