package sqldb_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/must"
)

// writerVariable makes this test binary the process that writes.
const writerVariable = "ACTIVE_USERS_TEST_WRITE_TO"

// A server that keeps a rollback journal and has no busy timeout, as Prosody
// has not, must never fail to write because of us, and what we read must be
// what it wrote: the sum of all numbers is always 0.
func TestReadingDoesNotDisturbARunningWriter(t *testing.T) {
	if path := os.Getenv(writerVariable); path != "" {
		writeForever(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "live.db")
	db := database(t, path, "delete")
	exec(t, db, `CREATE TABLE numbers (id INTEGER PRIMARY KEY, n INTEGER, filler TEXT)`)
	exec(t, db, `WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM i WHERE i < 100) INSERT INTO numbers SELECT i, 0, hex(zeroblob(500)) FROM i`)
	must.Succeed(t, db.Close())

	writer := osexec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestReadingDoesNotDisturbARunningWriter$", "-test.v")
	writer.Env = append(os.Environ(), writerVariable+"="+path)
	var output bytes.Buffer
	writer.Stdout, writer.Stderr = &output, &output
	must.Succeed(t, writer.Start())

	source, err := sqldb.ParseSource("sqlite:" + path)
	must.Succeed(t, err)
	var good [2]int // by the library and by a scan
	refused := 0
	// Three thousand reads, but no longer than the race detector deserves.
	scan := 0
	for deadline := time.Now().Add(30 * time.Second); (min(good[0], good[1]) < 300 || good[0]+good[1]+refused < 4000) && time.Now().Before(deadline); {
		var sum, rows int
		scan = 1 - scan
		err := source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
			if scan == 0 {
				return view.QueryRowxContext(ctx, `SELECT SUM(n), COUNT(*) FROM numbers`).Scan(&sum, &rows)
			}
			scanned, err := view.Scan(ctx, "numbers", []string{"n", "filler"}, func(row *sqldb.Row) {
				rows++
				sum += int(row.Integer(0))
				if strings.Trim(string(row.Text(1)), "0") != "" {
					sum = -1
				}
			})
			if !scanned {
				t.Error("not scanned")
			}
			return err
		})
		switch {
		case err == nil && (sum != 0 || rows != 100):
			t.Fatalf("sum %d of %d rows: not what was written", sum, rows)
		case err == nil:
			good[scan]++
		case failure.Of(err) == failure.Locked:
			refused++
		default:
			t.Fatal(err)
		}
	}
	must.Succeed(t, os.WriteFile(path+".stop", nil, 0o600))
	if err := writer.Wait(); err != nil {
		t.Fatalf("the writer failed: %v\n%s", err, output.Bytes())
	}
	t.Logf("%d reads by the library and %d scans were good, %d found the file being written to; %s", good[0], good[1], refused, output.Bytes())
	if min(good[0], good[1]) < 30 {
		t.Errorf("only %d good reads by the library and %d scans", good[0], good[1])
	}
}

// writeForever writes transactions, a few milliseconds apart, until a file
// says stop. It fails at the first that fails.
func writeForever(t *testing.T, path string) {
	t.Helper()
	db, err := sqldb.CreateSQLite(path)
	must.Succeed(t, err)
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	exec(t, db, `PRAGMA journal_mode = delete`)
	exec(t, db, `PRAGMA busy_timeout = 0`)
	exec(t, db, `PRAGMA synchronous = off`)
	written := 0
	for ; ; written++ {
		if _, err := os.Stat(path + ".stop"); err == nil {
			break
		}
		tx, err := db.BeginTxx(t.Context(), nil)
		must.Succeed(t, err)
		for range 5 {
			_, err = tx.ExecContext(t.Context(), fmt.Sprintf(`UPDATE numbers SET n = n + 7 WHERE id = %d`, written%50+1))
			must.Succeed(t, err)
			_, err = tx.ExecContext(t.Context(), fmt.Sprintf(`UPDATE numbers SET n = n - 7 WHERE id = %d`, written%50+51))
			must.Succeed(t, err)
		}
		// Rows grow and shrink over several pages, and pages with them.
		_, err = tx.ExecContext(t.Context(), fmt.Sprintf(`UPDATE numbers SET filler = hex(zeroblob(abs(random() %% 5000))) WHERE id = %d`, written%100+1))
		must.Succeed(t, err)
		must.Succeed(t, tx.Commit())
		time.Sleep(3 * time.Millisecond)
		if written%10 == 0 { // nobody writes all the time; a busy machine needs longer for a read
			time.Sleep(100 * time.Millisecond)
		}
	}
	t.Logf("%d transactions were written", written)
	if written < 50 {
		t.Errorf("only %d transactions", written)
	}
}
