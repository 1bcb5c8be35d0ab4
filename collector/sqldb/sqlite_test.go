package sqldb_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/must"
)

// countUsers reads the table that the tests make.
func countUsers(t *testing.T, path string) (n int, err error) {
	t.Helper()
	source, err := sqldb.ParseSource("sqlite:" + path)
	must.Succeed(t, err)
	err = source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
		return view.GetContext(ctx, &n, `SELECT COUNT(*) FROM users`)
	})
	return n, err
}

func TestLiveFilesAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		mode  string // of the journal
		leave func(t *testing.T, db *sqlx.DB)
	}{
		"WAL, the server runs":                {"wal", func(*testing.T, *sqlx.DB) {}},
		"WAL, the server was stopped":         {"wal", closeDB},
		"WAL, the server is writing":          {"wal", beginWriting},
		"rollback journal, the server runs":   {"delete", func(*testing.T, *sqlx.DB) {}},
		"rollback journal, a reader is there": {"delete", beginReading},
		"journal kept between transactions":   {"persist", func(*testing.T, *sqlx.DB) {}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "100% ?users#.db")
			db := database(t, path, c.mode)
			c.leave(t, db)
			before := files(t, path)
			n, err := countUsers(t, path)
			if err != nil || n != 3 {
				t.Errorf("%d users and error %v, want 3", n, err)
			}
			if after := files(t, path); after != before {
				t.Errorf("files %s became %s", before, after)
			}
		})
	}
}

// A lock of ours would make the commits of a server without busy time-out
// fail, as Prosody's do.
func TestReadingTakesNoLockOnARollbackJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.db")
	db := database(t, path, "delete")
	_, err := db.ExecContext(t.Context(), `PRAGMA busy_timeout = 0`)
	must.Succeed(t, err)
	source, err := sqldb.ParseSource("sqlite:" + path)
	must.Succeed(t, err)
	err = source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
		var n int
		must.Succeed(t, view.GetContext(ctx, &n, `SELECT COUNT(*) FROM users`))
		_, err := db.ExecContext(ctx, `INSERT INTO users VALUES ('d')`)
		return err
	})
	if failure.Of(err) != failure.Locked || !strings.Contains(err.Error(), "written to while being read") {
		t.Errorf("error %v, want one that says that the file was written to", err)
	}
	if n, err := countUsers(t, path); err != nil || n != 4 {
		t.Errorf("%d users and error %v afterwards, want 4", n, err)
	}
}

