package mongooseim_test

import (
	"path/filepath"
	"strings"
	"testing"

	"active_users_exporter/collector/mongooseim"
	"active_users_exporter/test/must"
)

// Whatever the bytes, reading mongooseim.toml ends, with a database or an error
// that names the file.
func FuzzMongooseIMTOML(f *testing.F) {
	for _, seed := range []string{
		"[general]\nhosts = ['a']\n" + pgsql("outgoing_pools.rdbms.default", "d"), "[[host_config]]\nhost = 'a'\n" + pgsql("host_config.outgoing_pools.rdbms.x", "d"),
		"[outgoing_pools.rdbms.default]\nscope = 'single_host'\n", "a = 'b", "[general]\nhosts = 1\n", pgsql("outgoing_pools.rdbms.x", ""),
	} {
		f.Add([]byte(seed))
	}
	file := filepath.Join(f.TempDir(), "mongooseim.toml")
	f.Fuzz(func(t *testing.T, content []byte) {
		must.WriteFile(t, file, string(content))
		source, _, err := mongooseim.Kind().At(file)
		switch {
		case err == nil && source.(mongooseim.Options).Database.IsZero():
			t.Error("neither a database nor an error")
		case err != nil && !strings.Contains(err.Error(), file) && !strings.Contains(err.Error(), "Mnesia"):
			t.Errorf("the file is not named: %v", err)
		}
	})
}
