package synapse_test

import (
	"path/filepath"
	"strings"
	"testing"

	"active_users_exporter/collector/synapse"
	"active_users_exporter/test/must"
)

// Whatever the bytes, reading homeserver.yaml ends, with a database or an error that
// names the file.
func FuzzHomeserverYAML(f *testing.F) {
	for _, seed := range []string{
		"server_name: a\ndatabase: {name: psycopg2, args: {user: u, password: 08999, host: 'a,b', port: 5432, dsn: 'host=x'}}\n",
		"database: {name: sqlite3, args: {database: 'file:/x?mode=ro', uri: true}}\ncaches: {global_factor: 1}\nevent_cache_size: 10K\n",
		"databases: {a: {data_stores: [main], args: {database: /x}}}\n", "database_path: /x\n",
		"a: &a {b: 1}\nc: &c {<<: [*a, *a, *a, *a]}\nd: &d {<<: [*c, *c, *c, *c]}\n<<: *d\n", "&a {<<: *a}\n", "? [x]\n: 1\n", "database: &d [*d]\n", "!!int x\n",
	} {
		f.Add([]byte(seed))
	}
	file := filepath.Join(f.TempDir(), "homeserver.yaml")
	f.Fuzz(func(t *testing.T, content []byte) {
		must.WriteFile(t, file, string(content))
		source, _, err := synapse.Kind().At(file)
		switch {
		case err == nil && source.(synapse.Options).Database.IsZero():
			t.Error("neither a database nor an error")
		case err != nil && !strings.Contains(err.Error(), file) && !strings.Contains(err.Error(), "PostgreSQL URL"):
			t.Errorf("the file is not named: %v", err)
		}
	})
}