// A transaction that was larger than its cache has written pages before it was
// taken back, and left no trace in the header.
func TestReadingNoticesWhatWasTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.db")
	db := database(t, path, "delete")
	exec(t, db, `PRAGMA cache_size = 5`)
	exec(t, db, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000) INSERT INTO users SELECT 'user' || i FROM n`)
	time.Sleep(50 * time.Millisecond) // file systems count time in steps of some milliseconds
	source, err := sqldb.ParseSource("sqlite:" + path)
	must.Succeed(t, err)
	before, err := os.ReadFile(path)
	must.Succeed(t, err)
	err = source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, _ sqldb.View) error {
		for _, statement := range []string{`BEGIN`, `UPDATE users SET name = 'x'`} {
			_, err := db.ExecContext(ctx, statement)
			must.Succeed(t, err)
		}
		if during, err := os.ReadFile(path); err != nil || bytes.Equal(before, during) {
			t.Errorf("nothing was written (error %v)", err)
		}
		_, err := db.ExecContext(ctx, `ROLLBACK`)
		return err
	})
	if failure.Of(err) != failure.Locked {
		t.Errorf("error %v, want one that says that the file was written to", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file is not as before (error %v)", err)
	}
}

func TestBadFiles(t *testing.T) {
	for name, c := range map[string]struct {
		make         func(t *testing.T, path string)
		reason, says string
	}{
		"missing":         {func(*testing.T, string) {}, "unreachable", "no such file"},
		"a pipe":          {func(t *testing.T, path string) { must.Succeed(t, syscall.Mkfifo(path, 0o600)) }, "unexpected", "not a file"},
		"a directory":     {func(t *testing.T, path string) { must.Succeed(t, os.Mkdir(path, 0o755)) }, "unexpected", "not a file"},
		"empty":           {func(t *testing.T, path string) { write(t, path, "") }, "unexpected", "not an SQLite database"},
		"some other file": {func(t *testing.T, path string) { write(t, path, strings.Repeat("text\n", 99)) }, "unexpected", "not an SQLite database"},
		"no users inside": {func(t *testing.T, path string) { exec(t, database(t, path, "delete"), `DROP TABLE users`) }, "unexpected", "no such table: users"},
		"cut off":         {cutOff, "unexpected", "malformed"},
		"garbage inside":  {garbage, "unexpected", ""},
		"a transaction is being written": {func(t *testing.T, path string) {
			database(t, path, "delete")
			write(t, path+"-journal", "journal")
		}, "locked", "a transaction is being written"},
		"a pipe for a journal": {func(t *testing.T, path string) {
			database(t, path, "delete")
			must.Succeed(t, syscall.Mkfifo(path+"-journal", 0o600))
		}, "unexpected", "-journal: not a regular file"},
		"locked for one process alone": {func(t *testing.T, path string) {
			db := database(t, path, "wal")
			exec(t, db, `PRAGMA locking_mode = EXCLUSIVE`)
			exec(t, db, `INSERT INTO users VALUES ('d')`)
		}, "locked", "another process keeps it locked"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "users.db")
			c.make(t, path)
			n, err := countUsers(t, path)
			if err == nil {
				t.Fatalf("no error, and %d users", n)
			}
			if string(failure.Of(err)) != c.reason {
				t.Errorf("%v: want reason %q", err, c.reason)
			}
			for _, part := range []string{path, c.says} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestWritingIsRefused(t *testing.T) {
	for _, mode := range []string{"wal", "delete"} {
		path := filepath.Join(t.TempDir(), mode+".db")
		database(t, path, mode)
		source, err := sqldb.ParseSource("sqlite:" + path)
		must.Succeed(t, err)
		err = source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
			_, err := view.ExecContext(ctx, `DELETE FROM users`)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "readonly") {
			t.Errorf("%s: error %v, want that the database is read-only", mode, err)
		}
	}
}

// database makes a file with three users and leaves it open until the test
// ends.
func database(t *testing.T, path, mode string) *sqlx.DB {
	t.Helper()
	db, err := sqldb.CreateSQLite(path)
	must.Succeed(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	exec(t, db, `PRAGMA journal_mode = `+mode)
	exec(t, db, `CREATE TABLE users (name TEXT)`)
	exec(t, db, `INSERT INTO users VALUES ('a'), ('b'), ('c')`)
	return db
}

func closeDB(t *testing.T, db *sqlx.DB) { t.Helper(); must.Succeed(t, db.Close()) }

func beginWriting(t *testing.T, db *sqlx.DB) {
	t.Helper()
	exec(t, db, `BEGIN IMMEDIATE`)
	exec(t, db, `INSERT INTO users VALUES ('uncommitted')`)
}

func beginReading(t *testing.T, db *sqlx.DB) {
	t.Helper()
	exec(t, db, `BEGIN`)
	exec(t, db, `SELECT * FROM users`)
}

func cutOff(t *testing.T, path string) {
	t.Helper()
	db := database(t, path, "delete")
	exec(t, db, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000) INSERT INTO users SELECT 'user' || i FROM n`)
	must.Succeed(t, db.Close())
	must.Succeed(t, os.Truncate(path, 4096+100))
}

func garbage(t *testing.T, path string) {
	t.Helper()
	must.Succeed(t, database(t, path, "delete").Close())
	content, err := os.ReadFile(path)
	must.Succeed(t, err)
	for i := 100; i < len(content); i++ {
		content[i] = byte(i * 7)
	}
	write(t, path, string(content))
}

func exec(t *testing.T, db *sqlx.DB, statement string) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement)
	must.Succeed(t, err)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	must.Succeed(t, os.WriteFile(path, []byte(content), 0o600))
}

func files(t *testing.T, path string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	must.Succeed(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}
