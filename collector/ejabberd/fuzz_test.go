package ejabberd_test

import (
	"path/filepath"
	"strings"
	"testing"

	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/test/must"
)

// Whatever the bytes, reading ejabberd.yml ends, with hosts or an error that names
// the file, or one that it includes.
func FuzzEjabberdYML(f *testing.F) {
	for _, seed := range []string{
		"hosts: [a]\nsql_type: pgsql\nsql_server: 'unix:/run/.s.PGSQL.1'\nhost_config: {a: {sql_database: x}}\n",
		"hosts: [\"@A@\"]\ndefine_macro: {A: \"@B@@B@@B@@B@\", B: \"@C@@C@@C@@C@\", C: \"@A@@A@@A@\"}\nsql_type: mysql\nsql_database: A\n",
		"hosts: H\ndefine_macro: {H: H}\n", "hosts: &h [*h]\n", "include_config_file: ejabberd.yml\n", "define_keyword: {K: k}\nhosts: [K]\nodbc_type: pgsql\n", "hosts: [a]\nmodules: {m: {}}\nmodules: {m: {}}\n",
	} {
		f.Add([]byte(seed))
	}
	file := filepath.Join(f.TempDir(), "ejabberd.yml")
	f.Fuzz(func(t *testing.T, content []byte) {
		must.WriteFile(t, file, string(content))
		source, _, err := ejabberd.Kind().At(file)
		switch {
		case err == nil && len(source.(ejabberd.Options).Modules) == 0:
			t.Error("neither hosts nor an error")
		case err != nil && !strings.Contains(err.Error(), filepath.Dir(file)) && !strings.Contains(err.Error(), "Mnesia"):
			t.Errorf("the file is not named: %v", err)
		}
	})
}
