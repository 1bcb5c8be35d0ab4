package history

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
)

// Who shares a store with others may be told at Save that nothing was written.
var (
	// ErrFollower says that another exporter writes; its history is as good.
	ErrFollower = errors.New("another exporter writes the history")
	// ErrTakenOver says that this exporter writes from now on, and must Load
	// what the other has written before.
	ErrTakenOver = errors.New("the exporter that wrote the history is gone")
)

var errNoLock = errors.New("a history that replicas share must be in PostgreSQL itself: CockroachDB has no advisory locks")

// leadership makes sure that one exporter writes: users have numbers, which two
// would give differently. It is a lock of PostgreSQL's that ends with the
// connection that holds it.
type leadership struct {
	db   *sqlx.DB
	held *sqlx.Conn // nil for a follower
}

// lock is the number of the advisory lock, which nobody else has reason to use.
const lock = 0x61637469766575

// check says whether this exporter leads, and whether it has only now begun to.
func (l *leadership) check(ctx context.Context) (leads, taken bool, err error) {
	if l.held != nil {
		if l.held.PingContext(ctx) == nil {
			return true, false, nil
		}
		l.release() // the connection broke, and the lock is gone with it
	}
	taken, err = l.try(ctx)
	return taken, taken, err
}

// try takes the lock if nobody has it.
func (l *leadership) try(ctx context.Context) (taken bool, err error) {
	connection, err := l.db.Connx(ctx)
	if err != nil {
		return false, fmt.Errorf("open the history: %w", err)
	}
	// There the lock is anybody's at any time.
	cockroach, err := sqldb.IsCockroachDB(connection)
	if cockroach {
		err = errNoLock
	}
	if err != nil {
		return false, errors.Join(err, connection.Close())
	}
	if err := connection.GetContext(ctx, &taken, `SELECT pg_try_advisory_lock($1)`, int64(lock)); err != nil || !taken {
		return false, errors.Join(err, connection.Close())
	}
	l.held = connection
	return true, nil
}

// release gives the lock up, with the connection: the pool is told that it is
// broken.
func (l *leadership) release() {
	if l.held == nil {
		return
	}
	_ = l.held.Raw(func(any) error { return driver.ErrBadConn })
	_ = l.held.Close()
	l.held = nil
}
