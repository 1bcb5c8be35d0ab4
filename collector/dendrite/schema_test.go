package dendrite_test

// tables are those of Dendrite 0.15.2 that are read, without columns that are not.
// Both engines understand them; they index alike.
const tables = `
CREATE TABLE userapi_accounts (
	localpart TEXT NOT NULL, server_name TEXT NOT NULL, created_ts BIGINT NOT NULL, password_hash TEXT,
	appservice_id TEXT, is_deactivated BOOLEAN DEFAULT FALSE, account_type INTEGER NOT NULL
);
CREATE UNIQUE INDEX userapi_accounts_idx ON userapi_accounts (localpart, server_name);
CREATE TABLE userapi_devices (
	access_token TEXT PRIMARY KEY, device_id TEXT, localpart TEXT, server_name TEXT NOT NULL,
	created_ts BIGINT, last_seen_ts BIGINT, ip TEXT, user_agent TEXT
);
CREATE UNIQUE INDEX userapi_device_localpart_id_idx ON userapi_devices (localpart, server_name, device_id);
CREATE TABLE userapi_daily_visits (localpart TEXT NOT NULL, device_id TEXT NOT NULL, timestamp BIGINT NOT NULL, user_agent TEXT);
CREATE UNIQUE INDEX userapi_daily_visits_localpart_device_timestamp_idx ON userapi_daily_visits (localpart, device_id, timestamp);
CREATE INDEX userapi_daily_visits_timestamp_idx ON userapi_daily_visits (timestamp);
CREATE INDEX userapi_daily_visits_localpart_timestamp_idx ON userapi_daily_visits (localpart, timestamp);
CREATE TABLE userapi_daily_stats (
	timestamp BIGINT NOT NULL, server_name TEXT NOT NULL, messages BIGINT NOT NULL, sent_messages BIGINT NOT NULL,
	e2ee_messages BIGINT NOT NULL, sent_e2ee_messages BIGINT NOT NULL, active_rooms BIGINT NOT NULL, active_e2ee_rooms BIGINT NOT NULL,
	CONSTRAINT daily_stats_unique UNIQUE (timestamp, server_name)
);
CREATE TABLE roomserver_rooms (room_nid BIGINT PRIMARY KEY, room_id TEXT NOT NULL UNIQUE);`
