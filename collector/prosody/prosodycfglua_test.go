package prosody_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/config/configtest"
)

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
		if diff := cmp.Diff(chatserver.Source(want), got, cmp.AllowUnexported(sqldb.Source{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestStoragesOfProsody(t *testing.T) {
	for content, says := range map[string]string{
		`storage = "memory"`:                        `storage "memory" cannot be read`,
		`storage = { lastlog2 = "sql" }`:            "in different storages",
		`storage = "sql" sql = {driver = "Oracle"}`: `"Oracle" is none of`,
		`VirtualHost "a" default_storage = "sql"`:   `virtual host "a" has its own option default_storage`,
		`x =`: "no valid Lua",
	} {
		directory := configtest.Files(t, map[string]string{"prosody.cfg.lua": content})
		_, _, err := prosody.Kind().At(directory + "/prosody.cfg.lua")
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "prosody.cfg.lua") {
			t.Errorf("%s: error %v, want one that says %q", content, err, says)
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
