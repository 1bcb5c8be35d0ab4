package sqldb

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/files"
)

// How a live SQLite file is read depends on its journal mode, which stands in
// its header:
//
//   - WAL, with the -wal file there: an ordinary read-only connection. Readers
//     and the writer do not wait for each other.
//   - WAL, no -wal file: the server is stopped. An ordinary connection would
//     leave new -wal and -shm files behind, owned by us, so the file is read
//     as immutable.
//   - rollback journal: any lock of ours could make the server's commit fail,
//     and a server without a busy timeout then fails a login. So the file is
//     read as immutable, without locks, and what was read is dropped if the
//     file has changed meanwhile. The sooner it is done the better: View.Scan.
func (s Source) readSQLite(ctx context.Context, read func(context.Context, View) error) error {
	before, err := examine(s.path)
	if err != nil {
		return err
	}
	if before.wal && before.walFile {
		return readTransaction(ctx, connection(s.path, url.Values{"mode": {"ro"}}), View{Version: before.version}, read)
	}
	if before.journalFile {
		return failure.New(failure.Locked, "a transaction is being written to it")
	}
	readErr := readTransaction(ctx, connection(s.path, url.Values{"mode": {"ro"}, "immutable": {"1"}}), View{Version: before.version, file: s.path}, read)
	// The state comes first: an inconsistent read fails in strange ways.
	after, err := examine(s.path)
	if err != nil {
		return err
	}
	if after != before {
		return failure.New(failure.Locked, "it was written to while being read")
	}
	return readErr
}

func readTransaction(ctx context.Context, uri string, view View, read func(context.Context, View) error) error {
	raw, err := sql.Open("sqlite", uri)
	if err != nil {
		return err
	}
	// "sqlite3" is the name by which sqlx knows the placeholder style.
	db := sqlx.NewDb(raw, "sqlite3")
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	tx, err := db.BeginTxx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	view.Tx, view.Engine = tx, SQLite
	return read(ctx, view)
}

// connection returns the URI of a file that exists; a plain path would create
// the file where it is missing, and one that holds ? or % would name another.
func connection(path string, options url.Values) string {
	options["_pragma"] = []string{"query_only(1)", "busy_timeout(5000)", "cache_size(-32000)"}
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: options.Encode()}
	return u.String()
}

// fileState is what shows that an SQLite file has not changed.
type fileState struct {
	wal                  bool
	changes              uint32
	version              string // of the library that wrote it last
	size                 int64
	modified             int64 // when, in nanoseconds
	walFile, journalFile bool
}

// The header of an SQLite file (sqlite.org/fileformat2.html, section 1.3).
const (
	headerSize       = 100
	headerMagic      = "SQLite format 3\x00"
	headerReadMode   = 19 // 2 in WAL mode
	headerChangeFrom = 24 // big-endian count of the transactions written
	headerVersion    = 96 // big-endian number of the library's version
)

// examine looks for a journal first and last: before a read, what begins after
// the last look changes the header at its end; after a read, what ended before
// the first look has changed it. A transaction that wrote pages and took them
// back leaves the header as it was, and another time of modification.
func examine(path string) (fileState, error) {
	journalFile, err := hasContent(path + "-journal")
	if err != nil {
		return fileState{}, err
	}
	file, info, err := files.Open(path)
	if errors.Is(err, files.ErrNotRegular) {
		return fileState{}, failure.New(failure.Unexpected, "not a file")
	}
	if err != nil {
		return fileState{}, err
	}
	defer func() { _ = file.Close() }()
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(file, header); err != nil || !strings.HasPrefix(string(header), headerMagic) {
		return fileState{}, failure.New(failure.Unexpected, "not an SQLite database")
	}
	state := fileState{
		wal:     header[headerReadMode] == 2,
		changes: binary.BigEndian.Uint32(header[headerChangeFrom:]),
		version: versionOf(binary.BigEndian.Uint32(header[headerVersion:])),
		size:    info.Size(), modified: info.ModTime().UnixNano(),
	}
	if state.walFile, err = exists(path + "-wal"); err != nil {
		return fileState{}, err
	}
	state.journalFile, err = hasContent(path + "-journal")
	state.journalFile = state.journalFile || journalFile
	return state, err
}

// versionOf writes SQLite's version number 3053004 as 3.53.4, and 0, of files
// older than SQLite 3.7, as nothing.
func versionOf(number uint32) string {
	if number == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", number/1000000, number/1000%1000, number%1000)
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// hasContent says whether a journal is in use, and not empty or zeroed: with
// journal_mode PERSIST or TRUNCATE the file outlives its transaction.
func hasContent(path string) (bool, error) {
	file, _, err := files.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for a transaction that is being written: %w", err)
	}
	defer func() { _ = file.Close() }()
	first := make([]byte, 1)
	n, err := file.Read(first)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return n == 1 && first[0] != 0, err
}

// CreateSQLite opens an SQLite file that belongs to the exporter itself, in
// WAL mode, and makes it where it is missing.
func CreateSQLite(path string) (*sqlx.DB, error) {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path}
	u.RawQuery = url.Values{"_pragma": {"journal_mode(wal)", "busy_timeout(5000)"}}.Encode()
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, explain("sqlite:"+path, err)
	}
	return sqlx.NewDb(db, "sqlite3"), nil
}
