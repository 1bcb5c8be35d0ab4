package history

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
)

// Save returns these where exporters share a store, and has then written nothing.
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
// connection that holds it. All exporters share another lock: a command that
// deletes can see by it whether any exporter is at work.
type leadership struct {
	db      *sqlx.DB
	present *sqlx.Conn // nil while it is broken
	held    *sqlx.Conn // nil for a follower
}

// The numbers of the advisory locks, which nobody else has reason to use.
const (
	lock         = 0x61637469766575
	presenceLock = lock + 1
)

// joinTimeout is how long a lock is waited for: PostgreSQL notices a moment later that the
// exporter which held it has ended.
const joinTimeout = 2 * time.Second

// join says that this process uses the history, alone or as one of several.
func (l *leadership) join(ctx context.Context, exclusive bool) error {
	function := `pg_try_advisory_lock_shared`
	if exclusive {
		function = `pg_try_advisory_lock`
	}
	connection, err := l.db.Connx(ctx)
	if err != nil {
		return fmt.Errorf("open the history: %w", err)
	}
	// There the lock is anybody's at any time.
	cockroach, err := sqldb.IsCockroachDB(connection)
	if cockroach {
		err = errNoLock
	}
	if err != nil {
		return errors.Join(err, connection.Close())
	}
	for began := time.Now(); ; {
		joined := false
		if err := connection.GetContext(ctx, &joined, `SELECT `+function+`($1)`, int64(presenceLock)); err != nil {
			return errors.Join(fmt.Errorf("open the history: %w", err), connection.Close())
		}
		if joined {
			l.present = connection
			return nil
		}
		if time.Since(began) > joinTimeout {
			return errors.Join(inUse(ctx, connection), connection.Close())
		}
		select {
		case <-ctx.Done():
		case <-time.After(joinTimeout / 20):
		}
	}
}

// inUse names one of those who use the history.
func inUse(ctx context.Context, connection *sqlx.Conn) error {
	var who string
	err := connection.GetContext(ctx, &who, `
		SELECT CAST(pid AS TEXT) || ' from ' || COALESCE(host(client_addr), 'a local socket') || ', connected at ' || TO_CHAR(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
		FROM pg_locks JOIN pg_stat_activity USING (pid)
		WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND CAST(classid AS BIGINT) = $1 AND CAST(objid AS BIGINT) = $2
		ORDER BY backend_start LIMIT 1`, int64(presenceLock>>32), int64(presenceLock&0xffffffff))
	if err != nil {
		who = "unknown"
	}
	return fmt.Errorf("another process uses this history (process %s of PostgreSQL): stop it first", who)
}

// check says whether this exporter leads, and whether it has only now begun to.
func (l *leadership) check(ctx context.Context) (leads, taken bool, err error) {
	if l.present == nil || l.present.PingContext(ctx) != nil {
		l.release()
		if err := l.join(ctx, false); err != nil {
			return false, false, err
		}
	}
	if l.held != nil {
		if l.held.PingContext(ctx) == nil {
			return true, false, nil
		}
		drop(&l.held) // it broke, and the lock is gone with it
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
	if err := connection.GetContext(ctx, &taken, `SELECT pg_try_advisory_lock($1)`, int64(lock)); err != nil || !taken {
		return false, errors.Join(err, connection.Close())
	}
	l.held = connection
	return true, nil
}

// release gives the locks up.
func (l *leadership) release() {
	drop(&l.held)
	drop(&l.present)
}

// drop closes a connection, and with it ends its lock: the pool takes it for
// broken.
func drop(connection **sqlx.Conn) {
	if *connection == nil {
		return
	}
	_ = (*connection).Raw(func(any) error { return driver.ErrBadConn })
	_ = (*connection).Close()
	*connection = nil
}
