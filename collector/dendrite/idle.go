package dendrite

import (
	"context"
	"fmt"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// Dendrite writes a visit for every device of a user who came, with a device of
// whatever kind: its statement joins devices with devices by the user's name alone
// (userapi/storage/*/stats_table.go). So a visit of a device that was not there must
// not count for the class of that device's client. It is known by the last-seen time
// of the device, if that is still logged in.

// A userDay is a user on a day.
type userDay struct {
	user string
	day  activity.Day
}

// waiting are the visits of a user on a day that wait for another visit of theirs.
type waiting struct {
	idle []activity.Client // the classes of the devices that were not there
	made int               // how many were of devices that Dendrite itself has made
}

// setAside are the visits that wait.
type setAside map[userDay]waiting

func (s setAside) add(user []byte, date activity.Day, client activity.Client, made bool) {
	u := userDay{string(user), date}
	w := s[u]
	if made {
		w.made++
	} else {
		w.idle = append(w.idle, client)
	}
	s[u] = w
}

// record records a visit of a device that was there, and with it, as visits of the same
// device, those that wait: so as many visits are recorded as there are rows.
func (r *reading) record(user []byte, date activity.Day, client activity.Client, aside setAside) {
	rows := 1
	if len(aside) > 0 {
		u := userDay{string(user), date}
		if w, ok := aside[u]; ok {
			rows += len(w.idle) + w.made
			delete(aside, u)
		}
	}
	for range rows {
		r.rec.Visit(r.server, user, client, date)
	}
}

// recordRest records the visits that still wait. It is unknown with which device their
// users came, but who came is certain: the rows stand as they are. The
// devices that Dendrite made for itself are nobody.
func (r *reading) recordRest(aside setAside) {
	for u, w := range aside {
		for _, client := range w.idle {
			r.rec.Visit(r.server, []byte(u.user), client, u.day)
		}
	}
}

// readDays reports the visits of some days, the last excluded, from the beginning.
func (r *reading) readDays(ctx context.Context, from, to activity.Day) error {
	for ; from < to; from += chunkDays {
		end := min(from+chunkDays, to)
		for date := from; date < end; date++ {
			r.rec.Forget(r.server, date)
		}
		aside := make(setAside)
		err := r.Stream(ctx, r.idleRows(from, end), 4, func(row *sqldb.Row) {
			aside.add(row.Text(0), visitDay(row.Integer(2)), r.classify.Of(row.Text(1)), row.Integer(3) == 1)
		})
		if err != nil {
			return err
		}
		err = r.Stream(ctx, r.presentRows(from, end), 3, func(row *sqldb.Row) {
			r.record(row.Text(0), visitDay(row.Integer(2)), r.classify.Of(row.Text(1)), aside)
		})
		if err != nil {
			return err
		}
		r.recordRest(aside)
	}
	return nil
}

// idleRows are the visits that are set aside, with whether Dendrite made the device.
func (r *reading) idleRows(from, to activity.Day) string {
	return fmt.Sprintf(`SELECT v.localpart, v.user_agent, v.timestamp, CASE WHEN %s THEN 1 ELSE 0 END
		FROM %s WHERE %s AND %s`, madeByServer("d"), r.visitsAndDevices(), r.visitsOn(from, to), notThere())
}

// presentRows are the others.
func (r *reading) presentRows(from, to activity.Day) string {
	return fmt.Sprintf(`SELECT v.localpart, v.user_agent, v.timestamp FROM %s WHERE %s AND NOT %s`, r.visitsAndDevices(), r.visitsOn(from, to), notThere())
}

// notThere is true of a visit v whose device d is still logged in and was last seen
// before the day, which is rounded as by visitDay, or was made by Dendrite itself. It is
// false if the device is gone: what is compared is then NULL.
func notThere() string {
	return `CASE WHEN (v.timestamp + 43200000) / 86400000 * 86400000 > d.last_seen_ts OR ` + madeByServer("d") + ` THEN TRUE ELSE FALSE END`
}

// visitsAndDevices are the visits with their devices, as far as these are still there:
// by the unique index of userapi_devices, which begins with localpart, or by a scan.
func (r *reading) visitsAndDevices() string {
	return `userapi_daily_visits AS v LEFT JOIN userapi_devices AS d
		ON d.localpart = v.localpart AND d.device_id = v.device_id AND d.server_name = ` + r.literal()
}

// visitsOn returns the condition for the visits v of some days, the last excluded: by index
// userapi_daily_visits_timestamp_idx (timestamp). They are those of all users, if
// there is only one server name, which visits lack.
func (r *reading) visitsOn(from, to activity.Day) string {
	condition := between(from, to)
	if r.several {
		condition += ` AND v.localpart IN (SELECT localpart FROM userapi_accounts WHERE server_name = ` + r.literal() + `)`
	}
	return condition
}
