// Package dbtest gives tests real database servers: one that the environment
// names, or a private one started from installed binaries.
package dbtest

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"active_users_exporter/test/must"
)

// Missing skips the test because something is not installed; where
// ACTIVE_USERS_TEST_REQUIRE is set, as in CI, the test fails instead.
func Missing(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if os.Getenv("ACTIVE_USERS_TEST_REQUIRE") != "" {
		tb.Fatalf("required here: "+format, args...)
	}
	tb.Skipf(format, args...)
}

// PostgreSQL returns the URL of an empty database, which the test may fill and
// need not drop. The server is the one that ACTIVE_USERS_TEST_POSTGRES names
// (a URL whose user may create databases), or one of the test's own that ends
// with it. Where there is neither, the test is skipped; see Missing.
func PostgreSQL(tb testing.TB) string {
	tb.Helper()
	if server := os.Getenv("ACTIVE_USERS_TEST_POSTGRES"); server != "" {
		return emptyDatabase(tb, server)
	}
	return StartPostgreSQL(tb).Location
}

// LoadDump feeds a gzipped pg_dump file to psql.
func LoadDump(tb testing.TB, location, path string) {
	tb.Helper()
	psql, err := exec.LookPath("psql")
	if err != nil {
		Missing(tb, "no psql to load a dump with")
	}
	load := exec.CommandContext(tb.Context(), psql, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--dbname="+location)
	load.Stdin = bytes.NewReader(must.Gunzip(tb, path))
	if output, err := load.CombinedOutput(); err != nil {
		tb.Fatalf("load %s: %v\n%s", path, err, output)
	}
}

// Exec runs statements as the database's owner; also in a clean-up, when the
// test's context has ended.
func Exec(tb testing.TB, location string, statements ...string) {
	tb.Helper()
	ctx := context.Background()
	connection, err := pgx.Connect(ctx, location)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = connection.Close(ctx) }()
	for _, statement := range statements {
		if _, err := connection.Exec(ctx, statement); err != nil {
			tb.Fatalf("%s: %v", statement, err)
		}
	}
}

func emptyDatabase(tb testing.TB, server string) string {
	tb.Helper()
	u, err := url.Parse(server)
	if err != nil {
		tb.Fatalf("ACTIVE_USERS_TEST_POSTGRES is no URL")
	}
	name := fmt.Sprintf("active_users_test_%d_%d", os.Getpid(), time.Now().UnixNano())
	Exec(tb, server, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
	tb.Cleanup(func() { Exec(tb, server, "DROP DATABASE "+name+" WITH (FORCE)") })
	u.Path = "/" + name
	return u.String()
}

// binaries returns the folder of PostgreSQL's server programs, which Debian
// keeps out of PATH.
func binaries(tb testing.TB) string {
	tb.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		return filepath.Dir(slices.Max(found))
	}
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		Missing(tb, "no PostgreSQL: install its server, or name one in ACTIVE_USERS_TEST_POSTGRES")
	}
	return filepath.Dir(initdb)
}

// Unprivileged returns how to start a server, which refuses to run as root: as
// the user of its package, or nobody, who is given the directory.
func Unprivileged(tb testing.TB, directory, name string) *syscall.SysProcAttr {
	tb.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	account, err := user.Lookup(name)
	if err != nil {
		if account, err = user.Lookup("nobody"); err != nil {
			Missing(tb, "%s does not run as root, and there is no user to run it as", name)
		}
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	// The folders above are the testing package's own.
	for folder := directory; folder != os.TempDir() && folder != "/"; folder = filepath.Dir(folder) {
		if err := os.Chmod(folder, 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.Chown(directory, uid, gid); err != nil {
		tb.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

func execute(tb testing.TB, credential *syscall.SysProcAttr, name string, args ...string) {
	tb.Helper()
	command := exec.CommandContext(tb.Context(), name, args...)
	command.SysProcAttr = credential
	command.Dir = os.TempDir()
	if output, err := command.CombinedOutput(); err != nil {
		tb.Fatalf("%s: %v\n%s", filepath.Base(name), err, output)
	}
}
