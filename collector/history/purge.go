package history

import (
	"context"
	"fmt"
)

// Purge deletes all that was saved of a domain, of whatever server, and returns
// of how many there was something. Nothing of it is left in the file.
func (s *Store) Purge(ctx context.Context, domain string) (servers int, err error) {
	s.using.Lock()
	defer s.using.Unlock()
	if err := s.open(ctx); err != nil {
		return 0, err
	}
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("purge the history: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, table := range dataTables() {
		if _, err := tx.ExecContext(ctx, tx.Rebind(`DELETE FROM `+table+` WHERE domain IN (SELECT id FROM history_domains WHERE domain = ?)`), domain); err != nil {
			return 0, fmt.Errorf("purge the history: %w", err)
		}
	}
	result, err := tx.ExecContext(ctx, tx.Rebind(`DELETE FROM history_domains WHERE domain = ?`), domain)
	if err != nil {
		return 0, fmt.Errorf("purge the history: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("purge the history: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("purge the history: %w", err)
	}
	clear(s.written)
	if s.location.Shared() { // which sees to that itself
		return int(n), nil
	}
	for _, statement := range []string{`VACUUM`, `PRAGMA wal_checkpoint(TRUNCATE)`} {
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return int(n), fmt.Errorf("purge the history: %w", err)
		}
	}
	return int(n), nil
}
