// Package invented writes databases of homeservers that do not exist, in the tables and
// under the indexes that Synapse has: for the demo, and for tests of any size.
package invented

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
)

// A Table is one of Synapse's, as far as it is read (schema 94), with its indexes.
type Table struct {
	Name    string
	Columns []string
	Create  string
	Indexes []string
	Rows    iter.Seq[[]any] // in the order of Columns
}

// Tables returns all tables, each with its rows by name; none for those that are not
// in rows.
func Tables(rows map[string]iter.Seq[[]any]) []Table {
	tables := schema()
	for i, t := range tables {
		tables[i].Rows = func(func([]any) bool) {}
		if rows[t.Name] != nil {
			tables[i].Rows = rows[t.Name]
		}
	}
	return tables
}

// schema returns the tables without rows.
func schema() []Table {
	return []Table{
		{
			Name: "users", Columns: []string{"name", "creation_ts", "is_guest", "appservice_id", "deactivated", "user_type"},
			Create:  `CREATE TABLE users (name TEXT, creation_ts BIGINT, is_guest SMALLINT DEFAULT 0 NOT NULL, appservice_id TEXT, deactivated SMALLINT DEFAULT 0 NOT NULL, user_type TEXT DEFAULT NULL, UNIQUE (name))`,
			Indexes: []string{`CREATE INDEX users_creation_ts ON users (creation_ts)`},
		},
		{
			Name: "user_daily_visits", Columns: []string{"user_id", "device_id", "timestamp", "user_agent"},
			Create: `CREATE TABLE user_daily_visits (user_id TEXT NOT NULL, device_id TEXT, timestamp BIGINT NOT NULL, user_agent TEXT)`,
			Indexes: []string{
				`CREATE INDEX user_daily_visits_uts_idx ON user_daily_visits (user_id, timestamp)`,
				`CREATE INDEX user_daily_visits_ts_idx ON user_daily_visits (timestamp)`,
			},
		},
		{
			Name: "user_ips", Columns: []string{"user_id", "access_token", "device_id", "ip", "user_agent", "last_seen"},
			Create: `CREATE TABLE user_ips (user_id TEXT NOT NULL, access_token TEXT NOT NULL, device_id TEXT, ip TEXT NOT NULL, user_agent TEXT NOT NULL, last_seen BIGINT NOT NULL)`,
			Indexes: []string{
				`CREATE UNIQUE INDEX user_ips_user_token_ip_unique_index ON user_ips (user_id, access_token, ip)`,
				`CREATE INDEX user_ips_device_id ON user_ips (user_id, device_id, last_seen)`,
				`CREATE INDEX user_ips_last_seen ON user_ips (user_id, last_seen)`,
				`CREATE INDEX user_ips_last_seen_only ON user_ips (last_seen)`,
			},
		},
		{
			Name: "devices", Columns: []string{"user_id", "device_id", "last_seen", "user_agent"},
			Create: `CREATE TABLE devices (user_id TEXT NOT NULL, device_id TEXT NOT NULL, last_seen BIGINT, user_agent TEXT, UNIQUE (user_id, device_id))`,
		},
		{
			Name: "monthly_active_users", Columns: []string{"user_id", "timestamp"},
			Create: `CREATE TABLE monthly_active_users (user_id TEXT NOT NULL, timestamp BIGINT NOT NULL)`,
			Indexes: []string{
				`CREATE UNIQUE INDEX monthly_active_users_users ON monthly_active_users (user_id)`,
				`CREATE INDEX monthly_active_users_time_stamp ON monthly_active_users (timestamp)`,
			},
		},
		{
			Name: "rooms", Columns: []string{"room_id"},
			Create: `CREATE TABLE rooms (room_id TEXT PRIMARY KEY NOT NULL)`,
		},
		{
			Name: "room_stats_current", Columns: []string{"room_id", "local_users_in_room"},
			Create: `CREATE TABLE room_stats_current (room_id TEXT PRIMARY KEY NOT NULL, local_users_in_room INT NOT NULL)`,
		},
		{
			Name: "destinations", Columns: []string{"destination", "failure_ts"},
			Create: `CREATE TABLE destinations (destination TEXT PRIMARY KEY NOT NULL, failure_ts BIGINT)`,
		},
		{
			Name: "events", Columns: []string{"stream_ordering", "type", "room_id", "sender", "received_ts"},
			Create:  `CREATE TABLE events (stream_ordering BIGINT PRIMARY KEY, type TEXT NOT NULL, room_id TEXT NOT NULL, sender TEXT, received_ts BIGINT)`,
			Indexes: []string{`CREATE INDEX events_room_stream ON events (room_id, stream_ordering)`},
		},
	}
}

// WriteSQLite makes a database at path, which must not be there.
func WriteSQLite(ctx context.Context, path string, tables []Table) error {
	db, err := sqldb.CreateSQLite(path)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := fill(ctx, tx, t); err != nil {
			_ = tx.Rollback()
			return fmt.Errorf("fill %s: %w", t.Name, err)
		}
	}
	return tx.Commit()
}

func fill(ctx context.Context, tx *sqlx.Tx, t Table) error {
	create := strings.ReplaceAll(t.Create, "BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY") // as Synapse's events has it
	if _, err := tx.ExecContext(ctx, create); err != nil {
		return err
	}
	insert, err := tx.PreparexContext(ctx, `INSERT INTO `+t.Name+` (`+strings.Join(t.Columns, ", ")+`) VALUES (?`+strings.Repeat(", ?", len(t.Columns)-1)+`)`) //nolint:sqlclosecheck // it is
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for row := range t.Rows {
		if _, err := insert.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	for _, index := range t.Indexes {
		if _, err := tx.ExecContext(ctx, index); err != nil {
			return err
		}
	}
	return nil
}
