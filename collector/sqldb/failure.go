package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
)

// failure is an error of a database together with why, in one of the words
// that Source.Read documents.
type failure struct {
	reason string
	hint   string
	err    error
}

func (f *failure) Error() string {
	if f.hint == "" {
		return f.err.Error()
	}
	return f.err.Error() + " (" + f.hint + ")"
}

func (f *failure) Unwrap() error { return f.err }

// Reason returns the word.
func (f *failure) Reason() string { return f.reason }

func fail(reason, format string, args ...any) error {
	return &failure{reason: reason, err: fmt.Errorf(format, args...)}
}

// explain finds out why a database failed, and says which one.
func explain(database string, err error) error {
	if known, ok := errors.AsType[*failure](err); ok {
		return &failure{reason: known.reason, err: fmt.Errorf("%s: %w", database, err)}
	}
	f := &failure{reason: "unexpected", err: fmt.Errorf("%s: %w", database, err)}
	var connect *pgconn.ConnectError
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	var network *net.OpError
	var lite *sqlite.Error
	isConnect := errors.As(err, &connect)
	switch {
	case errors.As(err, &pg):
		f.reason, f.hint = reasonOfSQLState(pg.Code)
		if isConnect {
			f.err = fmt.Errorf("%s: cannot connect: %s (SQLSTATE %s)", database, pg.Message, pg.Code)
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		f.reason = "timeout"
	case errors.As(err, &my):
		f.reason, f.hint = reasonOfMySQL(my.Number)
	case isConnect:
		f.reason = "unreachable"
		f.err = fmt.Errorf("%s: cannot connect: %s", database, connectCause(connect))
	case errors.As(err, &network):
		f.reason = "unreachable"
		f.err = fmt.Errorf("%s: cannot connect: %w", database, network)
	case errors.As(err, &lite):
		f.reason, f.hint = reasonOfSQLite(lite.Code())
	case errors.Is(err, fs.ErrNotExist):
		f.reason = "unreachable"
		f.err = fmt.Errorf("%s: no such file", database)
	case errors.Is(err, fs.ErrPermission):
		f.reason, f.hint = "denied", "add the exporter's user to the group that may read it"
		f.err = fmt.Errorf("%s: permission denied", database)
	}
	return f
}

// connectCause returns the last of the causes that pgx lists: it tries each
// address with and without TLS and repeats user, host and database for each.
func connectCause(err *pgconn.ConnectError) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Error()
	}
	lines := strings.Split(strings.TrimSpace(err.Unwrap().Error()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// reasonOfSQLState sorts PostgreSQL's error codes (appendix A of its
// documentation), the two-letter class first.
func reasonOfSQLState(code string) (reason, hint string) {
	switch {
	case strings.HasPrefix(code, "28"):
		return "denied", "check user and password, and pg_hba.conf"
	case code == "42501":
		return "denied", "GRANT SELECT on the columns that the documentation lists"
	case code == "3D000":
		return "unreachable", "check the name of the database"
	case code == "55P03":
		return "locked", ""
	case code == "57014":
		return "timeout", ""
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "57P"), strings.HasPrefix(code, "53"):
		return "unreachable", ""
	}
	return "unexpected", ""
}

// reasonOfMySQL sorts the error numbers of MySQL and MariaDB.
func reasonOfMySQL(number uint16) (reason, hint string) {
	switch number {
	case 1044, 1045, 1698:
		return "denied", "check user and password"
	case 1142, 1143:
		return "denied", "GRANT SELECT on the table that the documentation names"
	case 1049:
		return "unreachable", "check the name of the database"
	case 1205:
		return "locked", ""
	case 1969, 3024:
		return "timeout", ""
	case 1040, 1053, 1203:
		return "unreachable", ""
	}
	return "unexpected", ""
}

// Collided says whether a transaction of a PostgreSQL database was undone because
// another one was in its way, and may be tried again.
func Collided(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "40001" || pg.Code == "40P01") // serialization failure, deadlock
}

// Primary result codes of SQLite (sqlite.org/rescode.html).
const (
	sqlitePerm     = 3
	sqliteBusy     = 5
	sqliteLocked   = 6
	sqliteReadOnly = 8
	sqliteCantOpen = 14
	sqliteNotADB   = 26
)

func reasonOfSQLite(code int) (reason, hint string) {
	switch code & 0xff {
	case sqliteBusy, sqliteLocked:
		return "locked", "another process keeps it locked"
	case sqlitePerm, sqliteReadOnly, sqliteCantOpen:
		return "denied", "the -wal and -shm files beside it must be readable too"
	case sqliteNotADB:
		return "unexpected", "is it an SQLite database, and not encrypted?"
	}
	return "unexpected", ""
}
