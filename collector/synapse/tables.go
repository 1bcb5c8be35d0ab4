package synapse

import (
	"context"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
)

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

// lookUpChanges asks the database server how its tables have changed, which every role
// may. It must come before the view that is read begins: a change in between is then read
// before it is counted, which is noticed, rather than counted and not read. A standby does
// not know the changes; nor are they known of a view, which has no file.
func (r *reading) lookUpChanges(ctx context.Context, connection sqlx.QueryerContext) error {
	rows, err := connection.QueryContext(ctx, `
		SELECT name, pg_relation_filenode(oid), pg_stat_get_tuples_inserted(oid), pg_stat_get_tuples_updated(oid), pg_stat_get_tuples_deleted(oid)
		FROM unnest(ARRAY['`+tableNames()+`']) AS name JOIN pg_class ON oid = to_regclass(name)
		WHERE pg_relation_filenode(oid) IS NOT NULL AND NOT pg_is_in_recovery() AND current_setting('track_counts') = 'on'`)
	if err != nil {
		return fmt.Errorf("ask for the statistics of tables: %w", err)
	}
	defer func() { _ = rows.Close() }()
	r.changes = make(map[string]changes)
	for rows.Next() {
		var name string
		c := changes{known: true}
		if err := rows.Scan(&name, &c.file, &c.inserted, &c.updated, &c.deleted); err != nil {
			return err
		}
		r.changes[name] = c
	}
	return rows.Err()
}

// tableNames are the names of all tables that are read, for a list in SQL.
func tableNames() string {
	var names []string
	for _, need := range needs() {
		names = append(names, need.Table)
	}
	return strings.Join(names, `', '`)
}

// lookUpColumns asks the database's catalogue which columns can be read: on PostgreSQL a
// refused statement would end the transaction.
func (r *reading) lookUpColumns(ctx context.Context) error {
	query := `
		SELECT sqlite_master.name, columns.name FROM sqlite_master JOIN pragma_table_info(sqlite_master.name) AS columns
		WHERE sqlite_master.name IN ('` + tableNames() + `')`
	if r.Engine == sqldb.PostgreSQL {
		query = `
		SELECT name, attname FROM unnest(ARRAY['` + tableNames() + `']) AS name JOIN pg_attribute ON attrelid = to_regclass(name)
		WHERE (attnum > 0 OR attname = 'ctid') AND NOT attisdropped AND has_column_privilege(attrelid, attnum, 'SELECT')`
	}
	rows, err := r.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("look up what can be read: %w", err)
	}
	defer func() { _ = rows.Close() }()
	r.columns = make(map[string][]string)
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			return err
		}
		r.columns[table] = append(r.columns[table], column)
	}
	return rows.Err()
}
