// Package sqldb reads somebody else's database gently: read-only, in one short
// consistent transaction, with time-outs and few connections, and without a
// lock that the chat server could ever wait for. It is the only place that
// links database drivers.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/files"
)

// An Engine is a kind of database.
type Engine string

// The engines that can be read.
const (
	PostgreSQL Engine = "postgresql"
	MySQL      Engine = "mysql" // and MariaDB
	SQLite     Engine = "sqlite"
)

// A Source says where a database is. Printing it, with whatever verb, never
// shows a password.
type Source struct {
	engine Engine
	path   string // of an SQLite file
	dsn    string // of a server; holds secrets
	// authorities is that of Location.
	authorities string
}

// ParseSource reads postgres://USER@HOST:PORT/DATABASE?OPTIONS (also
// postgresql://, with the options of libpq), mysql://USER@HOST:PORT/DATABASE
// (with the options socket, the path of a Unix socket, and tls: true,
// skip-verify or preferred) or sqlite:PATH. It opens nothing.
// Its errors never repeat the location, which may hold a password.
func ParseSource(location string) (Source, error) {
	scheme, rest, found := strings.Cut(location, ":")
	switch {
	case found && scheme == "sqlite":
		// sqlite:/path, sqlite:path and, as some write it, sqlite:///path.
		path := strings.TrimPrefix(rest, "//")
		if path == "" {
			return Source{}, errors.New("no file named: write sqlite:/path/to/database")
		}
		return Source{engine: SQLite, path: filepath.Clean(path)}, nil
	case found && (scheme == "postgres" || scheme == "postgresql"):
		return parsePostgreSQL(location)
	case found && scheme == "mysql":
		if _, err := mysqlConfig(location); err != nil {
			return Source{}, err
		}
		return Source{engine: MySQL, dsn: location}, nil
	case found && strings.HasPrefix(rest, "//"):
		return Source{}, fmt.Errorf("databases of kind %q cannot be read: write postgres://USER@HOST/DATABASE, mysql://USER@HOST/DATABASE or sqlite:/path/to/database", scheme)
	}
	return Source{}, errors.New("not a database location: write postgres://USER@HOST/DATABASE or sqlite:/path/to/database")
}

func parsePostgreSQL(location string) (Source, error) {
	if u, err := url.Parse(location); err != nil || u.Opaque != "" || strayPassword(u) {
		return Source{}, errors.New("not a valid URL: write postgres://USER@HOST:PORT/DATABASE, with special characters of a password percent-encoded")
	}
	if _, err := pgx.ParseConfig(location); err != nil {
		return Source{}, fmt.Errorf("not a valid PostgreSQL URL: %s", withoutLocation(err))
	}
	return Source{engine: PostgreSQL, dsn: location}, nil
}

// strayPassword says whether there is an @ where none belongs: a password with
// one of / ? # in it, which ends the user's part, would be printed.
func strayPassword(u *url.URL) bool {
	return strings.Contains(u.Path, "@") || u.User == nil && strings.Contains(u.RawQuery+u.Fragment, "@")
}

// withoutLocation drops the connection string that pgx repeats, with its
// password crossed out only where it was recognised.
func withoutLocation(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		text = text[i+len("`: "):]
	}
	return text
}

// IsZero says that there is no database: the zero Source, which cannot be read.
func (s Source) IsZero() bool { return s == Source{} }

// Engine returns the kind of database, "" of the zero Source.
func (s Source) Engine() Engine { return s.engine }

// String returns the location without password and options.
func (s Source) String() string {
	switch {
	case s.IsZero():
		return "no database"
	case s.engine == SQLite:
		return "sqlite:" + s.path
	}
	u, err := url.Parse(s.dsn)
	if err != nil {
		return string(s.engine)
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String()
}

// Format implements fmt.Formatter, so that no verb prints what String leaves
// out.
func (s Source) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// A View is a consistent, read-only view of a database.
type View struct {
	*sqlx.Tx
	Engine Engine
	// Version is the version of the database server ("15.18"), for SQLite that
	// of the library by which the file was last written.
	Version string

	conn *sql.Conn // of PostgreSQL, to COPY by
	file string    // the SQLite file, if it holds everything and we take no lock
}

// IsSnapshot says that what is read stays true whatever is written meanwhile, also if the
// reading fails later. It is not so for an SQLite file that is read without a lock.
func (v View) IsSnapshot() bool { return v.file == "" }

// Options tune the reading of a Source.
type Options struct {
	// PasswordFile, if not empty, names a file that holds the password. It is
	// read at each connection, so that it can be changed under a running
	// exporter; a line end behind the password is dropped.
	PasswordFile string
	// Kept, if not nil, keeps the connection of a PostgreSQL for the next Read. The
	// Source and the other options must then always be the same.
	Kept *Kept
	// Before, if not nil, is called before the view of a PostgreSQL begins, with the
	// connection.
	Before func(context.Context, sqlx.QueryerContext) error
}

// Read connects, calls read with a consistent view, and disconnects, unless
// Options.Kept says otherwise. Nothing stays open for long, so a refresh an hour costs
// the server nothing in the meantime.
//
// Its errors are safe to print, and failure.Of finds their reason. An SQLite
// file that was written to while being read is failure.Locked, too: what read has
// seen may then be inconsistent, and trying again helps.
func (s Source) Read(ctx context.Context, o Options, read func(context.Context, View) error) error {
	var err error
	switch s.engine {
	case SQLite:
		err = s.readSQLite(ctx, read)
	case MySQL:
		err = s.readMySQL(ctx, o, read)
	case PostgreSQL:
		err = s.readPostgreSQL(ctx, o, read)
	default:
		err = errors.New("no database is configured")
	}
	if err != nil {
		return explain(s.String(), err)
	}
	return nil
}

// password returns the password to connect with, given the one in the
// location.
func (o Options) password(located string) (string, error) {
	if o.PasswordFile == "" {
		return located, nil
	}
	password, err := files.ReadPassword(o.PasswordFile)
	if err != nil {
		return "", failure.New(failure.Denied, "%w", err)
	}
	return password, nil
}
