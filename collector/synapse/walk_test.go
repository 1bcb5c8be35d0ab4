package synapse_test

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// While last-seen rows are read page by page, in many refreshes, people come back, which
// moves their rows to pages that were read before, old rows are deleted, the table is
// rewritten, the exporter is started again: totals are always those of plain SQL, and so are
// classes once they are shown. Pages that were read before a start are not read again, else
// the end would never come.
func TestRowsThatMoveWhilePagesAreRead(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	must.Succeed(t, synapsetest.Population{Users: 300, Days: 62, Now: noon, Tokens: 20}.FillPostgreSQL(t.Context(), location))
	db := database{location: location}
	now, folder := noon, must.Get(storage.Parse(t.TempDir()))(t)
	start := func() (*collector.Refresher, *history.Store) {
		return started(t, location, folder, &now, func(o *collector.RefresherOptions) {
			o.Reader.(*synapse.Reader).LimitTo(1000, 200, 50, 400)
		})
	}
	r, store := start()
	defer func() { must.Succeed(t, store.Close()) }()
	stages := make(map[int]int) // refreshes by the number of windows with classes
	for step := range 200 {
		got, truth := shown(refresh(t, r)), db.truth(t, now)
		classes := 0
		for _, window := range []string{"1d", "7d", "30d"} {
			isClass := func(name string, _ int) bool {
				rest, found := strings.CutPrefix(name, "active "+window+" ")
				return found && !strings.Contains(rest, " ")
			}
			shownClasses := maps.Clone(got)
			maps.DeleteFunc(shownClasses, func(name string, n int) bool { return !isClass(name, n) })
			if len(shownClasses) > 0 {
				classes++
			} else {
				maps.DeleteFunc(truth, isClass)
			}
		}
		if r.Status().Snapshot.Domains[0].Dormancy == nil {
			maps.DeleteFunc(truth, func(name string, _ int) bool { return strings.HasPrefix(name, "dormant ") })
		}
		agree(t, fmt.Sprint("refresh ", step), truth, got)
		if stages[classes]++; classes == 3 {
			break
		}
		now = now.Add(15 * time.Second)
		if step%4 == 3 {
			r.Close()
			must.Succeed(t, store.Close())
			r, store = start()
		}
		statements := []string{
			// Users with an old row come back, with another client.
			fmt.Sprintf(`UPDATE user_ips SET last_seen = %d, user_agent = 'Element Android' WHERE ctid IN (SELECT ctid FROM user_ips WHERE last_seen < %d ORDER BY ctid DESC LIMIT 20)`, now.Add(-time.Second).UnixMilli(), now.Add(-10*day).UnixMilli()),
			fmt.Sprintf(`DELETE FROM user_ips WHERE ctid IN (SELECT ctid FROM user_ips WHERE last_seen < %d LIMIT 5)`, now.Add(-27*day).UnixMilli()),
			`VACUUM user_ips`,
		}
		if step == 5 {
			statements = append(statements, `CLUSTER user_ips USING user_ips_last_seen`)
		}
		dbtest.Exec(t, location, statements...)
	}
	if stages[3] != 1 || stages[1] < 5 {
		t.Errorf("refreshes by windows with classes: %v, want some with that of a day alone, and all in the end", stages)
	}
}

// A role that may read the documented columns, and one to which nobody has granted the place
// of rows, get all figures of a large server.
func TestRolesOfALargeServer(t *testing.T) {
	for name, place := range map[string]string{"may read the place of rows": "ctid, ", "may not": ""} {
		t.Run(name, func(t *testing.T) {
			location := dbtest.PostgreSQL(t)
			must.Succeed(t, synapsetest.Population{Users: 300, Days: 62, Now: noon, Tokens: 20}.FillPostgreSQL(t.Context(), location))
			const role = "exporter_of_places"
			dbtest.Exec(t, location, "CREATE ROLE "+role+" LOGIN",
				"GRANT SELECT (name, creation_ts, is_guest, appservice_id, deactivated, user_type) ON users TO "+role,
				"GRANT SELECT ("+place+"user_id, user_agent, last_seen) ON user_ips TO "+role,
				"GRANT SELECT (user_id, user_agent, last_seen) ON devices TO "+role,
				"GRANT SELECT ("+place+"user_id, timestamp, user_agent) ON user_daily_visits TO "+role,
				"GRANT SELECT (room_id) ON rooms TO "+role, "GRANT SELECT (local_users_in_room) ON room_stats_current TO "+role,
				"GRANT SELECT (failure_ts) ON destinations TO "+role)
			t.Cleanup(func() { dbtest.Exec(t, location, "DROP OWNED BY "+role, "DROP ROLE "+role) })
			u := must.Get(url.Parse(location))(t)
			u.User = url.User(role)
			now := noon
			r := newRefresher(t, u.String(), &now, func(o *collector.RefresherOptions) {
				o.Reader.(*synapse.Reader).LimitTo(1000, 200, 50, 400)
			})
			got := refresh(t, r)
			for n := 0; r.Status().Snapshot.Unfinished && n < 100; n++ {
				now = now.Add(15 * time.Second)
				dbtest.Exec(t, location, fmt.Sprintf(`INSERT INTO user_daily_visits (user_id, device_id, timestamp, user_agent) VALUES ('@more%d:big.example', 'D', %d, 'Mozilla')`, n, noon.Truncate(day).UnixMilli()))
				got = refresh(t, r)
			}
			if s := r.Status(); !s.Up || s.Snapshot.Unfinished {
				t.Errorf("up %v, unfinished %v", s.Up, s.Snapshot.Unfinished)
			}
			agree(t, "in the end", database{location: location}.truth(t, now), shown(got))
		})
	}
}
