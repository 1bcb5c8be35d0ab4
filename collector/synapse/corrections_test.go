package synapse_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// failingOnce is a Reader whose full read, with which it starts over, cannot begin once.
type failingOnce struct {
	*synapse.Reader
	fails bool
}

func (f *failingOnce) Read(ctx context.Context, since, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	if f.fails {
		f.fails = false
		ended, end := context.WithCancel(ctx)
		end()
		ctx = ended
	}
	facts, err := f.Reader.Read(ctx, since, now, rec)
	f.fails = errors.Is(err, collector.ErrStartOver)
	return facts, err
}

// If the database is away just when everything is to be read again, everything is read at
// the next refresh.
func TestAStartOverThatFails(t *testing.T) {
	engines(t, synapsetest.Population{Users: 400, Days: 62, Now: noon}, func(t *testing.T, db database) {
		now := noon
		r := newRefresher(t, db.location, &now, func(o *collector.RefresherOptions) {
			o.Reader = &failingOnce{Reader: synapse.New(synapse.Options{Database: must.Get(sqldb.ParseSource(db.location))(t)}, activity.SynapseClasses())}
		})
		agree(t, "at first", db.truth(t, now), shown(refresh(t, r)))
		db.run(`DELETE FROM events WHERE stream_ordering = (SELECT MAX(stream_ordering) FROM events)`)
		now = now.Add(time.Hour)
		if err := r.Refresh(t.Context()); err == nil {
			t.Fatal("the refresh that is to fail does not")
		}
		now = now.Add(time.Minute)
		want, got := db.truth(t, now), shown(refresh(t, r))
		if got["r30v2"] != want["r30v2"] || want["r30v2"] == 0 {
			t.Errorf("r30v2 is %d at the next refresh, want %d", got["r30v2"], want["r30v2"])
		}
	})
}

// Rights that are granted or revoked while the exporter runs count from the next refresh on.
func TestRightsThatChange(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	must.Succeed(t, synapsetest.Population{Users: 400, Days: 62, Now: noon}.FillPostgreSQL(t.Context(), location))
	now := noon.Truncate(day).Add(time.Hour)
	dbtest.Exec(t, location, `CREATE ROLE changing LOGIN`, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO changing`,
		fmt.Sprintf(`UPDATE users SET creation_ts = %d - CASE WHEN name LIKE '%%5:%%' THEN 12 WHEN name LIKE '%%6:%%' THEN 21 ELSE 2400 END * 3600`, now.Unix()),
		`REVOKE SELECT ON users FROM changing`, `GRANT SELECT (name, is_guest, appservice_id, deactivated, user_type) ON users TO changing`)
	source := must.Get(sqldb.ParseSource(strings.Replace(location, "postgres://postgres@", "postgres://changing@", 1)))(t)
	r := newRefresher(t, location, &now, func(o *collector.RefresherOptions) {
		o.Reader = synapse.New(synapse.Options{Database: source}, activity.SynapseClasses())
	})
	db := database{location: location}
	for hour := range 20 {
		switch hour {
		case 2:
			dbtest.Exec(t, location, `GRANT SELECT (creation_ts) ON users TO changing`)
		case 5:
			dbtest.Exec(t, location, `REVOKE SELECT ON events FROM changing`)
		case 10:
			dbtest.Exec(t, location, `REVOKE SELECT (user_type) ON users FROM changing`)
		}
		got, want := refresh(t, r), db.truth(t, now)
		if known := len(got.Messages) > 0; known != (hour < 5) {
			t.Errorf("hour %d: who sends messages is known: %t", hour, known)
		}
		if never := shown(got)["dormant never"]; hour >= 2 && hour < 10 && never != want["dormant never"] {
			t.Errorf("hour %d: %d accounts were never active, want %d", hour, never, want["dormant never"])
		}
		if created := shown(got)["created native"]; hour >= 2 && created != want["created native"] {
			t.Errorf("hour %d: %d accounts were created, want %d", hour, created, want["created native"])
		}
		if known := got.Dormancy != nil; known != (hour < 10) {
			t.Errorf("hour %d: kinds of accounts are known: %t", hour, known)
		}
		now = now.Add(time.Hour)
	}
}

// If the right to read the place of rows is withdrawn, new visits are read with all of their
// day, also by an exporter that is started again.
func TestRightToPlacesThatIsWithdrawn(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	must.Succeed(t, synapsetest.Population{Users: 300, Days: 62, Now: noon}.FillPostgreSQL(t.Context(), location))
	dbtest.Exec(t, location, `CREATE ROLE placeless LOGIN`, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO placeless`)
	t.Cleanup(func() { dbtest.Exec(t, location, `DROP OWNED BY placeless`, `DROP ROLE placeless`) })
	now, folder := noon, must.Get(storage.Parse(t.TempDir()))(t)
	start := func() (*collector.Refresher, *history.Store) {
		return started(t, strings.Replace(location, "postgres://postgres@", "postgres://placeless@", 1), folder, &now, lookingOnPages)
	}
	r, store := start()
	defer func() { must.Succeed(t, store.Close()) }()
	for hour := range 5 {
		agree(t, fmt.Sprint("hour ", hour), database{location: location}.truth(t, now), shown(refresh(t, r)))
		switch hour {
		case 0:
			dbtest.Exec(t, location, `REVOKE SELECT ON user_daily_visits FROM placeless`, `GRANT SELECT (user_id, timestamp, user_agent) ON user_daily_visits TO placeless`)
		case 2:
			r.Close()
			must.Succeed(t, store.Close())
			r, store = start()
		}
		dbtest.Exec(t, location, fmt.Sprintf(`INSERT INTO user_daily_visits (user_id, device_id, timestamp, user_agent) VALUES ('@more%d:big.example', 'D', %d, 'Mozilla')`, hour, noon.Truncate(day).UnixMilli()),
			`SELECT pg_stat_force_next_flush()`)
		now = now.Add(time.Hour)
	}
}
