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
	"io/fs"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/storage"
)

// A Store is a place for calendars. It may be used by several goroutines.
//
// It is opened when it is first used, and again at each use while that fails: a
// folder that is full or not there yet costs no figures.
type Store struct {
	location  storage.Location
	keyFile   string
	key       activity.Key
	readOnly  bool // nothing is written, not even a key
	exclusive bool // no other exporter may use a database meanwhile

	using   sync.Mutex // one transaction at a time; guards what follows
	keyed   bool       // key is what stands in keyFile
	db      *sqlx.DB   // nil until it is open
	written map[string]map[string]*contents
	lead    *leadership // nil where nobody shares the store
}

// fileName is that of the SQLite database in the folder of the history.
const fileName = "history.db"

// keyName is that of the file with the key, if no other one is named.
const keyName = "key"

// New returns the history in a folder, which is made if it is missing, or in a
// PostgreSQL database, which replicas of the exporter may share: one of them
// writes, and when it is gone another does. The key of the users' hashes is in a
// file of its own, so that either is of little use without the other: keyFile,
// the same for all who share a database, or "" for the file "key" in the folder.
func New(location storage.Location, keyFile string) *Store {
	s := &Store{location: location, keyFile: keyFile, written: make(map[string]map[string]*contents)}
	if keyFile == "" {
		s.keyFile = location.Path(keyName)
	}
	if key, err := readKey(s.keyFile); err == nil {
		s.key, s.keyed = key, true
	} else {
		_, _ = rand.Read(s.key[:]) // never fails (crypto/rand)
	}
	return s
}

// NewReader returns a history that is read beside the exporter that writes it. Nothing in a
// database is changed. Save writes nothing and returns ErrFollower.
func NewReader(location storage.Location, keyFile string) *Store {
	s := New(location, keyFile)
	s.readOnly = true
	return s
}

// NewExclusive returns a history that nobody else uses meanwhile, so that what is
// deleted does not come back. A database that exporters use cannot be opened; a
// folder must have been claimed, see storage.Location.Claim.
func NewExclusive(location storage.Location, keyFile string) *Store {
	s := New(location, keyFile)
	s.exclusive = true
	return s
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
	db, err := s.location.Open(fileName)
	if err != nil {
		return fmt.Errorf("open the history: %w", err)
	}
	if err := s.prepare(ctx, db); err != nil {
		_ = db.Close()
		return err
	}
	s.db = db
	return nil
}

// Check returns why the history of a reader cannot be used: a key that is damaged or missing,
// or another one than that with which it was recorded; storage.ErrEmpty if nothing is
// recorded yet. Nothing is made.
func (s *Store) Check(ctx context.Context) error {
	if s.location.IsZero() {
		return storage.ErrEmpty
	}
	if _, err := readKey(s.keyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !s.location.Shared() && !s.location.Has(fileName) {
		return storage.ErrEmpty
	}
	s.using.Lock()
	defer s.using.Unlock()
	return s.open(ctx)
}

// FileNames are those in the folder of a history: of its key and of the rest.
func FileNames() (key, data string) { return keyName, fileName }

// TableNames are those of a history in a database.
func TableNames(location storage.Location) []string {
	s := Store{location: location}
	return s.schema().Tables()
}

// prepare makes a database ready for use.
func (s *Store) prepare(ctx context.Context, db *sqlx.DB) error {
	ready := s.schema().Migrate
	if s.readOnly && s.location.Shared() { // exporters of other versions may use it
		ready = s.schema().Check
	}
	if err := ready(ctx, db); err != nil {
		return err
	}
	if err := s.ensureKey(ctx, db); err != nil {
		return err
	}
	if !s.location.Shared() || s.readOnly {
		return nil
	}
	lead := &leadership{db: db}
	if err := lead.join(ctx, s.exclusive); err != nil {
		return err
	}
	if _, err := lead.try(ctx); err != nil { // who writes from the start need not read again
		lead.release()
		return err
	}
	s.lead = lead
	return nil
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
	// Oldest is, when saving, the oldest day to store of servers that keep
	// visits themselves, 0 for all there are.
	Oldest activity.Day
}

// errFormat says that stored bytes are not what was written.
var errFormat = errors.New("damaged")
