package synapse

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/synapse/mas"
)

// An extra is a part of the database that some figures need and all others can
// do without.
type extra struct {
	table    string
	columns  []string
	leftOut  string // the figures
	readable bool
}

// extras are what was found of each.
type extras struct {
	agents, devices, created, kinds, rooms, joined, federation, events, limitMAU extra
	// seenPages and visitPages say that rows can be read by their place (`ctid`). No figure
	// needs it: without it, more is read.
	seenPages, visitPages bool
}

// lookUpExtras returns what can be read: what the role has been granted, of what this version of
// Synapse has.
func (r *reading) lookUpExtras() extras {
	look := func(leftOut, table string, columns ...string) extra {
		e := extra{table, columns, leftOut, true}
		for _, column := range columns {
			e.readable = e.readable && r.access.Readable(table, column)
		}
		return e
	}
	return extras{
		agents:     look("active users by class of client", "user_ips", "user_agent"),
		devices:    look("guests and bridged users in windows longer than user_ips_max_age", "devices", "user_id", "user_agent", "last_seen"),
		created:    look("accounts created in a day", "users", "creation_ts"),
		kinds:      look("active users by kind of account and dormant accounts", "users", "name", "user_type"),
		rooms:      look("counts of rooms", "rooms", "room_id"),
		joined:     look("counts of rooms with users of this server", "room_stats_current", "local_users_in_room"),
		federation: look("other servers by whether they can be reached", "destinations", "failure_ts"),
		events:     look("messages, who sends them, and active rooms", "events", "type", "room_id", "sender", "stream_ordering", "received_ts"),
		seenPages:  r.access.Readable("user_ips", "ctid"),
		visitPages: r.access.Readable("user_daily_visits", "ctid"),
		limitMAU:   look("the users by which Synapse limits monthly active users", "monthly_active_users", "user_id", "timestamp"),
	}
}

// warnings name what cannot be read.
func (x extras) warnings() (all []string) {
	for _, e := range []extra{x.agents, x.devices, x.created, x.kinds, x.rooms, x.joined, x.federation, x.events, x.limitMAU} {
		if !e.readable {
			all = append(all, fmt.Sprintf("no permission to read %s of table %s, or this Synapse has none: %s are left out (on PostgreSQL: GRANT SELECT (%[1]s) ON %[2]s)",
				strings.Join(e.columns, ", "), e.table, e.leftOut))
		}
	}
	return all
}

// needs are all parts of the database that are read.
func needs() []sqldb.Need {
	return []sqldb.Need{
		{Table: "users", Columns: []string{"name", "creation_ts", "is_guest", "appservice_id", "deactivated", "user_type"}},
		{Table: "user_ips", Columns: []string{"user_id", "user_agent", "last_seen"}},
		{Table: "devices", Columns: []string{"user_id", "user_agent", "last_seen"}},
		{Table: "user_daily_visits", Columns: []string{"user_id", "timestamp", "user_agent"}},
		{Table: "monthly_active_users", Columns: []string{"user_id", "timestamp"}},
		{Table: "events", Columns: []string{"type", "room_id", "sender", "stream_ordering", "received_ts"}},
		{Table: "rooms", Columns: []string{"room_id"}},
		{Table: "room_stats_current", Columns: []string{"local_users_in_room"}},
		{Table: "destinations", Columns: []string{"failure_ts"}},
	}
}

// MissingGrants implements chatserver.Granted, also for the database of MAS.
func (o Options) MissingGrants(ctx context.Context) ([]sqldb.Grants, error) {
	all, err := chatserver.MissingGrants(ctx, []sqldb.Source{o.Database}, o.PasswordFile, needs()...)
	ofMAS, failed := chatserver.MissingGrants(ctx, []sqldb.Source{o.MAS.Database}, o.MAS.PasswordFile, mas.Needs()...)
	return append(all, ofMAS...), errors.Join(err, failed)
}
