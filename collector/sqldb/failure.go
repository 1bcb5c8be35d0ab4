package sqldb

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"active_users_exporter/collector/failure"
)

// explain finds out why a database failed, and says which one.
func explain(database string, err error) error {
	if known, ok := errors.AsType[*failure.Error](err); ok {
		return failure.New(known.Reason, "%s: %w", database, err)
	}
	var connect *pgconn.ConnectError
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	var network *net.OpError
	var lite *sqlite.Error
	isConnect := errors.As(err, &connect)
	reason, hint := failure.Of(err), ""
	said := fmt.Errorf("%s: %w", database, err)
	switch {
	case errors.As(err, &pg):
		reason, hint = reasonOfSQLState(pg.Code)
		if pg.Routine == "check_enable_rls" { // its text is in the server's language
			hint = "row-level security hides rows from the exporter's role: ALTER ROLE … BYPASSRLS, as figures of some rows would be wrong"
		}
		if isConnect {
			said = fmt.Errorf("%s: cannot connect: %s (SQLSTATE %s)", database, pg.Message, pg.Code)
		}
	case reason == failure.Timeout:
	case failure.IsCertificate(err):
		reason, hint = failure.Denied, "check the certificates: TLS is as the location and the system's authorities say"
	case errors.As(err, &my):
		reason, hint = reasonOfMySQL(my.Number)
	case isConnect:
		reason = failure.Unreachable
		said = fmt.Errorf("%s: cannot connect: %s", database, connectCause(connect))
	case errors.As(err, &network):
		reason = failure.Unreachable
		said = fmt.Errorf("%s: cannot connect: %w", database, network)
	case errors.As(err, &lite):
		reason, hint = reasonOfSQLite(lite.Code())
	case errors.Is(err, fs.ErrNotExist):
		said = fmt.Errorf("%s: no such file", database)
	case errors.Is(err, fs.ErrPermission):
		hint = "add the exporter's user to the group that may read it"
		said = fmt.Errorf("%s: permission denied", database)
	}
	if hint != "" {
		said = fmt.Errorf("%w (%s)", said, hint)
	}
	return &failure.Error{Reason: reason, Err: said}
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
func reasonOfSQLState(code string) (reason failure.Reason, hint string) {
	switch {
	case strings.HasPrefix(code, "28"):
		return failure.Denied, "check user and password, and pg_hba.conf"
	case code == "42501":
		return failure.Denied, "GRANT SELECT on the columns that the documentation lists"
	case code == "3D000":
		return failure.Unreachable, "check the name of the database"
	case code == "55P03":
		return failure.Locked, ""
	case code == "40001": // of a read-only transaction: a conflict with recovery on a standby
		return failure.Locked, "a standby ends what its recovery waits for: see hot_standby_feedback and max_standby_streaming_delay"
	case code == "57014":
		return failure.Timeout, ""
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "57P"), strings.HasPrefix(code, "53"):
		return failure.Unreachable, ""
	}
	return failure.Unexpected, ""
}

// reasonOfMySQL sorts the error numbers of MySQL and MariaDB.
func reasonOfMySQL(number uint16) (reason failure.Reason, hint string) {
	switch number {
	case 1044, 1045, 1698:
		return failure.Denied, "check user and password"
	case 1142, 1143:
		return failure.Denied, "GRANT SELECT on the table that the documentation names"
	case 1049:
		return failure.Unreachable, "check the name of the database"
	case 1205:
		return failure.Locked, ""
	case 1969, 3024:
		return failure.Timeout, ""
	case 1040, 1053, 1203:
		return failure.Unreachable, ""
	}
	return failure.Unexpected, ""
}

// Collided says whether a transaction of a PostgreSQL database was undone because
// another one was in its way, and may be tried again.
func Collided(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "40001" || pg.Code == "40P01") // serialization failure, deadlock
}

// RefusesValue returns true if a database refused what was to be written, and not the
// writing: another value may be accepted.
func RefusesValue(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "23") // data exception, integrity constraint
	}
	lite, ok := errors.AsType[*sqlite.Error](err)
	return ok && slices.Contains([]int{sqliteTooBig, sqliteConstraint, sqliteMismatch}, lite.Code()&0xff)
}

// Primary result codes of SQLite (sqlite.org/rescode.html).
const (
	sqlitePerm     = 3
	sqliteBusy     = 5
	sqliteLocked   = 6
	sqliteReadOnly = 8
	sqliteCantOpen = 14
	sqliteNotADB   = 26

	sqliteTooBig     = 18
	sqliteConstraint = 19
	sqliteMismatch   = 20
)

func reasonOfSQLite(code int) (reason failure.Reason, hint string) {
	switch code & 0xff {
	case sqliteBusy, sqliteLocked:
		return failure.Locked, "another process keeps it locked"
	case sqlitePerm, sqliteReadOnly, sqliteCantOpen:
		return failure.Denied, "the -wal and -shm files beside it must be readable too"
	case sqliteNotADB:
		return failure.Unexpected, "is it an SQLite database, and not encrypted?"
	}
	return failure.Unexpected, ""
}
