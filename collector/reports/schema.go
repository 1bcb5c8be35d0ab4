package reports

import "active_users_exporter/collector/storage"

// storeName is what errors call the store.
const storeName = "the store of reports"

// sqliteSchema is that of the file. Reports come in the order of time, so their
// ids tell what an index of times would, and a report costs the disk one page.
// What is counted in usage_homeservers outlives the reports themselves.
func sqliteSchema() storage.Schema {
	return storage.Schema{Store: storeName, Table: "reports_schema", Steps: []string{`
CREATE TABLE IF NOT EXISTS usage_reports (
	id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, homeserver TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS usage_homeservers (
	homeserver TEXT PRIMARY KEY, first_seen INTEGER NOT NULL, reports INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mongooseim_clusters (
	client_id TEXT PRIMARY KEY, received_at INTEGER NOT NULL, report BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS usage_counted (
	only INTEGER PRIMARY KEY CHECK (only = 1), up_to INTEGER NOT NULL -- id of the last report in usage_homeservers
);
INSERT OR IGNORE INTO usage_counted VALUES (1, 0)`}}
}

// postgresSchema is that of a database. The newest report of a homeserver and
// the number of all are written with each report, so that a receiver need not
// read reports to know what others have received.
func postgresSchema() storage.Schema {
	return storage.Schema{Store: storeName, Table: "reports_schema", Steps: []string{`
CREATE TABLE IF NOT EXISTS usage_reports (
	id BIGSERIAL PRIMARY KEY, received_at BIGINT NOT NULL, homeserver TEXT NOT NULL, body BYTEA NOT NULL
);
CREATE INDEX IF NOT EXISTS usage_reports_received_at ON usage_reports (received_at, homeserver);
CREATE TABLE IF NOT EXISTS usage_homeservers (
	homeserver TEXT PRIMARY KEY, first_seen BIGINT NOT NULL, reports BIGINT NOT NULL,
	received_at BIGINT NOT NULL, body BYTEA NOT NULL, changed_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX IF NOT EXISTS usage_homeservers_changed_at ON usage_homeservers (changed_at);
CREATE TABLE IF NOT EXISTS mongooseim_nodes (
	client_id TEXT NOT NULL, node TEXT NOT NULL, complete BYTEA, building BYTEA, changed_at TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (client_id, node)
);
CREATE INDEX IF NOT EXISTS mongooseim_nodes_changed_at ON mongooseim_nodes (changed_at)`}}
}
