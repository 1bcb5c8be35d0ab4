package mongooseim_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/mongooseim"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/webapi"
	"active_users_exporter/config/configtest"
)

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
	} {
		directory := configtest.Files(t, map[string]string{"mongooseim.toml": c.content})
		got, _, err := mongooseim.Kind().At(directory)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(chatserver.Source(c.want), got, cmp.AllowUnexported(sqldb.Source{}, webapi.Endpoint{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// That of the server that the samples come from.
	got, _, err := mongooseim.Kind().At("testdata/configuration/6.8.toml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(chatserver.Source(mongooseim.Options{Database: configtest.Source(t, "postgres://mim:mimpw@127.0.0.1:27432/mim")}), got, cmp.AllowUnexported(sqldb.Source{}, webapi.Endpoint{})); diff != "" {
		t.Error(diff)
	}
}

func TestMistakesInMongooseIMTOML(t *testing.T) {
	for name, c := range map[string]struct{ content, says string }{
		"ODBC":         {"[outgoing_pools.rdbms.default.connection]\ndriver='odbc'\nsettings='DSN=x;PWD=hunter2'\n", `the driver "odbc" cannot be read`},
		"no TOML":      {"[general]\npassword = hunter2\n", "mongooseim.toml:2: not a configuration of MongooseIM"},
		"a wrong type": {"[general]\nhosts = 'hunter2'\n", "not a configuration of MongooseIM"},
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
