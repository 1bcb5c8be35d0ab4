package dendrite

import (
	"context"
	"strconv"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// scanDays is from how many days on an SQLite file is rather scanned than asked. Dendrite
// writes to it all the time, and what was read meanwhile does not count: many days must
// be read in the time between two writes, which a scan does in a twentieth of what
// queries take.
const scanDays = 5

// A deviceKey names a device.
type deviceKey struct{ user, id string }

// A deviceState says when a device was last seen, and whether Dendrite has made it for
// itself.
type deviceState struct {
	seen  int64 // milliseconds
	known bool  // that it is a time
	made  bool
}

// scan reports the visits of some days from the beginning, as readDays does. It returns
// false and has done nothing if these tables cannot be scanned; see sqldb.View.Scan.
func (r *reading) scan(ctx context.Context, wanted map[activity.Day]bool) (bool, error) {
	if r.Engine != sqldb.SQLite || r.several {
		return false, nil
	}
	devices, scanned, err := r.scanDevices(ctx)
	if !scanned || err != nil {
		return false, err
	}
	aside := make(setAside)
	scanned, err = r.scanVisits(ctx, devices, wanted, func(user, agent []byte, date activity.Day, state deviceState) {
		if state.absentOn(date) {
			aside.add(user, date, r.classify.Of(agent), state.made)
		}
	})
	if !scanned || err != nil {
		return false, err
	}
	for date := range wanted {
		r.rec.Forget(r.server, date)
	}
	_, err = r.scanVisits(ctx, devices, wanted, func(user, agent []byte, date activity.Day, state deviceState) {
		if !state.absentOn(date) {
			r.record(user, date, r.classify.Of(agent), aside)
		}
	})
	r.recordRest(aside)
	return true, err
}

// absentOn is notThere for a device that was scanned, or for none.
func (d deviceState) absentOn(date activity.Day) bool {
	return d.made || d.known && date.Start().UnixMilli() > d.seen
}

func (r *reading) scanDevices(ctx context.Context) (map[deviceKey]deviceState, bool, error) {
	devices := make(map[deviceKey]deviceState)
	columns := []string{"localpart", "device_id", "server_name", "created_ts", "last_seen_ts", "user_agent"}
	scanned, err := r.Scan(ctx, "userapi_devices", columns, func(row *sqldb.Row) {
		if string(row.Text(2)) != string(r.server) {
			return
		}
		var d deviceState
		d.seen, d.known = integer(row.Text(4))
		created, _ := integer(row.Text(3))
		d.made = len(row.Text(5)) == 0 && d.known && d.seen == created
		devices[deviceKey{string(row.Text(0)), string(row.Text(1))}] = d
	})
	return devices, scanned, err
}

// scanVisits calls use with the visits of some days, and with what is known of the
// devices.
func (r *reading) scanVisits(ctx context.Context, devices map[deviceKey]deviceState, wanted map[activity.Day]bool, use func(user, agent []byte, date activity.Day, state deviceState)) (bool, error) {
	columns := []string{"localpart", "device_id", "timestamp", "user_agent"}
	return r.Scan(ctx, "userapi_daily_visits", columns, func(row *sqldb.Row) {
		at, ok := integer(row.Text(2))
		if date := visitDay(at); ok && wanted[date] {
			use(row.Text(0), row.Text(3), date, devices[deviceKey{string(row.Text(0)), string(row.Text(1))}])
		}
	})
}

// integer reads a value that should be a whole number.
func integer(value []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(value), 10, 64)
	return n, err == nil
}
