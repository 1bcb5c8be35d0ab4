// Package history keeps calendars on disk: who was active on which day, as
// keyed hashes and compressed sets. For chat servers that store one last-seen
// time for a user it is the only history there is; for others it saves reading
// everything again after a restart.
package history

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// A Store is a place for calendars. It may be used by several goroutines.
//
// It is opened when it is first used, and again at each use while that fails: a
// folder that is full or not there yet costs no figures.
type Store struct {
	location, keyFile string
	key               activity.Key

	using   sync.Mutex // one transaction at a time; guards what follows
	keyed   bool       // key is what stands in keyFile
	db      *sqlx.DB   // nil until it is open
	written map[string]map[string]*contents
	lead    *leadership // nil where nobody shares the store
}

// fileName is that of the SQLite database in the folder of the history.
const fileName = "history.db"

// New returns the history in a folder, which is made where it is missing, or in
// a PostgreSQL database (postgres://…), which replicas of the exporter may
// share: one of them writes, and when it is gone another does. The key of the
// users' hashes is in a file of its own, so that either is of little use without
// the other: keyFile, the same for all who share a database, or "" for the file
// "key" in the folder.
func New(location, keyFile string) *Store {
	s := &Store{location: location, keyFile: keyFile, written: make(map[string]map[string]*contents)}
	if keyFile == "" && !s.shared() {
		s.keyFile = filepath.Join(location, "key")
	}
	if key, err := readKey(s.keyFile); err == nil {
		s.key, s.keyed = key, true
	} else {
		_, _ = rand.Read(s.key[:]) // never fails (crypto/rand)
	}
	return s
}

// shared says whether the store is a database that others may use as well.
func (s *Store) shared() bool { return Shared(s.location) }

// Shared says whether a location is that of a database that several may share.
func Shared(location string) bool {
	return strings.HasPrefix(location, "postgres://") || strings.HasPrefix(location, "postgresql://")
}

// Exists says whether there is a history in a folder.
func Exists(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, fileName))
	return err == nil
}

// Key is the key of the users' hashes.
func (s *Store) Key() activity.Key { return s.key }

// open makes the store ready for use.
func (s *Store) open(ctx context.Context) error {
	if s.db != nil {
		return nil
	}
	if s.keyFile == "" {
		return errors.New("a history in a database has its key in a file: write storage.key_file")
	}
	db, err := s.connect()
	if err != nil {
		return fmt.Errorf("open the history: %w", err)
	}
	if err := s.settleKey(); err != nil {
		_ = db.Close()
		return err
	}
	if err := migrate(ctx, db); err != nil {
		_ = db.Close()
		return err
	}
	s.db = db
	if s.shared() {
		s.lead = &leadership{db: db}
		_, err = s.lead.try(ctx) // who writes from the start need not read again
	}
	return err
}

func (s *Store) connect() (*sqlx.DB, error) {
	if s.shared() {
		return sqldb.OpenPostgreSQL(s.location)
	}
	if err := os.MkdirAll(s.location, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(s.location, fileName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // for its owner's eyes alone
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	db, err := sqldb.CreateSQLite(path)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// Close closes the store.
func (s *Store) Close() error {
	s.using.Lock()
	defer s.using.Unlock()
	if s.db == nil {
		return nil
	}
	if s.lead != nil {
		s.lead.release()
	}
	return s.db.Close()
}

// A Moment says when a history was saved.
type Moment struct {
	// At is the moment of the refresh that was saved, FullRead that of the last
	// one that read everything.
	At, FullRead time.Time
}

// errFormat says that stored bytes are not what was written.
var errFormat = errors.New("damaged")
