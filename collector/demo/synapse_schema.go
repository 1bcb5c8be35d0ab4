package demo

// synapseTables and synapseIndexes are the part of Synapse's schema 94 (release
// 1.151 and later) that has to do with users and their activity. Users have
// creation_ts in seconds; all other times are in milliseconds.
const (
	synapseTables = `
CREATE TABLE schema_version (
	lock TEXT NOT NULL DEFAULT 'X' UNIQUE CHECK (lock = 'X'),
	version INTEGER NOT NULL,
	upgraded BOOL NOT NULL
);
CREATE TABLE schema_compat_version (
	lock TEXT NOT NULL DEFAULT 'X' UNIQUE CHECK (lock = 'X'),
	compat_version INTEGER NOT NULL
);
CREATE TABLE users (
	name TEXT UNIQUE,
	creation_ts BIGINT,
	admin SMALLINT NOT NULL DEFAULT 0,
	upgrade_ts BIGINT,
	is_guest SMALLINT NOT NULL DEFAULT 0,
	appservice_id TEXT,
	user_type TEXT,
	deactivated SMALLINT NOT NULL DEFAULT 0,
	shadow_banned BOOLEAN,
	consent_ts BIGINT,
	approved BOOLEAN,
	locked BOOLEAN NOT NULL DEFAULT FALSE,
	suspended BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE TABLE devices (
	user_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	display_name TEXT,
	last_seen BIGINT,
	ip TEXT,
	user_agent TEXT,
	hidden BOOLEAN DEFAULT FALSE,
	UNIQUE (user_id, device_id)
);
CREATE TABLE user_ips (
	user_id TEXT NOT NULL,
	access_token TEXT NOT NULL,
	device_id TEXT,
	ip TEXT NOT NULL,
	user_agent TEXT NOT NULL,
	last_seen BIGINT NOT NULL
);
CREATE TABLE user_daily_visits (
	user_id TEXT NOT NULL,
	device_id TEXT,
	timestamp BIGINT NOT NULL,
	user_agent TEXT
);
CREATE TABLE monthly_active_users (
	user_id TEXT NOT NULL,
	timestamp BIGINT NOT NULL
);
CREATE TABLE rooms (
	room_id TEXT PRIMARY KEY NOT NULL,
	is_public BOOL,
	creator TEXT,
	room_version TEXT
);
CREATE TABLE events (
	stream_ordering INTEGER PRIMARY KEY,
	topological_ordering BIGINT NOT NULL,
	depth BIGINT NOT NULL DEFAULT 0,
	event_id TEXT NOT NULL UNIQUE,
	type TEXT NOT NULL,
	room_id TEXT NOT NULL,
	sender TEXT,
	received_ts BIGINT,
	origin_server_ts BIGINT,
	processed BOOL NOT NULL,
	outlier BOOL NOT NULL
);`

	synapseIndexes = `
CREATE INDEX users_creation_ts ON users (creation_ts);
CREATE UNIQUE INDEX user_ips_user_token_ip_unique_index ON user_ips (user_id, access_token, ip);
CREATE INDEX user_ips_device_id ON user_ips (user_id, device_id, last_seen);
CREATE INDEX user_ips_last_seen ON user_ips (user_id, last_seen);
CREATE INDEX user_ips_last_seen_only ON user_ips (last_seen);
CREATE INDEX user_daily_visits_uts_idx ON user_daily_visits (user_id, timestamp);
CREATE INDEX user_daily_visits_ts_idx ON user_daily_visits (timestamp);
CREATE UNIQUE INDEX monthly_active_users_users ON monthly_active_users (user_id);
CREATE INDEX monthly_active_users_time_stamp ON monthly_active_users (timestamp);
CREATE INDEX public_room_index ON rooms (is_public);
CREATE INDEX events_order_room ON events (room_id, topological_ordering, stream_ordering);
CREATE INDEX events_room_stream ON events (room_id, stream_ordering);
CREATE INDEX events_ts ON events (origin_server_ts, stream_ordering);
CREATE INDEX received_ts_idx ON events (received_ts) WHERE type = 'm.room.member';`
)
