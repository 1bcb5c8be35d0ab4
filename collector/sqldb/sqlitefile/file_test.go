package sqlitefile_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	_ "modernc.org/sqlite" // what writes the files

	"active_users_exporter/collector/sqldb/sqlitefile"
	"active_users_exporter/test/must"
)

// Whatever SQLite writes must read as SQLite itself reads it: values of all
// kinds, small and over many pages, in tables where rows were deleted, written
// over and added, with all sizes of pages and bytes reserved on each.
func TestRowsEqualSQLites(t *testing.T) {
	for pageSize := 512; pageSize <= 65536; pageSize *= 2 {
		for _, c := range []struct{ rows, reserved int }{{0, 0}, {1, 0}, {40, 32}, {700, 0}} {
			for _, vacuum := range []bool{false, true} {
				t.Run(fmt.Sprintf("pages of %d, %d reserved, %d rows, vacuum %t", pageSize, c.reserved, c.rows, vacuum), func(t *testing.T) {
					path := filepath.Join(t.TempDir(), "table.db")
					db := create(t, path, pageSize, c.reserved)
					fill(t, db, rand.New(rand.NewPCG(uint64(pageSize), uint64(c.rows))), pageSize, c.rows)
					if vacuum {
						exec(t, db, `VACUUM`)
					}
					var columns []string
					must.Succeed(t, db.SelectContext(t.Context(), &columns, `SELECT name FROM pragma_table_info('t')`))
					numbers := rand.Perm(len(columns))
					want := libraryRows(t, db, numbers)
					root := rootOf(t, db)
					must.Succeed(t, db.Close())
					got, err := scan(t.Context(), content(t, path), root, numbers)
					must.Succeed(t, err)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("-SQLite +ours:\n%.2000s", diff)
					}
				})
			}
		}
	}
}

// fill makes the table t. Rowids go up and down to the limits.
func fill(t *testing.T, db *sqlx.DB, random *rand.Rand, pageSize, rows int) {
	t.Helper()
	exec(t, db, `BEGIN`)
	exec(t, db, `CREATE TABLE other (x)`) // its pages stand in between
	exec(t, db, `CREATE TABLE t (a TEXT, b, c, d INT, e)`)
	exec(t, db, `CREATE INDEX i ON t (a)`)
	insert := func() {
		rowid := random.Int64() >> random.IntN(64)
		if random.IntN(2) == 0 {
			rowid = -rowid
		}
		exec(t, db, `INSERT OR REPLACE INTO t (rowid, a, b, c, d, e) VALUES (?, ?, ?, ?, ?, ?)`, rowid, value(random, pageSize), value(random, pageSize), value(random, pageSize), value(random, pageSize), value(random, pageSize))
		exec(t, db, `INSERT INTO other VALUES (?)`, value(random, pageSize))
	}
	for range rows {
		insert()
	}
	exec(t, db, `DELETE FROM t WHERE rowid % 3 = 0`)
	exec(t, db, `UPDATE t SET c = a, b = NULL WHERE rowid % 3 = 1`)
	exec(t, db, `ALTER TABLE t ADD COLUMN f TEXT`)
	for range rows / 10 {
		insert()
	}
	exec(t, db, `UPDATE t SET f = 'new' WHERE rowid % 7 = 0`)
	exec(t, db, `COMMIT`)
}

// value is one of any kind; long ones are rare.
func value(random *rand.Rand, pageSize int) any {
	size := random.IntN(60)
	if random.IntN(20) == 0 {
		size = random.IntN(3 * pageSize)
	}
	switch random.IntN(8) {
	case 0:
		return nil
	case 1:
		return random.Int64() >> random.IntN(64) * int64(1-2*random.IntN(2))
	case 2:
		return random.NormFloat64() * 1e9
	case 3:
		return random.IntN(3) // 0 and 1 have types of their own
	case 4:
		bytes := make([]byte, 1+size) // the driver takes an empty blob for NULL
		for i := range bytes {
			bytes[i] = byte(random.Uint32())
		}
		return bytes
	}
	return strings.Repeat("é", size/2)
}

