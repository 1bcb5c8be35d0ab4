package sqldb

import (
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

const (
	// keptFor is how long a connection without work is kept: refreshes of every minute
	// find it, those of every hour do not.
	keptFor = 90 * time.Second
	// keptAtMost is how long one is used at most, for the name of its server may come to
	// stand for another one.
	keptAtMost = time.Hour
)

// Kept keeps the connection to a PostgreSQL for a minute and a half after a Read. For a
// refresh in which little has happened, connecting, and all that the server must look up
// about its tables on a new connection, is more work than the refresh itself.
type Kept struct {
	mutex sync.Mutex
	db    *sqlx.DB // nil for none
}

// open returns the database, opened by a function if it is not open yet.
func (k *Kept) open(open func() *sqlx.DB) *sqlx.DB {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.db == nil {
		k.db = open()
		k.db.SetConnMaxIdleTime(keptFor)
		k.db.SetConnMaxLifetime(keptAtMost)
	}
	return k.db
}

// Close closes the connection; a Read may open it again.
func (k *Kept) Close() error {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.db == nil {
		return nil
	}
	defer func() { k.db = nil }()
	return k.db.Close()
}
