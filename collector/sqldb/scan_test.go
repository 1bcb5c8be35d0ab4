package sqldb_test

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/must"
)

// A Scan gives what a Stream gives, or says that it cannot.
func TestScanning(t *testing.T) {
	const table = `CREATE TABLE people (name TEXT NOT NULL, "user" VARCHAR(20), n INTEGER)`
	people := []string{table, `INSERT INTO people VALUES ('ada', 'é', 5), ('bob', NULL, -1), ('', '` + strings.Repeat("long", 5000) + `', NULL)`}
	for name, c := range map[string]struct {
		mode       string
		statements []string
		columns    []string
		scanned    bool
	}{
		"all columns":             {"delete", people, []string{"name", "user", "n"}, true},
		"in another order":        {"delete", people, []string{"n", "name"}, true},
		"no rows":                 {"delete", people[:1], []string{"name"}, true},
		"written to by WAL":       {"wal", people, []string{"name"}, false},
		"no such table":           {"delete", nil, []string{"name"}, false},
		"no such column":          {"delete", people, []string{"name", "age"}, false},
		"a view":                  {"delete", append([]string{strings.Replace(table, "people", "x", 1)}, `CREATE VIEW people AS SELECT * FROM x`), []string{"name"}, false},
		"without rowids":          {"delete", []string{`CREATE TABLE people (name TEXT PRIMARY KEY, n TEXT) WITHOUT ROWID`}, []string{"n"}, false},
		"a key of text":           {"delete", []string{`CREATE TABLE people (n INT, name TEXT, PRIMARY KEY (name, n))`, `INSERT INTO people VALUES (1, 'b'), (2, 'a')`}, []string{"name", "n"}, true},
		"the rowid as a column":   {"delete", []string{`CREATE TABLE people (name TEXT, n INTEGER PRIMARY KEY)`}, []string{"name", "n"}, false},
		"beside the rowid":        {"delete", []string{`CREATE TABLE people (n INTEGER PRIMARY KEY, name TEXT)`, `INSERT INTO people VALUES (9, 'x')`}, []string{"name"}, true},
		"a computed column":       {"delete", []string{`CREATE TABLE people (n TEXT AS (name || 'x'), name TEXT)`, `INSERT INTO people VALUES ('x')`}, []string{"name"}, false},
		"a column with a default": {"delete", append(people, `ALTER TABLE people ADD COLUMN x TEXT DEFAULT 'y'`), []string{"x"}, false},
		"a column added":          {"delete", append(people, `ALTER TABLE people ADD COLUMN x TEXT`, `INSERT INTO people VALUES ('eve', 'e', 1, 'x')`), []string{"x", "n"}, true},
		"a column dropped":        {"delete", append(people, `ALTER TABLE people DROP COLUMN "user"`), []string{"name", "n"}, true},
		"floating point":          {"delete", []string{`CREATE TABLE people (n REAL)`, `INSERT INTO people VALUES (1e6)`}, []string{"n"}, false},
	} {
		path := filepath.Join(t.TempDir(), "people.db")
		db := database(t, path, c.mode)
		for _, statement := range c.statements {
			exec(t, db, statement)
		}
		source, err := sqldb.ParseSource("sqlite:" + path)
		must.Succeed(t, err)
		take := func(into *[][]string) func(*sqldb.Row) {
			return func(row *sqldb.Row) {
				var values []string
				for i, column := range c.columns {
					switch value := row.Text(i); {
					case value == nil:
						values = append(values, "NULL")
					case column == "n":
						values = append(values, strconv.FormatInt(row.Integer(i), 10))
					default:
						values = append(values, "="+string(value))
					}
				}
				*into = append(*into, values)
			}
		}
		err = source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
			var got, want [][]string
			scanned, err := view.Scan(ctx, "people", c.columns, take(&got))
			if err != nil || scanned != c.scanned {
				t.Errorf("%s: scanned %t, error %v", name, scanned, err)
			}
			if !scanned {
				return nil
			}
			must.Succeed(t, view.Stream(ctx, `SELECT "`+strings.Join(c.columns, `", "`)+`" FROM people ORDER BY rowid`, len(c.columns), take(&want)))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-Stream +Scan):\n%s", name, diff)
			}
			return nil
		})
		must.Succeed(t, err)
	}
}

func TestScanningLeavesUTF16ToTheLibrary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.db")
	db, err := sqldb.CreateSQLite(path)
	must.Succeed(t, err)
	exec(t, db, `PRAGMA encoding = 'UTF-16'`)
	exec(t, db, `CREATE TABLE users (name TEXT)`)
	must.Succeed(t, db.Close())
	source, err := sqldb.ParseSource("sqlite:" + path)
	must.Succeed(t, err)
	must.Succeed(t, source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
		var encoding string
		must.Succeed(t, view.GetContext(ctx, &encoding, `PRAGMA encoding`))
		scanned, err := view.Scan(ctx, "users", []string{"name"}, func(*sqldb.Row) {})
		if scanned || !strings.HasPrefix(encoding, "UTF-16") {
			t.Errorf("%s was scanned: %t", encoding, scanned)
		}
		return err
	}))
}

func TestScanningWhatIsNoInteger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.db")
	database(t, path, "delete")
	source, err := sqldb.ParseSource("sqlite:" + path)
	must.Succeed(t, err)
	rows := 0
	err = source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
		_, err := view.Scan(ctx, "users", []string{"name"}, func(row *sqldb.Row) { rows++; row.Integer(0) })
		return err
	})
	if rows != 1 || err == nil || !strings.Contains(err.Error(), "does not hold an integer") {
		t.Errorf("%d rows and error %v, want one row, which is not an integer", rows, err)
	}
}
