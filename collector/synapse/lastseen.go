package synapse

import (
	"context"
	"fmt"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// overlap is how far behind the last Read last-seen rows are read again.
// Synapse keeps them in memory for seconds before it writes them, and a row may
// take its time to be committed.
const overlap = 5 * time.Minute

// ends are the oldest and the newest moment in user_ips, nil if it is empty.
type ends struct{ Oldest, Newest *int64 }

// lookUpEnds looks them up by both ends of index user_ips_last_seen_only (last_seen).
func (r *reading) lookUpEnds(ctx context.Context) (e ends, err error) {
	err = r.GetContext(ctx, &e, `SELECT (SELECT MIN(last_seen) FROM user_ips) AS oldest, (SELECT MAX(last_seen) FROM user_ips) AS newest`)
	return e, err
}

// kept is the moment from which user_ips is complete.
func (e ends) kept(now time.Time) time.Time {
	if e.Oldest == nil {
		return now
	}
	return time.UnixMilli(*e.Oldest)
}

// newest is 0 for an empty table.
func (e ends) newest() int64 {
	if e.Newest == nil {
		return 0
	}
	return *e.Newest
}

// lastSeen reports when users were last seen, as Synapse's daily_active_users
// and monthly_active_users count it: by user_ips.last_seen in milliseconds,
// guests and bridged users included.
//
// Synapse deletes rows after user_ips_max_age, 28 days by default. The time before
// its oldest row comes from devices.last_seen. Synapse writes that in the same batch
// and never prunes it, though a logout deletes the device.
func (r *reading) lastSeen(ctx context.Context) error {
	rows, err := r.estimate(ctx, "user_ips")
	if err != nil {
		return fmt.Errorf("look up the size of user_ips: %w", err)
	}
	kept := r.ends.kept(r.now)
	r.density = density{rows, kept, r.newest()}
	if r.ends.Newest == nil { // whatever its pages say
		r.density = density{}
	}
	if !r.since.IsZero() {
		last := r.lastKnown().Add(-overlap)
		if r.density.after(last) > r.limits.atOnce {
			return errTooMuch
		}
		return r.seenIn(ctx, r.lastSeenRows(last))
	}
	if r.density.after(r.horizon()) <= r.limits.atOnce {
		err = r.seenIn(ctx, r.lastSeenRows(r.horizon()))
		r.rec.SetProgress(r.server, activity.Progress{})
	} else {
		err = r.newestOfEach(ctx)
	}
	if err != nil || !r.extras.devices.readable || !kept.After(r.horizon()) {
		return err
	}
	return r.deviceRows(ctx, r.horizon(), kept)
}

// newest is the moment of the newest row, now if that lies in the future: a clock was wrong.
func (r *reading) newest() time.Time {
	return time.UnixMilli(min(r.ends.newest(), r.now.UnixMilli()))
}

// horizon is the moment before which nothing matters to a figure.
func (r *reading) horizon() time.Time { return r.now.Add(-activity.MaxWindow) }

// errTooMuch says that so much has come since the last Read that a full read is done
// sooner.
var errTooMuch = fmt.Errorf("so much has happened since the last refresh that everything is read again: %w", collector.ErrStartOver)

// lastKnown is the moment up to which the last Read knew everything: the database that is
// read may be behind, as a standby may be, or Synapse's clock, and our clock may have been
// ahead before the exporter was started again. It is the zero time if nobody was known.
func (r *reading) lastKnown() time.Time {
	if r.known.Before(r.since) {
		return r.known
	}
	return r.since
}

// prunedSince says whether Synapse may have deleted rows of user_ips that came after the
// last Read: then devices alone know of them.
func (r *reading) prunedSince(e ends) bool {
	return !r.since.IsZero() && !r.known.IsZero() && e.Oldest != nil && *e.Oldest > r.known.UnixMilli()
}

// lastSeenRows are the rows seen later than a moment, by index
// user_ips_last_seen_only (last_seen).
func (r *reading) lastSeenRows(after time.Time) string {
	return fmt.Sprintf(`SELECT user_id, %s, last_seen FROM user_ips WHERE last_seen > %d`, r.agentColumn(), after.UnixMilli())
}

// agentColumn is the agent in user_ips, or what stands for it.
func (r *reading) agentColumn() string {
	if !r.extras.agents.readable {
		return "CAST(NULL AS TEXT)"
	}
	return "user_agent"
}

// deviceRows reports the rows of devices between two moments, both excluded. No index
// knows the time: a scan, when everything is read, of a large table in ranges of users.
func (r *reading) deviceRows(ctx context.Context, after, before time.Time) error {
	where := fmt.Sprintf(`last_seen > %d AND last_seen < %d`, after.UnixMilli(), before.UnixMilli())
	rows, err := r.estimate(ctx, "devices")
	if err != nil {
		return fmt.Errorf("look up the size of devices: %w", err)
	}
	if rows <= r.limits.atOnce {
		return r.seenIn(ctx, devicesWhere(where))
	}
	for after := ""; ; {
		from := `user_id > ` + r.literal(after)
		var last *string
		// One walk along the index of (user_id, device_id).
		query := fmt.Sprintf(`SELECT (SELECT user_id FROM devices WHERE %s ORDER BY user_id LIMIT 1 OFFSET %d)`, from, r.limits.slice)
		if err := r.GetContext(ctx, &last, query); err != nil {
			return err
		}
		if last == nil {
			return r.seenIn(ctx, devicesWhere(from+` AND `+where))
		}
		if err := r.seenIn(ctx, devicesWhere(from+` AND user_id <= `+r.literal(*last)+` AND `+where)); err != nil {
			return err
		}
		after = *last
	}
}

func devicesWhere(condition string) string {
	return `SELECT user_id, user_agent, last_seen FROM devices WHERE ` + condition
}

// seenIn reports the rows of a query for user, agent and last-seen time.
func (r *reading) seenIn(ctx context.Context, query string) error {
	return r.Stream(ctx, query, 3, r.seen)
}

// seen reports one row.
func (r *reading) seen(row *sqldb.Row) {
	r.rec.Seen(r.server, row.Text(0), r.classify.Of(row.Text(1)), time.UnixMilli(row.Integer(2)))
}
