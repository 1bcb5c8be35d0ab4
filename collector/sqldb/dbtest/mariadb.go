package dbtest

import (
	"bytes"
	"compress/gzip"
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
)

// MariaDB returns the URL of an empty database, which the test may fill and
// need not drop. The server is the one that ACTIVE_USERS_TEST_MYSQL names (a
// URL whose user may create databases), or one of the test's own that ends
// with it. Where there is neither, the test is skipped; see Missing.
func MariaDB(tb testing.TB) string {
	tb.Helper()
	const name = "active_users_test"
	if server := os.Getenv("ACTIVE_USERS_TEST_MYSQL"); server != "" {
		u, err := url.Parse(server)
		if err != nil {
			tb.Fatalf("ACTIVE_USERS_TEST_MYSQL is no URL")
		}
		u.Path = fmt.Sprintf("/%s_%d_%d", name, os.Getpid(), time.Now().UnixNano())
		ExecMySQL(tb, server, "CREATE DATABASE "+u.Path[1:])
		tb.Cleanup(func() { ExecMySQL(tb, server, "DROP DATABASE "+u.Path[1:]) })
		return u.String()
	}
	install, err := exec.LookPath("mariadb-install-db")
	if err != nil {
		Missing(tb, "no MariaDB: install its server, or name one in ACTIVE_USERS_TEST_MYSQL")
	}
	directory := tb.TempDir()
	credential := Unprivileged(tb, directory, "mysql")
	data := filepath.Join(directory, "data")
	execute(tb, credential, install, "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")

	port := FreePort(tb)
	daemon, err := exec.LookPath("mariadbd")
	if err != nil {
		daemon = "/usr/sbin/mariadbd" // not in everybody's PATH
	}
	server := exec.CommandContext(context.Background(), daemon, "--no-defaults", "--datadir="+data, "--port="+port,
		"--bind-address=127.0.0.1", "--socket=", "--pid-file="+filepath.Join(directory, "pid"), "--innodb-flush-log-at-trx-commit=0")
	server.SysProcAttr = credential
	var log bytes.Buffer
	server.Stderr = &log
	if err := server.Start(); err != nil {
		tb.Fatalf("start mariadbd: %v", err)
	}
	tb.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
	})
	root := "mysql://root@127.0.0.1:" + port + "/mysql"
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := tryMySQL(tb.Context(), root, "SELECT 1")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			tb.Fatalf("mariadbd did not start: %v\n%s", err, log.Bytes())
		}
	}
	ExecMySQL(tb, root, "CREATE DATABASE "+name)
	return "mysql://root@127.0.0.1:" + port + "/" + name
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
	file, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	dump, err := gzip.NewReader(file)
	if err != nil {
		tb.Fatal(err)
	}
	var statements bytes.Buffer
	if _, err := statements.ReadFrom(dump); err != nil {
		tb.Fatal(err)
	}
	ExecMySQL(tb, location, statements.String())
}

// tryMySQL runs statements, several in one text.
func tryMySQL(ctx context.Context, location, statements string) error {
	u, err := url.Parse(location)
	if err != nil {
		return err
	}
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName = u.User.Username(), "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	config.Passwd, _ = u.User.Password()
	config.MultiStatements = true
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, statements)
	return err
}
