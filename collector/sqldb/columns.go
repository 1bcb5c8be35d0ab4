package sqldb

import (
	"context"
	"fmt"
)

// Columns returns the names of the columns of a table or view that may be read,
// none if there is no such table. On PostgreSQL it must be asked beforehand: a
// refused statement ends the transaction.
func (v View) Columns(ctx context.Context, table string) (names []string, err error) {
	query := `SELECT attname FROM pg_attribute
		WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND has_column_privilege(attrelid, attnum, 'SELECT')`
	switch v.Engine {
	case SQLite:
		query = `SELECT name FROM pragma_table_info(?)`
	case MySQL: // lists what its user may do anything with
		query = `SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?`
	default:
	}
	if err := v.SelectContext(ctx, &names, query, table); err != nil {
		return nil, fmt.Errorf("look up the columns of the table %s: %w", table, err)
	}
	return names, nil
}
