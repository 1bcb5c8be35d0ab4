package synapse

import (
	"context"
	"fmt"

	"active_users_exporter/collector/usagereport"
)

// rooms adds how many rooms and other servers there are.
func (r *reading) rooms(ctx context.Context, h *usagereport.Homeserver) (err error) {
	if r.extras.rooms.readable {
		// The index of the primary key alone.
		known, err := count(r, &r.Counts.Rooms, "rooms", r.number(ctx, `SELECT COUNT(*) FROM rooms`))
		if err != nil {
			return fmt.Errorf("count rooms: %w", err)
		}
		h.Statistics["total_room_count"] = float64(known)
		h.Rooms = map[string]int{"known": known}
	}
	if h.Rooms != nil && r.extras.joined.readable {
		// A scan of the table, which has a row for each room.
		joined, err := count(r, &r.Counts.Joined, "room_stats_current", r.number(ctx, `SELECT COUNT(*) FROM room_stats_current WHERE local_users_in_room > 0`))
		if err != nil {
			return fmt.Errorf("count the rooms with users of this server in room_stats_current: %w", err)
		}
		h.Rooms["joined"] = joined
	}
	if r.extras.federation.readable {
		if h.FederationServers, err = count(r, &r.Counts.Federation, "destinations", r.federation(ctx)); err != nil {
			return fmt.Errorf("count other servers in destinations: %w", err)
		}
	}
	return nil
}

// number returns a function that asks for one number.
func (r *reading) number(ctx context.Context, query string) func() (int, error) {
	return func() (n int, err error) {
		err = r.GetContext(ctx, &n, query)
		return n, err
	}
}

// federation returns a function that counts the servers that this one has sent something
// to, or wants to: Synapse notes the moment at which one failed first, until it succeeds
// again.
func (r *reading) federation(ctx context.Context) func() (map[string]int, error) {
	return func() (map[string]int, error) {
		var all, failing int
		// A scan of the table, which has a row for each server.
		if err := r.QueryRowContext(ctx, `SELECT COUNT(*), COUNT(failure_ts) FROM destinations`).Scan(&all, &failing); err != nil {
			return nil, err
		}
		return map[string]int{"reachable": all - failing, "unreachable": failing}, nil
	}
}
