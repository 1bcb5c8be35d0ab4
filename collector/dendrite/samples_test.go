package dendrite_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/dendrite"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// worldOf is what a real Dendrite has written, by plain SQL.
func worldOf(t *testing.T, database sqldb.Source) *world {
	t.Helper()
	w := &world{}
	must.Succeed(t, database.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
		var accounts []struct {
			Name                 string
			Kind                 int
			Service, Deactivated bool
			Created              int64
		}
		must.Succeed(t, view.SelectContext(ctx, &accounts, `SELECT localpart AS name, account_type AS kind, created_ts AS created,
			COALESCE(appservice_id, '') <> '' OR account_type = 4 AS service, COALESCE(is_deactivated, FALSE) AS deactivated FROM userapi_accounts`))
		for _, a := range accounts {
			w.people = append(w.people, &person{name: a.Name, kind: a.Kind, service: a.Service, deactivated: a.Deactivated, created: time.UnixMilli(a.Created)})
		}
		var devices []struct {
			User, ID, Agent string
			Created, Seen   int64
		}
		must.Succeed(t, view.SelectContext(ctx, &devices, `SELECT localpart AS "user", device_id AS id, COALESCE(user_agent, '') AS agent,
			created_ts AS created, last_seen_ts AS seen FROM userapi_devices`))
		for _, d := range devices {
			w.devices = append(w.devices, device{d.User, d.ID, d.Agent, d.Created, d.Seen})
		}
		var visits []struct {
			User, Device, Agent string
			At                  int64
		}
		must.Succeed(t, view.SelectContext(ctx, &visits, `SELECT localpart AS "user", device_id AS device, timestamp AS at,
			COALESCE(user_agent, '') AS agent FROM userapi_daily_visits ORDER BY timestamp`))
		for _, v := range visits {
			w.visits = append(w.visits, visit{visitKey{v.User, v.Device, v.At}, v.Agent})
		}
		return nil
	}))
	return w
}

// On databases that real Dendrites have written, everything is what the definitions say,
// types and ages of accounts among it: at the moment of the records, and later.
func TestSamplesEqualTheNaiveModel(t *testing.T) {
	for name, c := range map[string]struct {
		expected string
		database func(t *testing.T) sqldb.Source
	}{
		"SQLite": {"expected-sqlite.json", func(t *testing.T) sqldb.Source { return source(t, "sqlite:"+unpacked(t, "dendrite-sqlite.db")) }},
		"PostgreSQL": {"expected-pg.json", func(t *testing.T) sqldb.Source {
			location := dbtest.PostgreSQL(t)
			dbtest.LoadDump(t, location, "testdata/dendrite-pg.sql.gz")
			return source(t, location)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			database := c.database(t)
			w := worldOf(t, database)
			for _, days := range []int{0, 1, 20, 60} {
				w.now = time.Unix(expected(t, c.expected).Now, 0).UTC().AddDate(0, 0, days)
				seen := make(evidence)
				w.lastSeen(seen)
				want := w.figures(seen, w.dailyVisits())
				if want["dormant unknown"]+want["dormant never"] == 0 || want["registered native"] < 20 {
					t.Fatalf("%v: the records show too little", want)
				}
				got := withKinds(refresh(t, newRefresher(dendrite.Options{Database: database}, &w.now)))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%d days after the records (-naive +got):\n%s", days, diff)
				}
			}
		})
	}
}
