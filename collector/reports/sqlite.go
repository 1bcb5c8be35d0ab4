package reports

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/systemmetrics"
)

// sqliteDatabase keeps reports in a file, which is this receiver's alone: what
// is counted and put together of them is in memory.
type sqliteDatabase struct {
	db     *sqlx.DB
	insert *sqlx.Stmt
}

// FileName is that of the SQLite database in the folder of a store.
const FileName = "reports.db"

func openSQLite(ctx context.Context, location storage.Location) (*sqliteDatabase, error) {
	db, err := location.Open(FileName)
	if err != nil {
		return nil, fmt.Errorf("open the store of reports: %w", err)
	}
	s := &sqliteDatabase{db: db}
	if err := s.prepare(ctx); err != nil {
		_ = db.Close()
		return nil, err
	}
	return s, nil
}

// prepare makes what is missing.
func (s *sqliteDatabase) prepare(ctx context.Context) (err error) {
	if err := sqliteSchema().Migrate(ctx, s.db); err != nil {
		return err
	}
	if err := s.countUp(ctx); err != nil {
		return err
	}
	if err := s.reserve(ctx); err != nil {
		return err
	}
	if s.insert, err = s.db.PreparexContext(ctx, `INSERT INTO usage_reports (received_at, homeserver, body) VALUES (?, ?, ?)`); err != nil {
		return fmt.Errorf("open the store of reports: %w", err)
	}
	return nil
}

