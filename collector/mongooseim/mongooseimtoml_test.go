package mongooseim_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/mongooseim"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/webapi"
	"active_users_exporter/config/configtest"
)

// storagesApart leaves to other tests where which records are.
func storagesApart() cmp.Option {
	return cmpopts.IgnoreFields(mongooseim.Options{}, "Hosts", "Dynamic")
}

// pgsql is the connection of a pool to a database in PostgreSQL.
func pgsql(pool, database string) string {
	return "[" + pool + ".connection]\ndriver='pgsql'\nhost='db'\ndatabase='" + database + "'\nusername='u'\npassword='p'\n"
}

func TestMongooseIMTOML(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		want    mongooseim.Options
	}{
		"MySQL, one host": {
			"[general]\nhosts = ['a.example']\n[outgoing_pools.rdbms.default.connection]\ndriver='mysql'\nhost='db'\ndatabase='mim'\nusername='u'\npassword='a/b@c'\ntls.required = true\n",
			mongooseim.Options{Database: configtest.Source(t, "mysql://u:a%2Fb%40c@db:3306/mim?tls=preferred"), Host: "a.example"},
		},
		"a pool of another name, TLS": {
			"general.hosts = ['a', 'b']\n[outgoing_pools.http.default.connection]\nhost='h'\n[outgoing_pools.rdbms.auth.connection]\ndriver='pgsql'\nhost='db'\nport=5433\ndatabase='mim'\nusername='u'\npassword='p'\ntls.required=true\n",
			mongooseim.Options{Database: configtest.Source(t, "postgres://u:p@db:5433/mim?sslmode=require")},
		},
		"CockroachDB": {
			"[general]\nhosts = ['a']\nhost_types = ['t']\n[outgoing_pools.rdbms.default.connection]\ndriver='cockroachdb'\nhost='db'\ndatabase='mim'\nusername='u'\npassword='p'\ntls.verify_mode='none'\n",
			mongooseim.Options{Database: configtest.Source(t, "postgres://u:p@db:26257/mim?sslmode=require")},
		},
		"a pool of a host type, no other": {
			"[general]\nhost_types = ['t', 'u']\ndefault_server_domain = 'a.example'\n[[host_config]]\nhost_type = 't'\n[host_config.outgoing_pools.rdbms.default.connection]\ndriver='pgsql'\nhost='db'\ndatabase='mim'\nusername='u'\npassword='p'\n",
			mongooseim.Options{Database: configtest.Source(t, "postgres://u:p@db:5432/mim")},
		},
		"a pool of one host beside that of all": {
			"[general]\nhosts = ['a', 'b']\n" + pgsql("outgoing_pools.rdbms.default", "all") + "[[host_config]]\nhost = 'b'\n" + pgsql("host_config.outgoing_pools.rdbms.default", "b"),
			mongooseim.Options{Database: configtest.Source(t, "postgres://u:p@db:5432/all"), OtherDatabases: []sqldb.Source{configtest.Source(t, "postgres://u:p@db:5432/b")}},
		},
		"a pool of all that nobody uses": {
			"[general]\nhosts = ['a']\n" + pgsql("outgoing_pools.rdbms.default", "all") + "[[host_config]]\nhost = 'a'\n" + pgsql("host_config.outgoing_pools.rdbms.default", "a"),
			mongooseim.Options{Database: configtest.Source(t, "postgres://u:p@db:5432/a"), Host: "a"},
		},
		"a pool in host_config that nobody uses": {
			"[general]\nhosts = ['a']\n" + pgsql("outgoing_pools.rdbms.default", "all") + "[[host_config]]\nhost = 'a'\n" + pgsql("host_config.outgoing_pools.rdbms.mam", "mam"),
			mongooseim.Options{Database: configtest.Source(t, "postgres://u:p@db:5432/all"), Host: "a"},
		},
		"a pool for a single host": {
			"[general]\nhosts = ['a', 'b']\n[outgoing_pools.rdbms.default]\nscope = 'single_host'\nhost = 'b'\n" + pgsql("outgoing_pools.rdbms.default", "b"),
			mongooseim.Options{Database: configtest.Source(t, "postgres://u:p@db:5432/b")},
		},
		"a pool for each host, of the same database": {
			"[general]\nhost_types = ['t']\n[outgoing_pools.rdbms.default]\nscope = 'host_type'\n" + pgsql("outgoing_pools.rdbms.default", "all"),
			mongooseim.Options{Database: configtest.Source(t, "postgres://u:p@db:5432/all")},
		},
		"pools of several tags": {
			"[general]\nhosts = ['a', 'b']\n" + pgsql("outgoing_pools.rdbms.async", "async") + pgsql("outgoing_pools.rdbms.default", "live"),
			mongooseim.Options{Database: configtest.Source(t, "postgres://u:p@db:5432/live")},
		},
		"Windows' line ends and a byte order mark": {
			"\ufeff" + strings.ReplaceAll("[general]\nhosts = ['a', 'b']\n"+pgsql("outgoing_pools.rdbms.default", "x"), "\n", "\r\n"),
			mongooseim.Options{Database: configtest.Source(t, "postgres://u:p@db:5432/x")},
		},
	} {
		directory := configtest.Files(t, map[string]string{"mongooseim.toml": c.content})
		got, _, err := mongooseim.Kind().At(directory)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(chatserver.Source(c.want), got, cmp.AllowUnexported(sqldb.Source{}, webapi.Endpoint{}), storagesApart()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// That of the server that the samples come from.
	got, _, err := mongooseim.Kind().At("testdata/configuration/6.8.toml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(chatserver.Source(mongooseim.Options{Database: configtest.Source(t, "postgres://mim:mimpw@127.0.0.1:27432/mim")}), got, cmp.AllowUnexported(sqldb.Source{}, webapi.Endpoint{}), storagesApart()); diff != "" {
		t.Error(diff)
	}
}

func TestMistakesInMongooseIMTOML(t *testing.T) {
	for name, c := range map[string]struct{ content, says string }{
		"ODBC":         {"[outgoing_pools.rdbms.default.connection]\ndriver='odbc'\nsettings='DSN=x;PWD=hunter2'\n", `the driver "odbc" cannot be read`},
		"no TOML":      {"[general]\npassword = hunter2\n", "mongooseim.toml:2:12: no valid TOML: something else is expected here"},
		"a wrong type": {"[general]\nhosts = 'hunter2'\n", "mongooseim.toml:2: general.hosts: incompatible types: TOML value has type string"},
		"a key twice":  {"[general]\npassword = 'hunter2'\npassword = 'x'\n", "mongooseim.toml:3:1: no valid TOML: Key 'general.password' has already been defined."},
		"Mnesia":       {"[general]\nhosts = ['a']\n", "its records are in Mnesia"},
	} {
		directory := configtest.Files(t, map[string]string{"mongooseim.toml": c.content})
		_, _, err := mongooseim.Kind().At(filepath.Join(directory, "mongooseim.toml"))
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}
	if _, _, err := mongooseim.Kind().At("testdata/configuration/default-modules.toml"); err == nil || !strings.Contains(err.Error(), "its records are in Mnesia") {
		t.Errorf("error %v", err)
	}
}
