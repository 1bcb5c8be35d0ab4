package dendrite

import (
	"context"
	"fmt"
	"maps"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/usagereport"
)

// homeserver adds the accounts to the domain, and returns what else is known of usage:
// the statistics of Synapse's usage report that mean the same here, and Dendrite's own
// figures of the day.
func (r *reading) homeserver(ctx context.Context, domain *collector.DomainFacts) (h homeserver, err error) {
	engine := "Postgres" // as Dendrite's report calls it
	if r.Engine == sqldb.SQLite {
		engine = "SQLite"
	}
	h.Homeserver = usagereport.Homeserver{
		Name: domain.Name, Software: usagereport.Dendrite,
		Info: map[string]string{"database_engine": engine, "database_server_version": r.Version},
	}
	if h.Statistics, err = r.accounts(ctx, domain); err != nil {
		return h, fmt.Errorf("count accounts in userapi_accounts: %w", err)
	}
	if r.access.has(roomsPart) && !r.several {
		rooms, err := countRooms(ctx, r.View)
		if err != nil {
			return h, fmt.Errorf("count rooms in roomserver_rooms: %w", err)
		}
		h.Statistics[roomCount] = float64(rooms)
	}
	h.today.homeserver = domain.Name
	if r.access.has(dailyStatsPart) {
		if h.today.figures, err = r.today(ctx); err != nil {
			return h, fmt.Errorf("read userapi_daily_stats: %w", err)
		}
	}
	return h, nil
}

const roomCount = "total_room_count"

// countRooms counts the rooms that the homeserver knows, those it has left too.
func countRooms(ctx context.Context, view sqldb.View) (n int, err error) {
	// The unique index of room_id alone.
	err = view.GetContext(ctx, &n, `SELECT COUNT(room_id) FROM roomserver_rooms`)
	return n, err
}

// The rooms are counted again while Dendrite writes to their file: a transaction of
// Dendrite's takes some milliseconds.
const (
	roomsTries = 5
	roomsPause = 100 * time.Millisecond
)

// addRooms adds the number of rooms from the database of the room server, if it has one
// of its own. Without it, all other figures are what they are.
func (r *Reader) addRooms(ctx context.Context, known []homeserver) error {
	if r.options.Rooms.IsZero() || len(known) != 1 {
		return nil
	}
	count := func() (rooms int, err error) {
		options := sqldb.Options{PasswordFile: r.options.PasswordFile}
		err = r.options.Rooms.Read(ctx, options, func(ctx context.Context, view sqldb.View) (err error) {
			rooms, err = countRooms(ctx, view)
			return err
		})
		return rooms, err
	}
	rooms, err := count()
	for tries := 1; failure.Of(err) == failure.Locked && tries < roomsTries && ctx.Err() == nil; tries++ {
		time.Sleep(roomsPause)
		rooms, err = count()
	}
	if err != nil {
		return fmt.Errorf("count the rooms: %w", withHint(err, r.options.RoomsHint))
	}
	known[0].Statistics[roomCount] = float64(rooms)
	return nil
}

// special returns what is known of usage, with the statistics that are counted from
// activity, for collector.Facts.
func special(known []homeserver, now time.Time, cal *activity.Calendar) (all []any) {
	for _, h := range known {
		h.Statistics = maps.Clone(h.Statistics)
		for name, w := range map[string]activity.Window{
			"daily_active_users":   activity.Daily(),
			"monthly_active_users": activity.Monthly(),
		} {
			h.Statistics[name] = float64(cal.ActiveAfter(h.Name, w.Since(now), lastSeenSince(now)).Users)
		}
		retention := cal.Retention(h.Name, now)
		h.Statistics["r30v2_users_all"] = float64(retention.Users)
		for class, name := range activity.SynapseNames() {
			if name != "unknown" { // which reports do not have
				h.Statistics["r30v2_users_"+name] = float64(retention.Synapse[class])
			}
		}
		all = append(all, h.Homeserver, h.today)
	}
	return all
}
