package demo

import (
	"context"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
)

// homeserver is the invented homeserver's name.
const homeserver = "matrix.demo.example"

// synapseSchema is the part of Synapse's schema 94 that its statistics of
// users are counted from, with its indexes.
const synapseSchema = `
CREATE TABLE schema_version (version INTEGER NOT NULL, upgraded BOOL NOT NULL);
INSERT INTO schema_version VALUES (94, 0);
CREATE TABLE users (
	name TEXT UNIQUE, creation_ts BIGINT, is_guest SMALLINT DEFAULT 0 NOT NULL,
	appservice_id TEXT, user_type TEXT, deactivated SMALLINT DEFAULT 0 NOT NULL
);
CREATE INDEX users_creation_ts ON users (creation_ts);
CREATE TABLE user_ips (
	user_id TEXT NOT NULL, access_token TEXT NOT NULL, device_id TEXT, ip TEXT NOT NULL,
	user_agent TEXT NOT NULL, last_seen BIGINT NOT NULL
);
CREATE UNIQUE INDEX user_ips_user_token_ip_unique_index ON user_ips (user_id, access_token, ip);
CREATE INDEX user_ips_device_id ON user_ips (user_id, device_id, last_seen);
CREATE INDEX user_ips_last_seen ON user_ips (user_id, last_seen);
CREATE INDEX user_ips_last_seen_only ON user_ips (last_seen);
CREATE TABLE user_daily_visits (user_id TEXT NOT NULL, device_id TEXT, timestamp BIGINT NOT NULL, user_agent TEXT);
CREATE INDEX user_daily_visits_uts_idx ON user_daily_visits (user_id, timestamp);
CREATE INDEX user_daily_visits_ts_idx ON user_daily_visits (timestamp);
CREATE TABLE devices (user_id TEXT NOT NULL, device_id TEXT NOT NULL, user_agent TEXT, last_seen BIGINT, UNIQUE (user_id, device_id));
CREATE TABLE monthly_active_users (user_id TEXT NOT NULL, timestamp BIGINT NOT NULL);
CREATE UNIQUE INDEX monthly_active_users_users ON monthly_active_users (user_id);
CREATE INDEX monthly_active_users_time_stamp ON monthly_active_users (timestamp);
CREATE TABLE rooms (room_id TEXT PRIMARY KEY NOT NULL);
CREATE TABLE events (
	stream_ordering INTEGER PRIMARY KEY, type TEXT NOT NULL, room_id TEXT NOT NULL, sender TEXT, received_ts BIGINT
)`

// userIPsMaxAge is after how many days Synapse deletes rows of user_ips
// (option user_ips_max_age).
const userIPsMaxAge = 28 * day

// Synapse makes the SQLite database of an invented Synapse at path, which must
// not exist, with the given number of users.
func Synapse(ctx context.Context, path string, now time.Time, users int, seed uint64) error {
	db, err := sqldb.CreateSQLite(path)
	if err != nil {
		return err
	}
	if err := fillSynapse(ctx, db, now, population(now, users, seed)); err != nil {
		_ = db.Close()
		return fmt.Errorf("fill %s: %w", path, err)
	}
	return db.Close()
}

// fillSynapse writes everything in one transaction.
func fillSynapse(ctx context.Context, db *sqlx.DB, now time.Time, people []person) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, synapseSchema); err != nil {
		return err
	}
	statements := make(map[string]*sqlx.Stmt)
	for table, columns := range map[string]string{
		"users":             "?, ?, ?, ?, NULL, ?",
		"user_ips":          "?, ?, ?, ?, ?, ?",
		"user_daily_visits": "?, ?, ?, ?",
		"devices":           "?, ?, ?, ?",
		"rooms":             "?",
		"events":            "?, ?, ?, ?, ?",
	} {
		statement, err := tx.PreparexContext(ctx, "INSERT INTO "+table+" VALUES ("+columns+")") //nolint:sqlclosecheck // it is, when the rows are written
		if err != nil {
			return err
		}
		defer func() { _ = statement.Close() }()
		statements[table] = statement
	}
	w := synapseWriter{now: now, insertInto: func(table string, values ...any) error {
		_, err := statements[table].ExecContext(ctx, values...)
		return err
	}}
	for i, p := range people {
		w.person(i, p)
	}
	w.conversations(people)
	if w.err != nil {
		return w.err
	}
	return tx.Commit()
}

// synapseWriter writes rows until one fails.
type synapseWriter struct {
	insertInto func(table string, values ...any) error
	now        time.Time
	err        error
}

func (w *synapseWriter) insert(table string, values ...any) {
	if w.err == nil {
		w.err = w.insertInto(table, values...)
	}
}

// person writes an account, its newest sightings by client in user_ips and, of
// native accounts, a visit for each day.
func (w *synapseWriter) person(number int, p person) {
	id := fmt.Sprintf("@%s:%s", p.name, homeserver)
	var bridge any
	if p.kind == bridged {
		bridge = "irc"
	}
	created := w.now.Add(-time.Duration(p.joined) * day).Unix()
	w.insert("users", id, created, p.kind == guest, bridge, p.kind == deactivated)
	newest := make(map[string]time.Time)
	for _, s := range p.seen {
		newest[s.client] = s.last
		if p.kind == native || p.kind == deactivated {
			w.insert("user_daily_visits", id, device(s.client), s.last.Truncate(day).UnixMilli(), s.client)
		}
	}
	for client, at := range newest {
		w.insert("devices", id, device(client), client, at.UnixMilli())
		if w.now.Sub(at) < userIPsMaxAge {
			w.insert("user_ips", id, "token "+device(client), device(client), fmt.Sprintf("192.0.2.%d", number%256), client, at.UnixMilli())
		}
	}
}

// conversations fills rooms of about ten people, of whom all who came today say
// something, half of the rooms encrypted.
func (w *synapseWriter) conversations(people []person) {
	const size = 10
	for number := range len(people) / size {
		w.insert("rooms", roomID(number))
	}
	for i, p := range people {
		if len(p.seen) == 0 {
			continue
		}
		number, kind := i/size, "m.room.message"
		if number%2 == 0 {
			kind = "m.room.encrypted"
		}
		w.insert("events", i+1, kind, roomID(number), fmt.Sprintf("@%s:%s", p.name, homeserver), w.now.Add(-2*day+time.Duration(i)*2*day/time.Duration(len(people))).UnixMilli())
	}
}

func roomID(number int) string { return fmt.Sprintf("!room%d:%s", number, homeserver) }

// device gives each client of a user a device id of its own.
func device(client string) string { return fmt.Sprintf("%08X", crc32.ChecksumIEEE([]byte(client))) }
