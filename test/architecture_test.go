// Package test checks the whole program, from outside.
package test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport says which packages of ours each package may import in its product
// code. Data flows one way, and the chat servers' packages never import one
// another.
var mayImport = map[string][]string{
	".": {
		"collector",
		"collector/activity",
		"collector/chatserver",
		"collector/demo",
		"collector/history",
		"collector/metric",
		"collector/reports",
		"collector/servers",
		"collector/sqldb",
		"collector/storage",
		"collector/usagereport",
		"config",
		"config/document",
		"web",
	},
	"collector": {
		"collector/activity",
		"collector/failure",
		"collector/history",
		"collector/metric",
	},
	"collector/activity": {},
	"collector/chatserver": {
		"collector",
		"collector/activity",
		"collector/metric",
		"collector/sqldb",
		"collector/webapi",
		"config/document",
	},
	"collector/demo": {
		"collector/activity",
		"collector/history",
		"collector/reports",
		"collector/sqldb",
		"collector/synapse/invented",
	},
	"collector/dendrite": {
		"collector",
		"collector/activity",
		"collector/chatserver",
		"collector/failure",
		"collector/metric",
		"collector/sqldb",
		"collector/usagereport",
		"config/document",
	},
	"collector/ejabberd": {
		"collector",
		"collector/activity",
		"collector/chatserver",
		"collector/failure",
		"collector/sqldb",
		"collector/webapi",
		"config/document",
	},
	"collector/failure": {},
	"collector/files":   {},
	"collector/history": {
		"collector/activity",
		"collector/sqldb",
		"collector/storage",
	},
	"collector/metric": {},
	"collector/mongooseim": {
		"collector",
		"collector/activity",
		"collector/chatserver",
		"collector/failure",
		"collector/files",
		"collector/sqldb",
		"collector/systemmetrics",
		"collector/webapi",
		"config/document",
	},
	"collector/prosody": {
		"collector",
		"collector/activity",
		"collector/chatserver",
		"collector/failure",
		"collector/files",
		"collector/metric",
		"collector/prosody/luaconfig",
		"collector/prosody/luadata",
		"collector/sqldb",
		"collector/webapi",
		"config/document",
	},
	"collector/prosody/luaconfig": {"collector/prosody/lua"},
	"collector/prosody/lua":       {},
	"collector/prosody/luadata":   {},
	"collector/reports": {
		"collector/activity",
		"collector/metric",
		"collector/sqldb",
		"collector/storage",
		"collector/systemmetrics",
		"collector/usagereport",
	},
	"collector/servers": {
		"collector/chatserver",
		"collector/dendrite",
		"collector/ejabberd",
		"collector/mongooseim",
		"collector/prosody",
		"collector/synapse",
	},
	"collector/sqldb": {
		"collector/failure",
		"collector/files",
		"collector/sqldb/sqlitefile",
	},
	"collector/sqldb/sqlitefile": {},
	"collector/storage": {
		"collector/sqldb",
	},
	"collector/synapse": {
		"collector",
		"collector/activity",
		"collector/chatserver",
		"collector/sqldb",
		"collector/synapse/mas",
		"collector/usagereport",
		"config/document",
	},
	"collector/synapse/invented": {
		"collector/sqldb",
	},
	"collector/synapse/mas": {
		"collector",
		"collector/activity",
		"collector/failure",
		"collector/metric",
		"collector/sqldb",
		"config/document",
	},
	"collector/systemmetrics": {
		"collector/metric",
	},
	"collector/usagereport": {
		"collector/metric",
	},
	"collector/webapi": {
		"collector/failure",
		"collector/files",
	},
	"config": {
		"collector/activity",
		"collector/chatserver",
		"collector/reports",
		"collector/servers",
		"collector/storage",
		"config/document",
	},
	"config/document": {
		"collector/sqldb",
		"collector/webapi",
	},
	"web": {
		"collector",
		"collector/activity",
		"collector/chatserver",
		"collector/metric",
		"collector/reports",
		"collector/systemmetrics",
		"collector/usagereport",
		"web/chart",
	},
	"web/chart": {},
	// For tests alone.
	"collector/benchtest":        {},
	"collector/sqldb/dbtest":     {"test/must"},
	"collector/storage/disktest": {},
	"collector/synapse/synapsetest": {
		"collector/sqldb",
		"collector/synapse/invented",
	},
	"collector/webapi/webapitest": {
		"collector/failure",
	},
	"collector/xmpptest": {},
	"config/configtest": {
		"collector/sqldb",
		"collector/webapi",
	},
	"test/leaks": {},
	"test/guestbook": {
		"collector",
		"collector/activity",
		"collector/chatserver",
		"collector/metric",
		"collector/sqldb",
	},
	"test/must": {},
	"test/oracle": {
		"collector/sqldb/dbtest",
		"test/must",
	},
	"test/samples": {
		"collector/usagereport",
	},
	"test/series": {},
}

// drivers may be linked in one package alone.
var drivers = map[string][]string{
	"modernc.org/sqlite":       {"collector/sqldb", "collector/storage/disktest"},
	"github.com/jackc/pgx/v5":  {"collector/sqldb", "collector/sqldb/dbtest", "collector/synapse/synapsetest"},
	"github.com/go-sql-driver": {"collector/sqldb", "collector/sqldb/dbtest"},
	"testing":                  {"collector/sqldb/dbtest", "collector/storage/disktest", "collector/xmpptest", "collector/webapi/webapitest", "collector/benchtest", "test/leaks", "test/must", "test/oracle", "config/configtest"},
	"os/exec":                  {"collector/sqldb/dbtest", "test/oracle"},
}

func TestImportRules(t *testing.T) {
	const module = "active_users_exporter/"
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != ".." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		pkg := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
		if pkg == ".." {
			pkg = "."
		}
		allowed, known := mayImport[pkg]
		if !known {
			t.Errorf("%s: the package %q is not in the table", path, pkg)
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if ours, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s: %s may not import %s", path, pkg, ours)
			}
			for driver, where := range drivers {
				if (imported == driver || strings.HasPrefix(imported, driver+"/")) && !slices.Contains(where, pkg) {
					t.Errorf("%s: %s is for %v alone", path, driver, where)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
