package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"
)

// A Schema says how the tables of a store came to be what they are.
type Schema struct {
	// Store is what errors call it, such as "the history".
	Store string
	// Table is the name of the table that holds the version of the tables.
	Table string
	// Steps lead from each version to the next; the first one from an empty
	// database to version 1. A step is statements separated by semicolons. On
	// PostgreSQL each is a transaction of its own, and may be executed again by
	// another exporter: it must then change nothing (IF NOT EXISTS).
	Steps []string
}

// Migrate brings the tables to the newest version. A store of a version that is
// not known here, written by a newer exporter, is refused.
func (s Schema) Migrate(ctx context.Context, db *sqlx.DB) error {
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS `+s.Table+` (version INTEGER NOT NULL)`); err != nil {
		return fmt.Errorf("open %s: %w", s.Store, err)
	}
	version, err := s.version(ctx, db)
	if err != nil || version == len(s.Steps) {
		return err
	}
	if err := s.known(version); err != nil {
		return err
	}
	if db.DriverName() == "postgres" {
		err = s.shared(ctx, db, version)
	} else {
		err = s.migrateFile(ctx, db)
	}
	if err != nil {
		return fmt.Errorf("bring %s to version %d: %w", s.Store, len(s.Steps), err)
	}
	return nil
}

// The ways in which tables in a database are not those of today.
var (
	// ErrEmpty says that there are no tables yet.
	ErrEmpty = errors.New("there are no tables yet")
	// ErrEarlier says that an earlier exporter has made the tables.
	ErrEarlier = errors.New("it was written by an earlier exporter: start serve of this version first, which brings it to the newest")
)

// Check returns ErrEmpty, ErrEarlier or another error if the tables in a PostgreSQL database
// are not of the newest version. It changes nothing.
func (s Schema) Check(ctx context.Context, db *sqlx.DB) error {
	var made bool
	if err := db.GetContext(ctx, &made, `SELECT to_regclass('`+s.Table+`') IS NOT NULL`); err != nil {
		return fmt.Errorf("open %s: %w", s.Store, err)
	}
	if !made {
		return ErrEmpty
	}
	version, err := s.version(ctx, db)
	switch {
	case err != nil:
		return err
	case version == 0:
		return ErrEmpty
	case version < len(s.Steps):
		return fmt.Errorf("open %s: %w", s.Store, ErrEarlier)
	}
	return s.known(version)
}

// known refuses a version that a newer exporter has written.
func (s Schema) known(version int) error {
	if version > len(s.Steps) {
		return fmt.Errorf("%s is of version %d, written by a newer exporter; this one knows versions up to %d", s.Store, version, len(s.Steps))
	}
	return nil
}

// querier is a database or a transaction.
type querier interface {
	sqlx.QueryerContext
	sqlx.ExecerContext
}

// version returns the version of the tables, 0 before there are any.
func (s Schema) version(ctx context.Context, db querier) (version int, err error) {
	var found sql.NullInt64
	if err := sqlx.GetContext(ctx, db, &found, `SELECT MAX(version) FROM `+s.Table); err != nil {
		return 0, fmt.Errorf("open %s: %w", s.Store, err)
	}
	return int(found.Int64), nil
}

// migrateFile migrates an SQLite file, in one transaction.
func (s Schema) migrateFile(ctx context.Context, db *sqlx.DB) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	// To write first is to wait for another process that migrates, and to see
	// what it has done.
	if err := s.begin(ctx, tx); err != nil {
		return err
	}
	version, err := s.version(ctx, tx)
	if err != nil {
		return err
	}
	for _, step := range s.Steps[min(version, len(s.Steps)):] {
		for statement := range strings.SplitSeq(step, ";") {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
	}
	if err := s.finish(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// shared migrates a PostgreSQL database, statement by statement: not all that
// speak its protocol change tables in transactions. A statement that fails
// because another exporter executes it at the same moment succeeds the second
// time.
func (s Schema) shared(ctx context.Context, db *sqlx.DB, version int) error {
	twice := func(do func() error) error {
		if do() == nil {
			return nil
		}
		return do()
	}
	for _, step := range s.Steps[version:] {
		for statement := range strings.SplitSeq(step, ";") {
			if err := twice(func() error { _, err := db.ExecContext(ctx, statement); return err }); err != nil {
				return err
			}
		}
	}
	return errors.Join(s.begin(ctx, db), s.finish(ctx, db))
}

// begin makes the row of the version.
func (s Schema) begin(ctx context.Context, db querier) error {
	_, err := db.ExecContext(ctx, `INSERT INTO `+s.Table+` (version) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM `+s.Table+`)`)
	return err
}

// finish writes that the tables are of the newest version.
func (s Schema) finish(ctx context.Context, db querier) error {
	_, err := db.ExecContext(ctx, fmt.Sprintf(`UPDATE %s SET version = %d WHERE version < %[2]d`, s.Table, len(s.Steps)))
	return err
}
