package synapse

import (
	"context"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"
)

// changes are how many rows of a table have been inserted, updated and deleted since the
// database server began to count, as far as that is known, and in which file the table
// is. Transactions that were taken back are counted as well. A table that was restored,
// emptied or rewritten is in another file. The server begins again after a crash, which
// only the statistics of its background writer tell, and at pg_stat_reset().
type changes struct {
	Known                      bool
	Database, File             int64
	Began                      int64 // to count, in Unix microseconds; 0 for always
	Inserted, Updated, Deleted int64
}

// only says that since some earlier changes, rows were inserted and nothing else.
func (c changes) only(earlier changes) bool {
	earlier.Inserted = c.Inserted
	return c.Known && c == earlier
}

// sameTable says that both are of one table, and that the server has not begun again since.
func (c changes) sameTable(earlier changes) bool {
	return c.Known && c.Database == earlier.Database && c.File == earlier.File && c.Began == earlier.Began
}

// lookUpChanges asks the database server how its tables have changed, which every role
// may. It must come before the view that is read begins: a change in between is then read
// before it is counted, which is noticed, rather than counted and not read. A standby does
// not know the changes; nor are they known of a view, which has no file.
func (r *reading) lookUpChanges(ctx context.Context, connection sqlx.QueryerContext) error {
	rows, err := connection.QueryContext(ctx, `
		SELECT name, pg_relation_filenode(id), pg_stat_get_tuples_inserted(id), pg_stat_get_tuples_updated(id), pg_stat_get_tuples_deleted(id),
			database, COALESCE((1000000 * EXTRACT(epoch FROM GREATEST(pg_stat_get_bgwriter_stat_reset_time(), pg_stat_get_db_stat_reset_time(database))))::bigint, 0)
		FROM unnest(ARRAY['`+strings.Join(tableNames(), `', '`)+`']) AS name, LATERAL (SELECT to_regclass(name)::oid AS id) AS tables,
			(SELECT oid AS database FROM pg_database WHERE datname = current_database()) AS databases
		WHERE pg_relation_filenode(id) IS NOT NULL AND NOT pg_is_in_recovery() AND current_setting('track_counts') = 'on'`)
	if err != nil {
		return fmt.Errorf("ask for the statistics of tables: %w", err)
	}
	defer func() { _ = rows.Close() }()
	r.changes = make(map[string]changes)
	for rows.Next() {
		var name string
		c := changes{Known: true}
		if err := rows.Scan(&name, &c.File, &c.Inserted, &c.Updated, &c.Deleted, &c.Database, &c.Began); err != nil {
			return err
		}
		r.changes[name] = c
	}
	return rows.Err()
}

// tableNames are the names of all tables that are read.
func tableNames() (names []string) {
	for _, need := range needs() {
		names = append(names, need.Table)
	}
	return names
}