// reserve makes the log that SQLite writes ahead as long as it is ever going to
// be: to sync what is written over costs half of what it costs when a file must
// grow. SQLite starts it from its beginning after a thousand pages. On a disk without so much
// room it goes without, and leaves the rest to others.
func (s *sqliteDatabase) reserve(ctx context.Context) error {
	empty := func() { _, _ = s.db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`) }
	empty() // while there is room for what it says
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("open the store of reports: %w", err)
	}
	// SQLite keeps two megabytes of a transaction in memory, and writes the rest
	// to the log, also if the transaction is then taken back.
	_, full := tx.ExecContext(ctx, `INSERT INTO usage_reports (received_at, homeserver, body) VALUES (0, '', zeroblob(8 * 1024 * 1024))`)
	_ = tx.Rollback() // which fails if SQLite has taken it back by itself
	if full != nil {
		empty()
	}
	return nil
}

func (s *sqliteDatabase) close() error { return errors.Join(s.insert.Close(), s.db.Close()) }

func (s *sqliteDatabase) write(ctx context.Context, batch []*pending) error {
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

// countUp adds up the reports since it was last done, and notes which one is the
// newest of each homeserver.
func (s *sqliteDatabase) countUp(ctx context.Context) error {
	days, err := workedOn(ctx, s.db)
	if err != nil {
		return fmt.Errorf("count reports: %w", err)
	}
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("count reports: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := count(ctx, tx, days.proven()); err != nil {
		return fmt.Errorf("count reports: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("count reports: %w", err)
	}
	return nil
}

func (s *sqliteDatabase) latest(ctx context.Context, now time.Time, within time.Duration, known func(string, uint64) bool, use func(stored)) error {
	const query = `
		SELECT homeserver, usage_reports.received_at AS received_at, body, first_seen, reports
		FROM usage_homeservers CROSS JOIN usage_reports USING (homeserver)
		WHERE latest_at > ? AND usage_reports.id = latest_id`
	return eachStored(ctx, s.db, known, use, query, now.Add(-within).UnixMilli())
}

// eachStored calls use with each row of a query that is not known.
func eachStored(ctx context.Context, db *sqlx.DB, known func(string, uint64) bool, use func(stored), query string, args ...any) error {
	rows, err := db.QueryxContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read the newest reports: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var s stored
		if err := rows.StructScan(&s); err != nil {
			return fmt.Errorf("read the newest reports: %w", err)
		}
		if !known(s.Homeserver, s.Reports) {
			use(s)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the newest reports: %w", err)
	}
	return nil
}

// purge deletes old reports once they are counted.
func (s *sqliteDatabase) purge(ctx context.Context, now time.Time, retention time.Duration) error {
	days, err := work(ctx, s.db, now)
	if err != nil {
		return fmt.Errorf("delete old reports: %w", err)
	}
	if err := s.countUp(ctx); err != nil {
		return err
	}
	// All before the first one that is not old. The newest report stays, so that no
	// id is given twice.
	const query = `DELETE FROM usage_reports WHERE id < COALESCE(
		(SELECT id FROM usage_reports WHERE received_at >= ? AND received_at <= ? ORDER BY id LIMIT 1), (SELECT MAX(id) FROM usage_reports))`
	before := days.age(now).Add(-retention).UnixMilli()
	if _, err := s.db.ExecContext(ctx, query, before, days.plausible(now).UnixMilli()); err != nil {
		return fmt.Errorf("delete old reports: %w", err)
	}
	if _, err := s.db.ExecContext(ctx, `DELETE FROM usage_homeservers WHERE latest_at < ?`, before); err != nil {
		return fmt.Errorf("delete homeservers that are gone: %w", err)
	}
	if _, err := s.db.ExecContext(ctx, `DELETE FROM mongooseim_clusters WHERE received_at < ? OR client_id NOT IN
		(SELECT client_id FROM mongooseim_clusters ORDER BY received_at DESC LIMIT ?)`, before, maxClusters); err != nil {
		return fmt.Errorf("delete clusters that are gone: %w", err)
	}
	return nil
}

// size is that of the file without the pages that are free.
func (s *sqliteDatabase) size(ctx context.Context) (Stored, error) {
	var row struct {
		Bytes  int64
		Oldest *int64
	}
	err := s.db.GetContext(ctx, &row, `SELECT ((SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM pragma_freelist_count))
		* (SELECT page_size FROM pragma_page_size) AS bytes, (SELECT received_at FROM usage_reports ORDER BY id LIMIT 1) AS oldest`)
	return storedOf(row.Bytes, row.Oldest), err
}

func storedOf(bytes int64, oldest *int64) Stored {
	s := Stored{Bytes: bytes}
	if oldest != nil {
		s.Oldest = time.UnixMilli(*oldest)
	}
	return s
}

// shrink leaves the newest report, so that no id is given twice.
func (s *sqliteDatabase) shrink(ctx context.Context, part float64) (deleted int64, err error) {
	if err := s.countUp(ctx); err != nil {
		return 0, err
	}
	result, err := s.db.ExecContext(ctx, `DELETE FROM usage_reports WHERE id IN (
		SELECT id FROM usage_reports LEFT JOIN usage_homeservers USING (homeserver)
		WHERE id < (SELECT MAX(id) FROM usage_reports)
		ORDER BY COALESCE(reports, 1) > 1, id LIMIT MAX(1, CAST(? * (SELECT COUNT(*) FROM usage_reports) AS INTEGER)))`, part)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// keepPart stores what is known of the cluster. The node that reported
// last is kept; nodes have no name except their address.
func (s *sqliteDatabase) keepPart(ctx context.Context, c *clusters, from node, p systemmetrics.Part, now time.Time) error {
	report, err := c.add(from, p, now)
	if err != nil {
		return fmt.Errorf("store a report: %w", err)
	}
	_, err = s.db.ExecContext(ctx, `
		INSERT INTO mongooseim_clusters (client_id, received_at, report) VALUES (?, ?, ?)
		ON CONFLICT (client_id) DO UPDATE SET received_at = excluded.received_at, report = excluded.report`, from.client, now.UnixMilli(), report)
	if err != nil {
		return fmt.Errorf("store a report: %w", err)
	}
	return nil
}

func (s *sqliteDatabase) restoreClusters(ctx context.Context, c *clusters, now time.Time, within time.Duration) error {
	var rows []struct {
		Received int64 `db:"received_at"`
		Report   []byte
	}
	if err := s.db.SelectContext(ctx, &rows, `SELECT received_at, report FROM mongooseim_clusters WHERE received_at > ?`, now.Add(-within).UnixMilli()); err != nil {
		return fmt.Errorf("read the newest reports: %w", err)
	}
	for _, row := range rows {
		var r systemmetrics.Report
		if json.Unmarshal(row.Report, &r) == nil {
			c.put(node{client: r.ClientID}, &nodeReport{complete: &r, received: time.UnixMilli(row.Received)})
		}
	}
	return nil
}

// merge writes the whole table again in the order of time, which is that of the IDs.
func (s *sqliteDatabase) merge(ctx context.Context, all []*pending) (added int, err error) {
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, `CREATE TEMPORARY TABLE imported (received_at INTEGER, homeserver TEXT, body BLOB)`); err != nil {
		return 0, err
	}
	for _, p := range all {
		result, err := tx.ExecContext(ctx, `
			INSERT INTO imported SELECT ?, ?, ? WHERE NOT EXISTS
			(SELECT 1 FROM usage_reports WHERE received_at = ?1 AND homeserver = ?2)`, p.received.UnixMilli(), p.homeserver, p.body)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		added += int(n)
	}
	for _, statement := range []string{
		`INSERT INTO usage_homeservers (homeserver, first_seen, reports) SELECT homeserver, MIN(received_at), COUNT(*) FROM imported WHERE true GROUP BY homeserver
		ON CONFLICT (homeserver) DO UPDATE SET reports = reports + excluded.reports, first_seen = MIN(first_seen, excluded.first_seen)`,
		`INSERT INTO imported SELECT received_at, homeserver, body FROM usage_reports`,
		`DELETE FROM usage_reports`,
		`INSERT INTO usage_reports (received_at, homeserver, body) SELECT received_at, homeserver, body FROM imported ORDER BY received_at`,
		`UPDATE usage_counted SET up_to = (SELECT COALESCE(MAX(id), 0) FROM usage_reports)`,
		pointToLatest,
		`DROP TABLE imported`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return 0, err
		}
	}
	return added, tx.Commit()
}
