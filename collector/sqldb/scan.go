package sqldb

import (
	"context"
	"errors"
	"fmt"

	"active_users_exporter/collector/files"
	"active_users_exporter/collector/sqldb/sqlitefile"
)

// Scan calls use with the given columns of each row of a table, in the order of
// their rowids, straight from an SQLite file: a twentieth of what the same rows
// cost by Stream. It returns false and has not called use where that cannot be and
// a Stream is needed: for database servers, for a file that a server keeps in WAL
// mode, and for tables that are not of the plain kind.
func (v View) Scan(ctx context.Context, table string, columns []string, use func(*Row)) (bool, error) {
	if v.file == "" {
		return false, nil
	}
	root, numbers, err := v.plainTable(ctx, table, columns)
	if err != nil || root == 0 {
		return false, err
	}
	file, info, err := files.Open(v.file)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	rows, err := sqlitefile.New(file, info.Size())
	if errors.Is(err, sqlitefile.ErrUnsupported) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var row Row
	return true, rows.Scan(ctx, root, numbers, func(r *sqlitefile.Row) error {
		row.file = r
		use(&row)
		return row.err
	})
}

// plainTable returns on which page an SQLite table begins and the numbers of
// some of its columns. It returns 0 if what a row of the table says is more than
// its record in the file: for a view, a table without rowids or with computed
// columns, a column that may be another name of the rowid, has a default, which
// older rows lack, or is of floating-point affinity, which may be stored as an
// integer; and for what is not there.
func (v View) plainTable(ctx context.Context, table string, columns []string) (root uint32, numbers []int, err error) {
	var roots []uint32
	if err := v.SelectContext(ctx, &roots, `SELECT rootpage FROM sqlite_schema JOIN pragma_table_list(?) AS l USING (name)
		WHERE l.schema = 'main' AND l.type = 'table' AND l.wr = 0 AND sqlite_schema.type = 'table'
		AND NOT EXISTS (SELECT 1 FROM pragma_table_xinfo(?) WHERE hidden <> 0)`, table, table); err != nil {
		return 0, nil, fmt.Errorf("look up the table %s: %w", table, err)
	}
	var plain []struct {
		Number int `db:"cid"`
		Name   string
	}
	// What a type must contain for its affinity: sqlite.org/datatype3.html,
	// section 3.1.
	if err := v.SelectContext(ctx, &plain, `SELECT cid, name FROM pragma_table_xinfo(?) WHERE NOT (pk > 0 AND type LIKE 'INTEGER') AND dflt_value IS NULL
		AND (type LIKE '%INT%' OR type LIKE '%CHAR%' OR type LIKE '%CLOB%' OR type LIKE '%TEXT%')`, table); err != nil {
		return 0, nil, fmt.Errorf("look up the columns of the table %s: %w", table, err)
	}
	for _, name := range columns {
		for _, c := range plain {
			if c.Name == name {
				numbers = append(numbers, c.Number)
			}
		}
	}
	if len(roots) != 1 || len(numbers) != len(columns) {
		return 0, nil, nil
	}
	return roots[0], numbers, nil
}
