package synapse

import (
	"context"
	"fmt"
	"strings"

	"active_users_exporter/collector/sqldb"
)

// A table is what the database says of one without reading it.
type table struct {
	columns []string // that can be read
	changes changes
	// rows is about how many there are, by the number of pages and the rows on each at
	// the last vacuum or analysis, as the planner does; on PostgreSQL only, see estimate.
	rows int64
}

// changes are how many rows of a table have been inserted, updated and deleted since the
// database server began to count, as far as that is known, and in which file the table
// is. Transactions that were taken back are counted as well. A table that was restored,
// emptied or rewritten is in another file.
type changes struct {
	known                      bool
	file                       int64
	inserted, updated, deleted int64
}

// only says that since some earlier changes, rows were inserted and nothing else.
func (c changes) only(earlier changes) bool {
	earlier.inserted = c.inserted
	return c.known && c == earlier
}

// lookUpTables asks the database about its tables, which every role may. It must come
// before all other statements: the changes that it counts must be in the view that is read.
// A standby does not know them; nor are they known of a view, which has no file.
func (r *reading) lookUpTables(ctx context.Context) error {
	var names []string
	for _, need := range needs() {
		names = append(names, need.Table)
	}
	query := `
		SELECT sqlite_master.name, group_concat(columns.name, ' '), 0, 0, 0, 0, 0, 0
		FROM sqlite_master JOIN pragma_table_info(sqlite_master.name) AS columns
		WHERE sqlite_master.name IN ('` + strings.Join(names, `', '`) + `') GROUP BY sqlite_master.name`
	if r.Engine == sqldb.PostgreSQL {
		const bytesPerRow = 200 // of user_ips; more than that for others
		query = fmt.Sprintf(`
			SELECT name,
				array_to_string(ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = oid AND (attnum > 0 OR attname = 'ctid') AND NOT attisdropped AND has_column_privilege(oid, attnum, 'SELECT')), ' '),
				CASE WHEN pg_relation_filenode(oid) IS NOT NULL AND NOT pg_is_in_recovery() AND current_setting('track_counts') = 'on' THEN 1 ELSE 0 END,
				COALESCE(pg_relation_filenode(oid), 0), pg_stat_get_tuples_inserted(oid), pg_stat_get_tuples_updated(oid), pg_stat_get_tuples_deleted(oid),
				COALESCE(CASE WHEN reltuples > 0 AND relpages > 0
					THEN pg_relation_size(oid) / current_setting('block_size')::bigint * (reltuples / relpages)::float8
					ELSE pg_relation_size(oid) / %d END, 0)::bigint
			FROM unnest(ARRAY['%s']) AS name JOIN pg_class ON oid = to_regclass(name)`, bytesPerRow, strings.Join(names, `', '`))
	}
	rows, err := r.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("look up what can be read: %w", err)
	}
	defer func() { _ = rows.Close() }()
	r.tables = make(map[string]table)
	for rows.Next() {
		var name, columns string
		var t table
		c := &t.changes
		if err := rows.Scan(&name, &columns, &c.known, &c.file, &c.inserted, &c.updated, &c.deleted, &t.rows); err != nil {
			return err
		}
		t.columns = strings.Fields(columns)
		r.tables[name] = t
	}
	return rows.Err()
}

// estimate returns about how many rows a table has, without reading it; on SQLite by its
// row numbers, which are never fewer.
func (r *reading) estimate(ctx context.Context, table string) (rows int64, err error) {
	if r.Engine == sqldb.PostgreSQL {
		return r.tables[table].rows, nil
	}
	err = r.GetContext(ctx, &rows, fmt.Sprintf(`SELECT COALESCE((SELECT MAX(rowid) FROM %[1]s) - (SELECT MIN(rowid) FROM %[1]s) + 1, 0)`, table))
	return rows, err
}
