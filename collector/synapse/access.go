package synapse

import (
	"context"
	"fmt"
	"strings"

	"active_users_exporter/collector/sqldb"
)

// access says what of the database can be read, by "table.column": what the
// role has been granted, of what this version of Synapse has.
type access map[string]bool

// An extra is a part of the database that some figures need and all others can
// do without.
type extra struct {
	table    string
	columns  []string
	leftOut  string // the figures
	readable bool
}

// extras are what was found of each.
type extras struct{ agents, devices, created, kinds, rooms, joined, federation, events, limitMAU extra }

func (a access) extras() extras {
	look := func(leftOut, table string, columns ...string) extra {
		e := extra{table, columns, leftOut, true}
		for _, column := range columns {
			e.readable = e.readable && a[table+"."+column]
		}
		return e
	}
	return extras{
		agents:     look("active users by class of client", "user_ips", "user_agent"),
		devices:    look("guests and bridged users in windows longer than user_ips_max_age", "devices", "user_id", "user_agent", "last_seen"),
		created:    look("accounts created in a day", "users", "creation_ts"),
		kinds:      look("active users by kind of account and dormant accounts", "users", "name", "user_type"),
		rooms:      look("the number of rooms", "rooms", "room_id"),
		joined:     look("the number of rooms with users of this server", "room_stats_current", "local_users_in_room"),
		federation: look("other servers by whether they can be reached", "destinations", "failure_ts"),
		events:     look("messages, who sends them, and active rooms", "events", "type", "room_id", "sender", "stream_ordering", "received_ts"),
		limitMAU:   look("the users by which Synapse limits monthly active users", "monthly_active_users", "user_id", "timestamp"),
	}
}

// warnings name what cannot be read.
func (x extras) warnings() (all []string) {
	for _, e := range []extra{x.agents, x.devices, x.created, x.kinds, x.rooms, x.joined, x.federation, x.events, x.limitMAU} {
		if !e.readable {
			all = append(all, fmt.Sprintf("no permission to read %s of table %s, or they do not exist: without them, %s are left out (on PostgreSQL: GRANT SELECT (%s) ON %s)",
				e.columns, e.table, e.leftOut, strings.Join(e.columns, ", "), e.table))
		}
	}
	return all
}

// access asks the database's catalogue: on PostgreSQL a refused statement would
// end the transaction.
func (r *reading) access(ctx context.Context) (access, error) {
	query := `
		SELECT relname || '.' || attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
		WHERE attnum > 0 AND NOT attisdropped AND has_column_privilege(attrelid, attnum, 'SELECT')
		  AND attrelid IN (to_regclass('users'), to_regclass('user_ips'), to_regclass('devices'), to_regclass('rooms'), to_regclass('room_stats_current'), to_regclass('destinations'), to_regclass('events'), to_regclass('monthly_active_users'))`
	if r.Engine == sqldb.SQLite {
		query = `
		SELECT sqlite_master.name || '.' || columns.name FROM sqlite_master JOIN pragma_table_info(sqlite_master.name) AS columns
		WHERE sqlite_master.name IN ('users', 'user_ips', 'devices', 'rooms', 'room_stats_current', 'destinations', 'events', 'monthly_active_users')`
	}
	var names []string
	if err := r.SelectContext(ctx, &names, query); err != nil {
		return nil, fmt.Errorf("look up what can be read: %w", err)
	}
	found := make(access)
	for _, name := range names {
		found[name] = true
	}
	return found, nil
}
