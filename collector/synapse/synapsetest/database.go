package synapsetest

import (
	"context"
	"fmt"
	"iter"

	"active_users_exporter/collector/synapse/invented"

	"github.com/jackc/pgx/v5"
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
	return invented.WriteSQLite(ctx, path, p.Tables())
}
