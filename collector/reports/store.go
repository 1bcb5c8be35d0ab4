package reports

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
)

// store keeps every report that was accepted. Reports that arrive while one
// transaction is being written go into the next one together: the disk's time
// to make something durable is shared by all who wait.
type store struct {
	db      *sqlx.DB
	insert  *sqlx.Stmt
	queue   chan *pending
	stopped chan struct{}
}

// pending is a report on its way to the disk.
type pending struct {
	homeserver string
	received   time.Time
	body       []byte
	done       chan error // of capacity 1
}

const (
	maxQueue = 1024 // reports that wait
	maxBatch = 512  // reports in one transaction

	fileName = "reports.db"
)

// schema of the store. Reports come in the order of time, so their ids tell what
// an index of times would, and a report costs the disk one page. What is counted
// in usage_homeservers outlives the reports themselves.
const schema = `
CREATE TABLE IF NOT EXISTS usage_reports (
	id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, homeserver TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS usage_homeservers (
	homeserver TEXT PRIMARY KEY, first_seen INTEGER NOT NULL, reports INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mongooseim_clusters (
	client_id TEXT PRIMARY KEY, received_at INTEGER NOT NULL, report BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS usage_counted (
	only INTEGER PRIMARY KEY CHECK (only = 1), up_to INTEGER NOT NULL -- id of the last report in usage_homeservers
);
INSERT OR IGNORE INTO usage_counted VALUES (1, 0)`

// openStore opens the store in a folder, which it makes where it is missing.
func openStore(ctx context.Context, folder string) (*store, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("open the store of reports: %w", err)
	}
	path := filepath.Join(folder, fileName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // for its owner's eyes alone
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("open the store of reports: %w", err)
	}
	db, err := sqldb.CreateSQLite(path)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	for statement := range strings.SplitSeq(schema, ";") {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			_ = db.Close()
			return nil, fmt.Errorf("open the store of reports: %w", err)
		}
	}
	s := &store{db: db, queue: make(chan *pending, maxQueue), stopped: make(chan struct{})}
	if err := s.countUp(ctx); err != nil {
		_ = db.Close()
		return nil, err
	}
	if s.insert, err = db.PreparexContext(ctx, `INSERT INTO usage_reports (received_at, homeserver, body) VALUES (?, ?, ?)`); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open the store of reports: %w", err)
	}
	go s.run(context.WithoutCancel(ctx))
	return s, nil
}

// close writes what is waiting. Nobody calls keep any longer.
func (s *store) close() error {
	close(s.queue)
	<-s.stopped
	return errors.Join(s.insert.Close(), s.db.Close())
}

var errBusy = errors.New("too many reports are waiting to be stored")

// keep returns once the report is on disk. If ctx ends first, it may be stored
// all the same.
func (s *store) keep(ctx context.Context, homeserver string, received time.Time, body []byte) error {
	p := &pending{homeserver, received, body, make(chan error, 1)}
	select {
	case s.queue <- p:
	default:
		return errBusy
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *store) run(ctx context.Context) {
	defer close(s.stopped)
	for first := range s.queue {
		batch := []*pending{first}
		for more := true; more && len(batch) < maxBatch; {
			select {
			case p, open := <-s.queue:
				if more = open; open {
					batch = append(batch, p)
				}
			default:
				more = false
			}
		}
		err := s.write(ctx, batch)
		for _, p := range batch {
			p.done <- err
		}
	}
}

func (s *store) write(ctx context.Context, batch []*pending) error {
	if len(batch) == 1 { // a statement is a transaction of its own
		p := batch[0]
		if _, err := s.insert.ExecContext(ctx, p.received.UnixMilli(), p.homeserver, p.body); err != nil {
			return fmt.Errorf("store reports: %w", err)
		}
		return nil
	}
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("store reports: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	insert := tx.StmtxContext(ctx, s.insert)
	for _, p := range batch {
		if _, err := insert.ExecContext(ctx, p.received.UnixMilli(), p.homeserver, p.body); err != nil {
			return fmt.Errorf("store reports: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("store reports: %w", err)
	}
	return nil
}

// countUp adds up the reports since it was last done.
func (s *store) countUp(ctx context.Context) error {
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("count reports: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, statement := range []string{
		`INSERT INTO usage_homeservers (homeserver, first_seen, reports)
		SELECT homeserver, MIN(received_at), COUNT(*) FROM usage_reports WHERE id > (SELECT up_to FROM usage_counted) GROUP BY homeserver
		ON CONFLICT (homeserver) DO UPDATE SET reports = reports + excluded.reports`,
		`UPDATE usage_counted SET up_to = MAX(up_to, (SELECT COALESCE(MAX(id), 0) FROM usage_reports))`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("count reports: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("count reports: %w", err)
	}
	return nil
}

// stored is a report as it is kept.
type stored struct {
	Homeserver string
	Received   int64 `db:"received_at"` // Unix milliseconds
	Body       []byte
	FirstSeen  int64 `db:"first_seen"`
	Reports    uint64
}

// newest returns the newest report of each homeserver that was received after
// a moment.
func (s *store) newest(ctx context.Context, after time.Time) (all []stored, err error) {
	// The highest id of a homeserver is its newest report; SQLite takes the
	// other columns from the same row.
	const query = `
		SELECT homeserver, received_at, body, first_seen, reports FROM (
			SELECT MAX(id), homeserver, received_at, body FROM usage_reports
			WHERE id > COALESCE((SELECT id FROM usage_reports WHERE received_at <= ? ORDER BY id DESC LIMIT 1), 0) GROUP BY homeserver
		) JOIN usage_homeservers USING (homeserver)`
	if err := s.db.SelectContext(ctx, &all, query, after.UnixMilli()); err != nil {
		return nil, fmt.Errorf("read the newest reports: %w", err)
	}
	return all, nil
}

// purge deletes reports received before a moment, once they are counted.
func (s *store) purge(ctx context.Context, before time.Time) error {
	if err := s.countUp(ctx); err != nil {
		return err
	}
	// The newest report stays, so that no id is given twice.
	const query = `DELETE FROM usage_reports WHERE id < COALESCE(
		(SELECT id FROM usage_reports WHERE received_at >= ? ORDER BY id LIMIT 1), (SELECT MAX(id) FROM usage_reports))`
	if _, err := s.db.ExecContext(ctx, query, before.UnixMilli()); err != nil {
		return fmt.Errorf("delete old reports: %w", err)
	}
	return nil
}
