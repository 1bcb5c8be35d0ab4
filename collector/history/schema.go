package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"
)

// migrations lead from each version of the schema to the next. {blob} is the
// database's type for bytes.
func migrations() []string {
	return []string{`
CREATE TABLE history_domains (
	server TEXT NOT NULL, domain TEXT NOT NULL,
	id INTEGER NOT NULL,
	saved_at BIGINT NOT NULL, anew_at BIGINT NOT NULL, -- Unix milliseconds
	recorded_since BIGINT,                             -- day, NULL where the server itself keeps visits
	rules TEXT NOT NULL,                               -- of the classes of clients
	PRIMARY KEY (server, domain)
);
CREATE TABLE history_users (
	domain INTEGER NOT NULL, part INTEGER NOT NULL, users {blob} NOT NULL,
	PRIMARY KEY (domain, part)
);
CREATE TABLE history_last_seen (
	domain INTEGER NOT NULL, part INTEGER NOT NULL, moments {blob} NOT NULL,
	PRIMARY KEY (domain, part)
);
CREATE TABLE history_visits (
	domain INTEGER NOT NULL, day BIGINT NOT NULL, client TEXT NOT NULL, visits BIGINT NOT NULL, users {blob} NOT NULL,
	PRIMARY KEY (domain, day, client)
)`}
}

// migrate brings the schema to the newest version.
func migrate(ctx context.Context, db *sqlx.DB) error {
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS history_schema (version INTEGER NOT NULL)`); err != nil {
		return fmt.Errorf("open the history: %w", err)
	}
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("open the history: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	version := 0
	err = tx.GetContext(ctx, &version, `SELECT version FROM history_schema`)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = tx.ExecContext(ctx, `INSERT INTO history_schema VALUES (0)`)
	}
	if err != nil {
		return fmt.Errorf("open the history: %w", err)
	}
	steps := migrations()
	if version > len(steps) {
		return fmt.Errorf("the history is of version %d, written by a newer exporter; this one knows versions up to %d", version, len(steps))
	}
	if version == len(steps) {
		return nil
	}
	blob := "BLOB"
	if db.DriverName() == "postgres" {
		blob = "BYTEA"
	}
	for _, step := range steps[version:] {
		for statement := range strings.SplitSeq(strings.ReplaceAll(step, "{blob}", blob), ";") {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("bring the history to version %d: %w", len(steps), err)
			}
		}
	}
	if _, err := tx.ExecContext(ctx, db.Rebind(`UPDATE history_schema SET version = ?`), len(steps)); err != nil {
		return fmt.Errorf("bring the history to version %d: %w", len(steps), err)
	}
	return tx.Commit()
}