// Pages that are not as they must be end the reading with an error.
func TestMalformedFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	db := create(t, path, 512, 0)
	exec(t, db, `CREATE TABLE t (a TEXT)`)
	for i := range 2000 {
		exec(t, db, `INSERT INTO t VALUES (?)`, fmt.Sprint("user", i))
	}
	exec(t, db, `INSERT INTO t VALUES (?)`, strings.Repeat("long", 1000))
	root := rootOf(t, db)
	must.Succeed(t, db.Close())
	good := content(t, path)
	page := func(b []byte, n uint32) []byte { return b[(n-1)*512 : n*512] }
	child := func(b []byte, of uint32) []byte { // the place of the first child's number
		p := page(b, of)
		return p[binary.BigEndian.Uint16(p[12:]):]
	}
	leaf := func(b []byte) []byte {
		n := root
		for page(b, n)[0] == 5 {
			n = binary.BigEndian.Uint32(child(b, n))
		}
		return page(b, n)
	}
	for name, c := range map[string]struct {
		spoil func(b []byte)
		says  string
	}{
		"a circle":               {func(b []byte) { binary.BigEndian.PutUint32(child(b, root), root) }, "the tree is too deep"},
		"a page twice":           {func(b []byte) { copy(page(b, root)[8:], child(b, root)[:4]) }, "rowids are not in order"},
		"the first page":         {func(b []byte) { binary.BigEndian.PutUint32(child(b, root), 1) }, "no part of this table"},
		"page 0":                 {func(b []byte) { binary.BigEndian.PutUint32(child(b, root), 0) }, "no such page"},
		"a page behind the end":  {func(b []byte) { binary.BigEndian.PutUint32(child(b, root), 1<<20) }, "no such page"},
		"a page of an index":     {func(b []byte) { leaf(b)[0] = 10 }, "not of a table"},
		"too many cells":         {func(b []byte) { binary.BigEndian.PutUint16(leaf(b)[3:], 600) }, "have no room"},
		"a cell behind the end":  {func(b []byte) { binary.BigEndian.PutUint16(leaf(b)[8:], 512) }, "a cell is outside"},
		"a cell at the end":      {func(b []byte) { leaf(b)[511] = 0x85; binary.BigEndian.PutUint16(leaf(b)[8:], 511) }, "a cell ends early"},
		"a row behind the end":   {func(b []byte) { leaf(b)[binary.BigEndian.Uint16(leaf(b)[8:])] = 100 }, "a row ends early"},
		"a header of no size":    {func(b []byte) { leaf(b)[binary.BigEndian.Uint16(leaf(b)[8:])+2] = 0 }, "a row has no header"},
		"a value behind the end": {func(b []byte) { leaf(b)[binary.BigEndian.Uint16(leaf(b)[8:])+3] = 100 }, "the header of a row is wrong"},
		"a reserved type":        {func(b []byte) { leaf(b)[binary.BigEndian.Uint16(leaf(b)[8:])+3] = 10 }, "the header of a row is wrong"},
	} {
		spoilt := slices.Clone(good)
		c.spoil(spoilt)
		if _, err := scan(t.Context(), spoilt, root, []int{0}); !errors.Is(err, sqlitefile.ErrMalformed) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}
	if _, err := scan(t.Context(), good[:len(good)-3*512], root, []int{0}); !errors.Is(err, sqlitefile.ErrMalformed) {
		t.Errorf("cut off: error %v", err)
	}
}

// Whatever bytes a disk or a writer changes, reading ends, without a panic.
func TestSpoiltFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	db := create(t, path, 512, 0)
	random := rand.New(rand.NewPCG(3, 4))
	fill(t, db, random, 512, 200)
	root := rootOf(t, db)
	must.Succeed(t, db.Close())
	good := content(t, path)
	rows, err := scan(t.Context(), good, root, []int{0, 1, 2, 3, 4, 5})
	must.Succeed(t, err)
	refused := 0
	for range 1500 {
		spoilt := slices.Clone(good)
		for range 1 + random.IntN(50) {
			spoilt[512+random.IntN(len(spoilt)-512)] = byte(random.Uint32())
		}
		got, err := scan(t.Context(), spoilt, root, []int{0, 1, 2, 3, 4, 5})
		switch {
		case err != nil && !errors.Is(err, sqlitefile.ErrMalformed):
			t.Fatal(err)
		case err != nil:
			refused++
		case len(got) > 2*len(rows):
			t.Fatalf("%d rows became %d", len(rows), len(got))
		}
	}
	if refused < 500 {
		t.Errorf("%d spoilt files were found malformed", refused)
	}
}

