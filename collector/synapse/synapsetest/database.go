package synapsetest

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
)

// FillPostgreSQL makes and fills the tables in an empty database.
func (p Population) FillPostgreSQL(ctx context.Context, location string) error {
	connection, err := pgx.Connect(ctx, location)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	for _, t := range p.Tables() {
		if _, err := connection.Exec(ctx, t.Create); err != nil {
			return fmt.Errorf("%s: %w", t.Create, err)
		}
		next, stop := iter.Pull(t.Rows)
		_, err := connection.CopyFrom(ctx, pgx.Identifier{t.Name}, t.Columns, pgx.CopyFromFunc(func() ([]any, error) {
			row, _ := next()
			return row, nil
		}))
		stop()
		if err != nil {
			return fmt.Errorf("fill %s: %w", t.Name, err)
		}
		for _, index := range t.Indexes {
			if _, err := connection.Exec(ctx, index); err != nil {
				return fmt.Errorf("%s: %w", index, err)
			}
		}
		if _, err := connection.Exec(ctx, "VACUUM ANALYZE "+t.Name); err != nil {
			return fmt.Errorf("vacuum %s: %w", t.Name, err)
		}
	}
	return nil
}

// FillSQLite makes a database at path, which must not be there.
func (p Population) FillSQLite(ctx context.Context, path string) error {
	db, err := sqldb.CreateSQLite(path)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	for _, t := range p.Tables() {
		if err := fill(ctx, tx, t); err != nil {
			_ = tx.Rollback()
			return fmt.Errorf("fill %s: %w", t.Name, err)
		}
	}
	return tx.Commit()
}

func fill(ctx context.Context, tx *sqlx.Tx, t Table) error {
	create := strings.ReplaceAll(t.Create, "BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY") // as Synapse's events has it
	if _, err := tx.ExecContext(ctx, create); err != nil {
		return err
	}
	insert, err := tx.PreparexContext(ctx, `INSERT INTO `+t.Name+` (`+strings.Join(t.Columns, ", ")+`) VALUES (?`+strings.Repeat(", ?", len(t.Columns)-1)+`)`) //nolint:sqlclosecheck // it is
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for row := range t.Rows {
		if _, err := insert.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	for _, index := range t.Indexes {
		if _, err := tx.ExecContext(ctx, index); err != nil {
			return err
		}
	}
	return nil
}
