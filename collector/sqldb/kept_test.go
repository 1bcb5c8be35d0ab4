package sqldb_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// A connection that is kept is used again, unless it is gone; nothing is left of it
// after Close. One that is not kept ends with the Read.
func TestAConnectionIsKept(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	server := dbtest.StartPostgreSQL(t)
	process := func(kept *sqldb.Kept) (pid int) {
		t.Helper()
		source := must.Get(sqldb.ParseSource(server.Location))(t)
		must.Succeed(t, source.Read(t.Context(), sqldb.Options{Kept: kept}, func(ctx context.Context, view sqldb.View) error {
			return view.GetContext(ctx, &pid, `SELECT pg_backend_pid()`)
		}))
		return pid
	}
	if first, second := process(nil), process(nil); first == second {
		t.Error("a connection is used again though it is not kept")
	}
	kept := &sqldb.Kept{}
	first := process(kept)
	if second := process(kept); second != first {
		t.Error("a connection that is kept is not used again")
	}
	server.Stop()
	server.Start(t)
	again := process(kept)
	if again == first {
		t.Error("the process survived the server")
	}
	connection := must.Get(pgx.Connect(t.Context(), server.Location))(t)
	open := func() (n int) {
		must.Succeed(t, connection.QueryRow(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'active_users_exporter'`).Scan(&n))
		return n
	}
	if open() != 1 {
		t.Errorf("%d connections, want the one that is kept", open())
	}
	_ = must.Get(connection.Exec(t.Context(), `SELECT pg_terminate_backend($1)`, again))(t)
	if process(kept) == again {
		t.Error("the process survived its end")
	}
	must.Succeed(t, kept.Close())
	must.Happen(t, func() bool { return open() == 0 })
	process(kept) // as a refresh that is under way when its reader is closed
	must.Succeed(t, kept.Close())
	must.Succeed(t, kept.Close())
	must.Succeed(t, connection.Close(t.Context()))
	server.Stop() // before leaks are looked for
}

// A password that changes is read at the next connection.
func TestThePasswordOfAKeptConnection(t *testing.T) {
	source := must.Get(sqldb.ParseSource(dbtest.PostgreSQL(t)))(t)
	file := filepath.Join(t.TempDir(), "password")
	must.Succeed(t, os.WriteFile(file, []byte("one\n"), 0o600))
	kept := &sqldb.Kept{}
	read := func() error {
		return source.Read(t.Context(), sqldb.Options{PasswordFile: file, Kept: kept}, func(context.Context, sqldb.View) error { return nil })
	}
	must.Succeed(t, read())
	must.Succeed(t, os.Remove(file))
	must.Succeed(t, read()) // needs none
	must.Succeed(t, kept.Close())
	if err := read(); failure.Of(err) != failure.Denied {
		t.Errorf("without its file: %v", err)
	}
	must.Succeed(t, kept.Close())
}
