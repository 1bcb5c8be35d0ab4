package history

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// Purge deletes all that was saved of a domain, of whatever server, and returns
// of how many there was something. Nothing of it is left in the file.
func (s *Store) Purge(ctx context.Context, domain string) (servers int, err error) {
	return s.erase(ctx, "purge the history", func(tx *sqlx.Tx) (int, error) {
		for _, table := range dataTables() {
			if _, err := tx.ExecContext(ctx, tx.Rebind(`DELETE FROM `+table+` WHERE domain IN (SELECT id FROM history_domains WHERE domain = ?)`), domain); err != nil {
				return 0, err
			}
		}
		result, err := tx.ExecContext(ctx, tx.Rebind(`DELETE FROM history_domains WHERE domain = ?`), domain)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		return int(n), err
	})
}

// erase deletes something in one transaction and then rewrites the tables, so that its
// bytes are gone.
func (s *Store) erase(ctx context.Context, doing string, change func(*sqlx.Tx) (int, error)) (n int, err error) {
	s.using.Lock()
	defer s.using.Unlock()
	if err := s.open(ctx); err != nil {
		return 0, err
	}
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	defer func() { _ = tx.Rollback() }()
	if n, err = change(tx); err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	clear(s.written)
	statements := []string{`VACUUM`, `PRAGMA wal_checkpoint(TRUNCATE)`}
	if s.location.Shared() {
		statements = nil
		for _, table := range dataTables() {
			statements = append(statements, `VACUUM FULL `+table)
		}
	}
	for _, statement := range statements {
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return n, fmt.Errorf("%s: it is done, but what is deleted may be left in free pages: %w", doing, err)
		}
	}
	return n, nil
}
