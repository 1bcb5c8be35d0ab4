package reports

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/storage"
)

// postgresDatabase keeps reports in a database that several receivers share.
// Its statements are those that CockroachDB and YugabyteDB know as well; IDs say
// nothing of time there, and neither do the clocks of the receivers here:
// changed_at is the database's own.
type postgresDatabase struct {
	db *sqlx.DB
}

const (
	// writeTimeout is after how long a report is refused that a database does
	// not take; overlapping is longer.
	writeTimeout = 10 * time.Second
	// connections of a receiver: one writes, the others read, purge, and take
	// what MongooseIM sends.
	maxConnections = 4
	// mergeBatch and purgeBatch are rows of one statement.
	mergeBatch, purgeBatch = 1000, 10_000
	// latestBatch are the homeservers of one statement, whose bodies may come at once.
	latestBatch = 200
)

// connectPostgreSQL opens a database, and makes what is missing in it, or checks that nothing
// is: ready does one or the other.
func connectPostgreSQL(ctx context.Context, location storage.Location, ready func(context.Context, *sqlx.DB) error) (*sqlx.DB, error) {
	db, err := location.Open("")
	if err != nil {
		return nil, fmt.Errorf("open the store of reports: %w", err)
	}
	db.SetMaxOpenConns(maxConnections)
	db.SetMaxIdleConns(maxConnections)
	if err := ready(ctx, db); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

func openPostgreSQL(ctx context.Context, location storage.Location) (*postgresDatabase, error) {
	db, err := connectPostgreSQL(ctx, location, postgresSchema().Migrate)
	if err != nil {
		return nil, err
	}
	return &postgresDatabase{db}, nil
}

func (d *postgresDatabase) close() error { return d.db.Close() }

// transaction commits what do does, or nothing, in a limited time. It is done
// again if the database found that another transaction was in its way.
func (d *postgresDatabase) transaction(ctx context.Context, do func(context.Context, *sqlx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	for {
		err := d.try(ctx, do)
		if err == nil || !sqldb.Collided(err) || ctx.Err() != nil {
			return err
		}
	}
}

func (d *postgresDatabase) try(ctx context.Context, do func(context.Context, *sqlx.Tx) error) error {
	tx, err := d.db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := do(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (d *postgresDatabase) write(ctx context.Context, batch []*pending) error {
	err := d.transaction(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		received, homeservers, bodies := columns(batch)
		if _, err := tx.ExecContext(ctx, `INSERT INTO usage_reports (received_at, homeserver, body)
			SELECT * FROM unnest(CAST($1 AS BIGINT[]), CAST($2 AS TEXT[]), CAST($3 AS BYTEA[]))`, received, homeservers, bodies); err != nil {
			return err
		}
		return countIn(ctx, tx, batch)
	})
	if err != nil {
		return fmt.Errorf("store reports: %w", err)
	}
	return nil
}

func columns(batch []*pending) (received []int64, homeservers []string, bodies [][]byte) {
	for _, p := range batch {
		received, homeservers, bodies = append(received, p.received.UnixMilli()), append(homeservers, p.homeserver), append(bodies, p.body)
	}
	return received, homeservers, bodies
}

// countIn brings usage_homeservers up to date. Rows are taken in the order of
// names, so that receivers do not wait for one another in a circle.
func countIn(ctx context.Context, tx *sqlx.Tx, batch []*pending) error {
	byName := make(map[string][]*pending)
	for _, p := range batch {
		byName[p.homeserver] = append(byName[p.homeserver], p)
	}
	var first, reports []int64
	var newest []*pending
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all := byName[name]
		slices.SortStableFunc(all, func(a, b *pending) int { return a.received.Compare(b.received) })
		first, reports = append(first, all[0].received.UnixMilli()), append(reports, int64(len(all)))
		newest = append(newest, all[len(all)-1])
	}
	received, homeservers, bodies := columns(newest)
	_, err := tx.ExecContext(ctx, `
		INSERT INTO usage_homeservers (homeserver, first_seen, reports, received_at, body, changed_at)
		SELECT homeserver, first_seen, reports, received_at, body, clock_timestamp()
		FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS BIGINT[]), CAST($3 AS BIGINT[]), CAST($4 AS BIGINT[]), CAST($5 AS BYTEA[]))
			AS heard (homeserver, first_seen, reports, received_at, body)
		ON CONFLICT (homeserver) DO UPDATE SET
			first_seen = LEAST(usage_homeservers.first_seen, excluded.first_seen),
			reports = usage_homeservers.reports + excluded.reports,
			received_at = CASE WHEN excluded.received_at >= usage_homeservers.received_at OR `+ahead+` THEN excluded.received_at ELSE usage_homeservers.received_at END,
			body = CASE WHEN excluded.received_at >= usage_homeservers.received_at OR `+ahead+` THEN excluded.body ELSE usage_homeservers.body END,
			changed_at = excluded.changed_at`, homeservers, first, reports, received, bodies)
	return err
}

// ahead says that the clock of the receiver of the newest report was ahead, by the
// database's own.
const ahead = `usage_homeservers.received_at > CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS BIGINT) * 1000 + 86400000`

// merge has no order to keep: an index has the time. Receivers may be running.
func (d *postgresDatabase) merge(ctx context.Context, all []*pending) (added int, err error) {
	tx, err := d.db.BeginTxx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }()
	for some := range slices.Chunk(all, mergeBatch) {
		received, homeservers, bodies := columns(some)
		var rows []stored
		if err := tx.SelectContext(ctx, &rows, `
			INSERT INTO usage_reports (received_at, homeserver, body)
			SELECT received_at, homeserver, body
			FROM unnest(CAST($1 AS BIGINT[]), CAST($2 AS TEXT[]), CAST($3 AS BYTEA[])) AS imported (received_at, homeserver, body)
			WHERE NOT EXISTS (SELECT 1 FROM usage_reports there WHERE there.received_at = imported.received_at AND there.homeserver = imported.homeserver)
			RETURNING received_at, homeserver, body`, received, homeservers, bodies); err != nil {
			return 0, err
		}
		fresh := make([]*pending, 0, len(rows))
		for _, row := range rows {
			fresh = append(fresh, &pending{homeserver: row.Homeserver, received: time.UnixMilli(row.Received), body: row.Body})
		}
		if err := countIn(ctx, tx, fresh); err != nil {
			return 0, err
		}
		added += len(fresh)
	}
	return added, tx.Commit()
}

func (d *postgresDatabase) latest(ctx context.Context, _ time.Time, within time.Duration, known func(string, uint64) bool, use func(stored)) error {
	// Most of what has changed lately is known from the last poll: bodies are fetched
	// of the rest alone.
	var changed []string
	err := eachStored(ctx, d.db, known, func(s stored) { changed = append(changed, s.Homeserver) },
		`SELECT homeserver, reports FROM usage_homeservers WHERE changed_at > `+ago+` ORDER BY first_seen`, within.Seconds())
	if err != nil {
		return err
	}
	unknown := func(string, uint64) bool { return false }
	for some := range slices.Chunk(changed, latestBatch) {
		err := eachStored(ctx, d.db, unknown, use, `SELECT homeserver, received_at, body, first_seen, reports FROM usage_homeservers
			WHERE homeserver = ANY (CAST($1 AS TEXT[])) ORDER BY first_seen`, some)
		if err != nil {
			return err
		}
	}
	return nil
}

// ago is a time that many seconds ago, by the database's clock.
const ago = `now() - CAST($1 AS DOUBLE PRECISION) * INTERVAL '1 second'`

// purge deletes in small transactions. Receivers that do it at the same time
// find nothing left to do.
func (d *postgresDatabase) purge(ctx context.Context, now time.Time, retention time.Duration) error {
	days, err := work(ctx, d.db, now)
	if err != nil {
		return fmt.Errorf("delete old reports: %w", err)
	}
	before := days.age(now).Add(-retention).UnixMilli()
	for deleted := int64(purgeBatch); deleted == purgeBatch; {
		result, err := d.db.ExecContext(ctx, `DELETE FROM usage_reports WHERE id IN
			(SELECT id FROM usage_reports WHERE received_at < $1 ORDER BY received_at LIMIT $2)`, before, purgeBatch)
		if err == nil {
			deleted, err = result.RowsAffected()
		}
		if err != nil {
			return fmt.Errorf("delete old reports: %w", err)
		}
	}
	if _, err := d.db.ExecContext(ctx, `DELETE FROM usage_homeservers WHERE received_at < $1`, before); err != nil {
		return fmt.Errorf("delete homeservers that are gone: %w", err)
	}
	if _, err := d.db.ExecContext(ctx, `DELETE FROM mongooseim_nodes WHERE changed_at < `+ago, retention.Seconds()); err != nil {
		return fmt.Errorf("delete old reports: %w", err)
	}
	if _, err := d.db.ExecContext(ctx, `DELETE FROM mongooseim_nodes WHERE (client_id, node) NOT IN
		(SELECT client_id, node FROM mongooseim_nodes ORDER BY changed_at DESC LIMIT $1)`, maxClusters); err != nil {
		return fmt.Errorf("delete clusters that are gone: %w", err)
	}
	return nil
}

// size adds up what was written: what a database takes on its disk says nothing of
// what a deletion gives back.
func (d *postgresDatabase) size(ctx context.Context) (Stored, error) {
	var row struct {
		Bytes  int64
		Oldest *int64
	}
	err := d.db.GetContext(ctx, &row, `SELECT COALESCE(SUM(octet_length(body) + $1), 0) AS bytes, MIN(received_at) AS oldest FROM usage_reports`, rowOverhead)
	return storedOf(row.Bytes, row.Oldest), err
}

func (d *postgresDatabase) shrink(ctx context.Context, part float64) (deleted int64, err error) {
	result, err := d.db.ExecContext(ctx, `DELETE FROM usage_reports WHERE id IN (
		SELECT id FROM usage_reports LEFT JOIN (SELECT homeserver, reports FROM usage_homeservers) AS heard USING (homeserver)
		ORDER BY COALESCE(reports, 1) > 1, usage_reports.received_at
		LIMIT GREATEST(1, CAST(CAST($1 AS DOUBLE PRECISION) * (SELECT COUNT(*) FROM usage_reports) AS BIGINT)))`, part)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
