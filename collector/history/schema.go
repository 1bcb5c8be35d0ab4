package history

import (
	"strings"

	"active_users_exporter/collector/storage"
)

// schema returns how the tables came to be. PostgreSQL calls bytes otherwise
// than SQLite.
func (s *Store) schema() storage.Schema {
	blob := "BLOB"
	if s.location.Shared() {
		blob = "BYTEA"
	}
	steps := []string{`
CREATE TABLE IF NOT EXISTS history_domains (
	server TEXT NOT NULL, domain TEXT NOT NULL,
	id INTEGER NOT NULL,
	saved_at BIGINT NOT NULL, anew_at BIGINT NOT NULL, -- Unix milliseconds
	recorded_since BIGINT,                             -- day, NULL where the server itself keeps visits
	rules TEXT NOT NULL,                               -- of the classes of clients
	PRIMARY KEY (server, domain)
);
CREATE TABLE IF NOT EXISTS history_users (
	domain INTEGER NOT NULL, part INTEGER NOT NULL, users {blob} NOT NULL,
	PRIMARY KEY (domain, part)
);
CREATE TABLE IF NOT EXISTS history_last_seen (
	domain INTEGER NOT NULL, part INTEGER NOT NULL, moments {blob} NOT NULL,
	PRIMARY KEY (domain, part)
);
CREATE TABLE IF NOT EXISTS history_visits (
	domain INTEGER NOT NULL, day BIGINT NOT NULL, client TEXT NOT NULL, visits BIGINT NOT NULL, users {blob} NOT NULL,
	PRIMARY KEY (domain, day, client)
)`, `
CREATE TABLE IF NOT EXISTS history_observed (
	domain INTEGER PRIMARY KEY, days {blob} NOT NULL
);
CREATE TABLE IF NOT EXISTS history_key (
	only_one INTEGER PRIMARY KEY CHECK (only_one = 1), fingerprint {blob} NOT NULL
)`, `
CREATE TABLE IF NOT EXISTS history_progress (
	domain INTEGER PRIMARY KEY, moments {blob} NOT NULL
)`, `
CREATE TABLE IF NOT EXISTS history_messages (
	domain INTEGER PRIMARY KEY, positions {blob} NOT NULL
);
CREATE TABLE IF NOT EXISTS history_rooms (
	domain INTEGER NOT NULL, part INTEGER NOT NULL, moments {blob} NOT NULL,
	PRIMARY KEY (domain, part)
);
CREATE TABLE IF NOT EXISTS history_senders (
	domain INTEGER NOT NULL, part INTEGER NOT NULL, moments {blob} NOT NULL,
	PRIMARY KEY (domain, part)
)`, `
CREATE TABLE IF NOT EXISTS history_accounts (
	domain INTEGER NOT NULL, part INTEGER NOT NULL, accounts {blob} NOT NULL,
	PRIMARY KEY (domain, part)
)`, `
CREATE TABLE IF NOT EXISTS history_notes (
	domain INTEGER PRIMARY KEY, notes {blob} NOT NULL
)`}
	for i := range steps {
		steps[i] = strings.ReplaceAll(steps[i], "{blob}", blob)
	}
	return storage.Schema{Store: "the history", Table: "history_schema", Steps: steps}
}
