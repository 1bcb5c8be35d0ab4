package dbtest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"active_users_exporter/test/must"
)

// mariaDatabase is the name of the empty database of a private server.
const mariaDatabase = "active_users_test"

// MariaDB returns the URL of an empty database, which the test may fill and
// need not drop. The server is the one that ACTIVE_USERS_TEST_MYSQL names (a
// URL whose user may create databases), or one of the test's own that ends
// with it. Where there is neither, the test is skipped; see Missing.
func MariaDB(tb testing.TB) string {
	tb.Helper()
	server := os.Getenv("ACTIVE_USERS_TEST_MYSQL")
	if server == "" {
		return StartMariaDB(tb).Location
	}
	u, err := url.Parse(server)
	if err != nil {
		tb.Fatalf("ACTIVE_USERS_TEST_MYSQL is no URL")
	}
	u.Path = fmt.Sprintf("/%s_%d_%d", mariaDatabase, os.Getpid(), time.Now().UnixNano())
	ExecMySQL(tb, server, "CREATE DATABASE "+u.Path[1:])
	tb.Cleanup(func() { ExecMySQL(tb, server, "DROP DATABASE "+u.Path[1:]) })
	return u.String()
}

// A MariaServer is a MariaDB of a test's own, which ends with the test.
type MariaServer struct {
	// Location is the URL of a database in it, empty at first, for its owner.
	Location string

	directory, port string
	credential      *syscall.SysProcAttr
	process         *exec.Cmd
}

// StartMariaDB starts a private server. Where none is installed, the test is
// skipped; see Missing.
func StartMariaDB(tb testing.TB) *MariaServer {
	tb.Helper()
	install, err := exec.LookPath("mariadb-install-db")
	if err != nil {
		Missing(tb, "no MariaDB: install its server, or name one in ACTIVE_USERS_TEST_MYSQL")
	}
	s := &MariaServer{directory: tb.TempDir(), port: FreePort(tb)}
	s.credential = Unprivileged(tb, s.directory, "mysql")
	execute(tb, s.credential, install, "--no-defaults", "--datadir="+s.data(), "--tmpdir="+s.directory, "--auth-root-authentication-method=normal", "--skip-test-db")
	s.Start(tb)
	ExecMySQL(tb, s.root("mysql"), "CREATE DATABASE "+mariaDatabase)
	s.Location = s.root(mariaDatabase)
	tb.Cleanup(func() { s.end(syscall.SIGTERM) })
	return s
}

func (s *MariaServer) data() string { return filepath.Join(s.directory, "data") }

func (s *MariaServer) root(database string) string {
	return "mysql://root@127.0.0.1:" + s.port + "/" + database
}

// Start starts a server that was killed, with the same data and location.
func (s *MariaServer) Start(tb testing.TB) {
	tb.Helper()
	daemon, err := exec.LookPath("mariadbd")
	if err != nil {
		daemon = "/usr/sbin/mariadbd" // not in everybody's PATH
	}
	// A server that starts deletes what it takes for leftovers in its tmpdir:
	// others may be using them.
	s.process = exec.CommandContext(context.Background(), daemon, "--no-defaults", "--datadir="+s.data(), "--port="+s.port,
		"--bind-address=127.0.0.1", "--socket=", "--pid-file="+filepath.Join(s.directory, "pid"), "--tmpdir="+s.directory, "--innodb-flush-log-at-trx-commit=0")
	s.process.SysProcAttr = s.credential
	var log bytes.Buffer
	s.process.Stderr = &log
	if err := s.process.Start(); err != nil {
		tb.Fatalf("start mariadbd: %v", err)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := tryMySQL(tb.Context(), s.root("mysql"), "SELECT 1")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.end(syscall.SIGKILL)
			tb.Fatalf("mariadbd did not start: %v\n%s", err, log.Bytes())
		}
	}
}

// Kill ends the server at once (SIGKILL); Start starts it again.
func (s *MariaServer) Kill() { s.end(syscall.SIGKILL) }

// Pause stops the server in the middle of whatever it does (SIGSTOP), until
// Resume: it takes connections, and answers nothing.
func (s *MariaServer) Pause() { _ = s.process.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused server go on (SIGCONT).
func (s *MariaServer) Resume() { _ = s.process.Process.Signal(syscall.SIGCONT) }

func (s *MariaServer) end(signal syscall.Signal) {
	_ = s.process.Process.Signal(signal)
	s.Resume() // else a paused one never ends
	_ = s.process.Wait()
}

// ExecMySQL runs statements as the database's owner; also in a clean-up, when
// the test's context has ended.
func ExecMySQL(tb testing.TB, location string, statements ...string) {
	tb.Helper()
	for _, statement := range statements {
		if err := tryMySQL(context.Background(), location, statement); err != nil {
			tb.Fatalf("%.200s: %v", statement, err)
		}
	}
}

// LoadMySQLDump runs the statements of a gzipped file that mysqldump wrote.
func LoadMySQLDump(tb testing.TB, location, path string) {
	tb.Helper()
	ExecMySQL(tb, location, string(must.Gunzip(tb, path)))
}

// LockMySQL locks a table against all others, until the function that it returns is
// called or the test ends.
func LockMySQL(tb testing.TB, location, table string) (unlock func()) {
	tb.Helper()
	db, err := openMySQL(location)
	must.Succeed(tb, err)
	unlock = func() { _ = db.Close() } // a lock ends with its connection
	tb.Cleanup(unlock)
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(tb.Context(), "LOCK TABLES "+table+" WRITE")
	must.Succeed(tb, err)
	return unlock
}

// tryMySQL runs statements, several in one text.
func tryMySQL(ctx context.Context, location, statements string) error {
	db, err := openMySQL(location)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, statements)
	return err
}

func openMySQL(location string) (*sql.DB, error) {
	u, err := url.Parse(location)
	if err != nil {
		return nil, err
	}
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName = u.User.Username(), "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	config.Passwd, _ = u.User.Password()
	config.MultiStatements = true
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}
