package reports

import "active_users_exporter/collector/storage"

// storeName is what errors call the store.
const storeName = "the store of reports"

// sqliteSchema is that of the file. Reports come in the order of time, so their
// IDs show what an index of times would, and a report costs the disk one page.
// What is counted in usage_homeservers outlives the reports themselves; up to the
// last report that is counted it also says which one is the newest. In reports_days
// are the UTC days on which the receiver was at work.
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
INSERT OR IGNORE INTO usage_counted VALUES (1, 0)`, `
ALTER TABLE usage_homeservers ADD COLUMN latest_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_homeservers ADD COLUMN latest_at INTEGER NOT NULL DEFAULT 0;` + pointToLatest + `;
CREATE TABLE reports_days (day INTEGER PRIMARY KEY);
INSERT INTO reports_days SELECT DISTINCT received_at / 86400000 FROM usage_reports`}}
}

// pointToLatest notes the newest report of each homeserver, by time and then by id.
const pointToLatest = `
UPDATE usage_homeservers SET latest_id = latest.id, latest_at = latest.received_at FROM (
	SELECT homeserver, id, received_at, ROW_NUMBER() OVER (PARTITION BY homeserver ORDER BY received_at DESC, id DESC) AS place FROM usage_reports
) AS latest WHERE latest.homeserver = usage_homeservers.homeserver AND latest.place = 1`

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
CREATE INDEX IF NOT EXISTS mongooseim_nodes_changed_at ON mongooseim_nodes (changed_at)`, `
CREATE TABLE IF NOT EXISTS reports_days (day BIGINT PRIMARY KEY)`}}
}

// TableNames are those of a store of reports in a database.
func TableNames() []string { return postgresSchema().Tables() }
