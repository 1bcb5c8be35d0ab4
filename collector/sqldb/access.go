package sqldb

import (
	"context"
	"fmt"
	"strings"
)

// Access says which columns of some tables and views there are, by "table.column", and
// whether they may be read.
type Access map[string]bool

// Exists says that there is a column.
func (a Access) Exists(table, column string) bool {
	_, exists := a[table+"."+column]
	return exists
}

// Readable says that there is a column and that it may be read.
func (a Access) Readable(table, column string) bool { return a[table+"."+column] }

// Access asks the catalogue of PostgreSQL or SQLite what there is of some tables, the place of
// rows (`ctid`) included. On PostgreSQL it must be asked beforehand: a refused statement
// ends the transaction.
func (v View) Access(ctx context.Context, tables ...string) (Access, error) {
	names := `'` + strings.Join(tables, `', '`) + `'`
	query := `
		SELECT sqlite_master.name || '.' || columns.name AS name, TRUE AS readable
		FROM sqlite_master JOIN pragma_table_info(sqlite_master.name) AS columns
		WHERE sqlite_master.name IN (` + names + `)`
	if v.Engine == PostgreSQL {
		// OFFSET keeps it from looking up a name or a right for each row of the catalogue.
		query = `
		SELECT tables.name || '.' || attname AS name, has_column_privilege(id, attnum, 'SELECT') AS readable
		FROM (SELECT name, to_regclass(name)::oid AS id FROM unnest(ARRAY[` + names + `]) AS name OFFSET 0) AS tables,
			LATERAL (SELECT * FROM pg_attribute WHERE attrelid = id AND (attnum > 0 OR attname = 'ctid') AND NOT attisdropped OFFSET 0) AS columns`
	}
	var columns []struct {
		Name     string
		Readable bool
	}
	if err := v.SelectContext(ctx, &columns, query); err != nil {
		return nil, fmt.Errorf("look up what can be read: %w", err)
	}
	found := make(Access)
	for _, c := range columns {
		found[c.Name] = c.Readable
	}
	return found, nil
}