func TestFilesForTheLibrary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	must.Succeed(t, create(t, path, 512, 0, `PRAGMA encoding = 'UTF-16'`, `CREATE TABLE t (a TEXT)`).Close())
	for name, bytes := range map[string][]byte{
		"UTF-16":      content(t, path),
		"no database": bytes.Repeat([]byte("text\n"), 99),
		"empty":       nil,
	} {
		if _, err := scan(t.Context(), bytes, 2, nil); !errors.Is(err, sqlitefile.ErrUnsupported) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestScanningEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.db")
	db := create(t, path, 512, 0)
	fill(t, db, rand.New(rand.NewPCG(1, 2)), 512, 100)
	root := rootOf(t, db)
	must.Succeed(t, db.Close())
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	bytes := content(t, path)
	if _, err := scan(cancelled, bytes, root, []int{0}); !errors.Is(err, context.Canceled) {
		t.Errorf("by its context: error %v", err)
	}
	file, err := sqlitefile.New(strings.NewReader(string(bytes)), int64(len(bytes)))
	must.Succeed(t, err)
	rows, enough := 0, errors.New("enough")
	err = file.Scan(t.Context(), root, nil, func(*sqlitefile.Row) error { rows++; return enough })
	if rows != 1 || !errors.Is(err, enough) {
		t.Errorf("by its function: %d rows and error %v", rows, err)
	}
}

// FuzzScan reads what no SQLite has written.
func FuzzScan(f *testing.F) {
	for _, rows := range []int{0, 1, 12, 60} {
		path := filepath.Join(f.TempDir(), "table.db")
		db := create(f, path, 512, rows%16)
		exec(f, db, `CREATE TABLE t (a TEXT, b, c)`)
		random := rand.New(rand.NewPCG(7, 7))
		for range rows {
			exec(f, db, `INSERT INTO t VALUES (?, ?, ?)`, value(random, 512), value(random, 512), value(random, 512))
		}
		root := rootOf(f, db)
		must.Succeed(f, db.Close())
		f.Add(content(f, path), root)
	}
	f.Fuzz(func(t *testing.T, content []byte, root uint32) {
		if _, err := scan(t.Context(), content, root, []int{2, 0, 1, 5}); err != nil && !errors.Is(err, sqlitefile.ErrMalformed) && !errors.Is(err, sqlitefile.ErrUnsupported) {
			t.Error(err)
		}
	})
}

// scan returns all rows; NULL is "NULL", other values begin with "=".
func scan(ctx context.Context, content []byte, root uint32, columns []int) (rows [][]string, err error) {
	file, err := sqlitefile.New(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, err
	}
	err = file.Scan(ctx, root, columns, func(r *sqlitefile.Row) error {
		row := make([]string, len(columns))
		for i := range columns {
			row[i] = shown(r.Value(i))
		}
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

func libraryRows(t *testing.T, db *sqlx.DB, columns []int) (all [][]string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT * FROM t ORDER BY rowid`)
	must.Succeed(t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		raw, into, row := make([]sql.RawBytes, len(columns)), make([]any, len(columns)), make([]string, len(columns))
		for i := range raw {
			into[i] = &raw[i]
		}
		must.Succeed(t, rows.Scan(into...))
		for i, c := range columns {
			row[i] = shown(raw[c])
		}
		all = append(all, row)
	}
	must.Succeed(t, rows.Err())
	return all
}

func shown(value []byte) string {
	if value == nil {
		return "NULL"
	}
	return "=" + string(value)
}

// create makes a database by the given statements. Reserved bytes, which
// extensions ask for, are written into the header of an empty one.
func create(tb testing.TB, path string, pageSize, reserved int, statements ...string) *sqlx.DB {
	tb.Helper()
	raw, err := sql.Open("sqlite", "file:"+path)
	must.Succeed(tb, err)
	db := sqlx.NewDb(raw, "sqlite3")
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { _ = db.Close() })
	for _, statement := range append([]string{fmt.Sprintf(`PRAGMA page_size = %d`, pageSize), `PRAGMA synchronous = off`}, statements...) {
		exec(tb, db, statement)
	}
	if reserved > 0 {
		exec(tb, db, `PRAGMA user_version = 1`)
		must.Succeed(tb, db.Close())
		content, err := os.ReadFile(path)
		must.Succeed(tb, err)
		content[20] = byte(reserved)
		binary.BigEndian.PutUint16(content[105:], uint16(pageSize-reserved)) // where cells begin
		must.Succeed(tb, os.WriteFile(path, content, 0o600))
		return create(tb, path, pageSize, 0)
	}
	return db
}

func content(tb testing.TB, path string) []byte {
	tb.Helper()
	bytes, err := os.ReadFile(path)
	must.Succeed(tb, err)
	return bytes
}

func rootOf(tb testing.TB, db *sqlx.DB) (root uint32) {
	tb.Helper()
	must.Succeed(tb, db.GetContext(tb.Context(), &root, `SELECT rootpage FROM sqlite_schema WHERE name = 't'`))
	return root
}

func exec(tb testing.TB, db *sqlx.DB, statement string, parameters ...any) {
	tb.Helper()
	_, err := db.ExecContext(tb.Context(), statement, parameters...)
	must.Succeed(tb, err)
}
