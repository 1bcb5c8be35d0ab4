package synapse_test

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/config/configtest"
	"active_users_exporter/test/must"
	"active_users_exporter/test/oracle"
)

// readAsSynapse reads the folders that it is given as Synapse does, with PyYAML, and
// prints where the main database is, with libpq's own reading of the arguments.
const readAsSynapse = `
import json, os, sys, yaml, psycopg2
from psycopg2.extensions import make_dsn, parse_dsn
def files(folder):
    yield os.path.join(folder, "homeserver.yaml")
    more = os.path.join(folder, "conf.d")
    if os.path.isdir(more):
        for name in sorted(os.listdir(more)):
            if name.endswith(".yaml") and os.path.isfile(os.path.join(more, name)):
                yield os.path.join(more, name)
def stores(database):
    named = database.get("data_stores")
    return ["main", "state"] if named is None else named
def read(folder):
    config = {}
    for path in files(folder):
        with open(path) as f:
            part = yaml.safe_load(f)
        if isinstance(part, dict):
            config.update(part)
    one, several, path = config.get("database"), config.get("databases"), config.get("database_path")
    if one and several:
        raise ValueError("both")
    all = list(several.values()) if several else [one] if one else [{"args": {"database": path}}] if path else []
    database = [d for d in all if "main" in stores(d)][0]
    engine, args = database.get("name", "sqlite3"), database.get("args", {})
    found = {"Server": str(config.get("server_name", ""))}
    if engine == "psycopg2":
        found["Parameters"] = parse_dsn(make_dsn(**{k: v for k, v in args.items() if not k.startswith("cp_")}))
    elif engine == "sqlite3":
        found["File"] = args["database"]
    else:
        raise ValueError("engine")
    return found
def attempt(folder):
    try:
        return read(folder)
    except (yaml.YAMLError, ValueError, IndexError, KeyError, TypeError, psycopg2.ProgrammingError):
        return None
json.dump({folder: attempt(folder) for folder in json.load(sys.stdin)}, sys.stdout)
`

// Whole configurations: where Synapse finds its database, we find it. The figures
// are in the documentation.
func TestConfigurationsAsSynapse(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/configurations.txtar")
	must.Succeed(t, err)
	contents, names := make(map[string]string), make(map[string]bool)
	for _, file := range archive.Files {
		contents[file.Name] = string(file.Data)
		names[strings.Split(file.Name, "/")[0]] = true
	}
	folder := configtest.Files(t, contents)
	var folders []string
	for name := range names {
		folders = append(folders, filepath.Join(folder, name))
	}
	var found map[string]*struct {
		Server, File string
		Parameters   map[string]string
	}
	oracle.Python(t, readAsSynapse, folders, &found)

	understood, refusedByBoth := 0, 0
	var ours []string // refused by us alone
	for _, path := range slices.Sorted(maps.Keys(found)) {
		name, want := filepath.Base(path), found[path]
		source, _, err := synapse.Kind().At(path)
		switch {
		case want == nil && err != nil:
			refusedByBoth++
		case want == nil:
			t.Errorf("%s: Synapse refuses it, and we read %v", name, source)
		case err != nil:
			ours = append(ours, name)
		default:
			understood++
			database, err := sqldb.FromLibpq(want.Parameters)
			if want.File != "" {
				database, err = sqldb.ParseSource("sqlite:" + want.File)
			}
			must.Succeed(t, err)
			if o := source.(synapse.Options); o.Database != database || o.ServerName != want.Server {
				t.Errorf("%s: %s and %s, Synapse: %s and %s", name, o.ServerName, o.Database.Describe(), want.Server, cmp.Or(want.File, fmt.Sprint(want.Parameters)))
			}
		}
	}
	if want := []string{"in-memory", "relative"}; !slices.Equal(ours, want) {
		t.Errorf("refused by us alone: %v, want %v", ours, want)
	}
	says := fmt.Sprintf("Among the %d configurations that CI tries, both understand %d in the same way, both refuse %d, and the exporter alone refuses %d.", len(found), understood, refusedByBoth, len(ours))
	if document := strings.Join(strings.Fields(must.ReadFile(t, "../../docs/synapse.md")), " "); !strings.Contains(document, says) {
		t.Errorf("docs/synapse.md does not say: %s", says)
	}
}
