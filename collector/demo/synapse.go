package demo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
)

// Synapse makes the file path, which must not exist, into the database of a
// Synapse that has that many accounts and has kept daily visits for 70 days up
// to now. Of Synapse's tables there are those about accounts and activity, and
// a little of rooms and events. The file is left as after a clean stop.
func Synapse(ctx context.Context, path string, now time.Time, users int, seed uint64) error {
	db, err := sqldb.CreateSQLite(path)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1) // the pragma below is for one connection
	h := newHomeserver(newModel(now, seed), users)
	if err := errors.Join(h.write(ctx, db), db.Close()); err != nil {
		return fmt.Errorf("write Synapse's database: %w", err)
	}
	return nil
}

// write fills the empty database in one transaction.
func (h *homeserver) write(ctx context.Context, db *sqlx.DB) error {
	// What is invented is not worth waiting for the disk.
	if _, err := db.ExecContext(ctx, `PRAGMA synchronous = OFF`); err != nil {
		return err
	}
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	if _, err := tx.ExecContext(ctx, synapseTables); err != nil {
		return fmt.Errorf("create tables: %w", err)
	}
	for _, t := range []struct {
		into string
		rows iter.Seq[[]any]
	}{
		{`schema_version (version, upgraded)`, one(94, false)},
		{`schema_compat_version (compat_version)`, one(84)},
		{`users (name, creation_ts, is_guest, appservice_id, admin, deactivated)`, h.users},
		{`devices (user_id, device_id, last_seen, ip, user_agent)`, h.devices},
		{`user_ips (user_id, access_token, device_id, ip, user_agent, last_seen)`, h.addresses},
		{`user_daily_visits (user_id, device_id, timestamp, user_agent)`, h.visits},
		{`monthly_active_users (user_id, timestamp)`, h.monthlyActive},
		{`rooms (room_id, is_public, creator, room_version)`, h.createdRooms},
		{`events (stream_ordering, topological_ordering, depth, event_id, type, room_id, sender, received_ts, origin_server_ts, processed, outlier)`, h.events},
	} {
		if err := insert(ctx, tx, t.into, t.rows); err != nil {
			return fmt.Errorf("insert into %s: %w", t.into, err)
		}
	}
	// Last, as it takes much longer to fill a table that has its indexes.
	if _, err := tx.ExecContext(ctx, synapseIndexes); err != nil {
		return fmt.Errorf("create indexes: %w", err)
	}
	return tx.Commit()
}

// insert adds rows to a table, named with its columns.
func insert(ctx context.Context, tx *sqlx.Tx, into string, rows iter.Seq[[]any]) error {
	columns := strings.Count(into, ",") + 1
	statement, err := tx.PreparexContext(ctx, `INSERT INTO `+into+` VALUES (?`+strings.Repeat(`, ?`, columns-1)+`)`)
	if err != nil {
		return err
	}
	defer func() { _ = statement.Close() }()
	for row := range rows {
		if _, err := statement.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	return nil
}

// one yields a single row.
func one(values ...any) iter.Seq[[]any] {
	return func(yield func([]any) bool) { yield(values) }
}
