package reports

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
)

// Archived is a report with the time of its receipt, as it is exported and
// imported: one JSON object in a line.
type Archived struct {
	Received time.Time       `json:"received"`
	Report   json.RawMessage `json:"report"`
}

// Each calls use with every report in a folder's store that was received from a
// moment on and before another, in the order of their receipt. A folder without
// a store has none.
func Each(ctx context.Context, folder string, from, to time.Time, use func(Archived) error) error {
	path := filepath.Join(folder, fileName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	db, err := sqldb.CreateSQLite(path)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(ctx, `SELECT received_at, body FROM usage_reports WHERE received_at >= ? AND received_at < ? ORDER BY id`, from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return fmt.Errorf("read reports: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var received int64
		var a Archived
		if err := rows.Scan(&received, (*[]byte)(&a.Report)); err != nil {
			return fmt.Errorf("read reports: %w", err)
		}
		a.Received = time.UnixMilli(received).UTC()
		if err := use(a); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Import adds reports to a folder's store, all or none. Those that are there
// already, and those that are no reports, are left out; it returns how many it
// added.
func Import(ctx context.Context, folder string, reports []Archived) (added int, err error) {
	s, err := openStore(ctx, folder)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("import reports: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	if added, err = merge(ctx, tx, reports); err != nil {
		return 0, fmt.Errorf("import reports: %w", err)
	}
	return added, tx.Commit()
}

// merge writes the table anew in the order of time, which the ids tell.
func merge(ctx context.Context, tx *sqlx.Tx, reports []Archived) (added int, err error) {
	if _, err := tx.ExecContext(ctx, `CREATE TEMPORARY TABLE imported (received_at INTEGER, homeserver TEXT, body BLOB)`); err != nil {
		return 0, err
	}
	for _, a := range reports {
		r, err := Parse(a.Report)
		if err != nil {
			continue
		}
		result, err := tx.ExecContext(ctx, `
			INSERT INTO imported SELECT ?, ?, ? WHERE NOT EXISTS
			(SELECT 1 FROM usage_reports WHERE received_at = ?1 AND homeserver = ?2)`, a.Received.UnixMilli(), r.Homeserver, []byte(a.Report))
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
		`INSERT INTO usage_homeservers SELECT homeserver, MIN(received_at), COUNT(*) FROM imported WHERE true GROUP BY homeserver
		ON CONFLICT (homeserver) DO UPDATE SET reports = reports + excluded.reports, first_seen = MIN(first_seen, excluded.first_seen)`,
		`INSERT INTO imported SELECT received_at, homeserver, body FROM usage_reports`,
		`DELETE FROM usage_reports`,
		`INSERT INTO usage_reports (received_at, homeserver, body) SELECT received_at, homeserver, body FROM imported ORDER BY received_at`,
		`UPDATE usage_counted SET up_to = (SELECT COALESCE(MAX(id), 0) FROM usage_reports)`,
		`DROP TABLE imported`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return 0, err
		}
	}
	return added, nil
}

// Panopticon returns the reports of a database of matrix-org's panopticon,
// SQLite or MySQL: a row for each, with the names of the statistics as columns
// and the time of receipt, in Unix seconds, as local_timestamp.
func Panopticon(ctx context.Context, source sqldb.Source) (all []Archived, err error) {
	err = source.Read(ctx, sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
		rows, err := view.QueryxContext(ctx, `SELECT * FROM stats`) //nolint:sqlclosecheck // it is
		if err != nil {
			return fmt.Errorf("read the table stats (is this panopticon's database?): %w", err)
		}
		defer func() { _ = rows.Close() }()
		known := append(append(Names(), texts()...), "homeserver")
		for rows.Next() {
			row := make(map[string]any)
			if err := rows.MapScan(row); err != nil {
				return err
			}
			for name, value := range row {
				if text, ok := value.([]byte); ok { // MySQL's text
					row[name] = string(text)
				}
			}
			at, _ := row["local_timestamp"].(int64)
			report := make(map[string]any)
			for _, name := range known {
				if value := row[name]; value != nil {
					report[name] = value
				}
			}
			body, err := json.Marshal(report)
			if err != nil {
				return err
			}
			all = append(all, Archived{time.Unix(at, 0).UTC(), body})
		}
		return rows.Err()
	})
	return all, err
}
