// Package storage says where the exporter keeps its own data, and opens it
// there: in SQLite files in a folder, or in a PostgreSQL database.
package storage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
)

// A Location is where data is kept: a folder of one exporter, or a PostgreSQL
// database that several exporters may share. The zero value is nowhere.
// Printing it, with whatever verb, never shows a password.
type Location struct {
	folder   string
	database string // URL; may hold a password
}

// Parse reads a location: the path of a folder, postgres://USER@HOST/DATABASE
// (also postgresql://), or "" for nowhere. It opens nothing. It is the only
// place that distinguishes a folder from a database. Its errors never repeat the
// location, which may hold a password.
func Parse(text string) (Location, error) {
	scheme, _, isURL := strings.Cut(text, ":")
	switch {
	case text == "":
		return Location{}, nil
	case isURL && (scheme == "postgres" || scheme == "postgresql"):
		if _, err := sqldb.ParseSource(text); err != nil {
			return Location{}, err
		}
		return Location{database: text}, nil
	case strings.Contains(text, "://") || isURL && slices.Contains(otherDatabases(), scheme):
		return Location{}, errors.New("want a folder, or postgres://USER@HOST/DATABASE")
	case strings.ContainsRune(text, 0):
		return Location{}, errors.New("the path of a folder cannot hold a zero byte")
	}
	return Location{folder: text}, nil
}

// otherDatabases are the beginnings of locations that are meant for databases,
// but not for one in which data can be kept.
func otherDatabases() []string { return []string{"sqlite", "sqlite3", "mysql", "mariadb", "file"} }

// Folder is the location of a folder.
func Folder(path string) Location { return Location{folder: path} }

// Below returns the location with a relative path of a folder taken as relative
// to another folder.
func (l Location) Below(folder string) Location {
	if l.folder != "" && !filepath.IsAbs(l.folder) {
		l.folder = filepath.Join(folder, l.folder)
	}
	return l
}

// IsZero says that nothing is kept.
func (l Location) IsZero() bool { return l == Location{} }

// Shared says that the location is a database, which several exporters may use
// at the same time.
func (l Location) Shared() bool { return l.database != "" }

// Path returns the path of a file in the folder; "" if there is no folder.
func (l Location) Path(name string) string {
	if l.folder == "" {
		return ""
	}
	return filepath.Join(l.folder, name)
}

// String returns the folder, or the URL of the database without password and
// options.
func (l Location) String() string {
	if !l.Shared() {
		return l.folder
	}
	source, err := sqldb.ParseSource(l.database)
	if err != nil { // Parse accepts no such thing
		return "postgres://"
	}
	return source.String()
}

// Format implements fmt.Formatter, so that no verb prints what String leaves
// out.
func (l Location) Format(f fmt.State, verb rune) {
	if verb == 'q' {
		_, _ = fmt.Fprintf(f, "%q", l.String())
		return
	}
	_, _ = io.WriteString(f, l.String())
}

// Has says whether there is a file of that name in the folder.
func (l Location) Has(name string) bool {
	if l.folder == "" {
		return false
	}
	_, err := os.Stat(l.Path(name))
	return err == nil
}

// Open opens the database, or the SQLite file of the given name in the folder.
// Folder and file are made if they are missing, for the eyes of their owner
// alone.
func (l Location) Open(file string) (*sqlx.DB, error) {
	switch {
	case l.Shared():
		return sqldb.OpenPostgreSQL(l.database)
	case l.IsZero():
		return nil, errors.New("no folder is named")
	}
	if err := os.MkdirAll(l.folder, 0o700); err != nil {
		return nil, err
	}
	path := l.Path(file)
	private, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := private.Close(); err != nil {
		return nil, err
	}
	db, err := sqldb.CreateSQLite(path)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}
