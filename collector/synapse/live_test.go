package synapse_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// The permissions that some monitoring already has, without user_agent of
// user_ips and without devices.
func TestARoleThatMayReadLess(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	must.Succeed(t, synapsetest.Population{Users: 300, Days: 62, Now: noon}.FillPostgreSQL(t.Context(), location))
	const role = "exporter_of_less"
	dbtest.Exec(t, location, "CREATE ROLE "+role+" LOGIN",
		"GRANT SELECT (name, is_guest, appservice_id, deactivated) ON users TO "+role,
		"GRANT SELECT (user_id, last_seen) ON user_ips TO "+role,
		"GRANT SELECT (user_id, timestamp, user_agent) ON user_daily_visits TO "+role)
	t.Cleanup(func() { dbtest.Exec(t, location, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	u, err := url.Parse(location)
	must.Succeed(t, err)
	u.User = url.User(role)

	now := noon
	whole := refresh(t, newRefresher(t, location, &now))
	less := refresh(t, newRefresher(t, u.String(), &now))
	if less.Active[0].Users != whole.Active[0].Users || less.Retention.Users != whole.Retention.Users {
		t.Errorf("%+v, want the figures of %+v", less, whole)
	}
	if less.Active[0].Kinds != nil || less.Dormancy != nil {
		t.Errorf("kinds of accounts cannot be known: %v, %v", less.Active[0].Kinds, less.Dormancy)
	}
	if whole.Active[0].Kinds == nil || whole.Dormancy == nil {
		t.Errorf("kinds of accounts are known to a role that may read all: %v, %v", whole.Active[0].Kinds, whole.Dormancy)
	}
	if less.Active[0].Clients != nil || less.Created != nil || less.usage.LimitMAU != nil {
		t.Errorf("what cannot be known is there: %+v", less)
	}
	for _, name := range []string{"total_room_count", "daily_messages", "daily_user_type_native"} {
		if _, there := less.usage.Statistics[name]; there {
			t.Errorf("%s cannot be known", name)
		}
	}
}

// The database is gone, comes back, is left for its standby and changed under
// way: the last figures stay, and the exporter finds its way by itself.
func TestDatabaseThatComesAndGoes(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	primary := dbtest.StartPostgreSQL(t)
	must.Succeed(t, synapsetest.Population{Users: 500, Days: 62, Now: noon}.FillPostgreSQL(t.Context(), primary.Location))
	standby := primary.Standby(t)
	now := noon
	r := newRefresher(t, primary.Location, &now)
	first := r
	atFirst := shown(refresh(t, r))

	primary.Stop()
	now = noon.Add(time.Hour)
	if err := r.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot connect") {
		t.Errorf("error %v, want that it cannot connect", err)
	}
	s := r.Status()
	if s.Up || s.Snapshot == nil || !s.Snapshot.At.Equal(noon) {
		t.Fatalf("%+v: want the last figures, and down", s)
	}
	agree(t, "while it is gone", atFirst, shown(figuresOf(t, r)))
	now = noon.Add(4 * time.Hour)
	if r.Status().Snapshot != nil {
		t.Error("stale figures are still there")
	}

	primary.Start(t)
	db := database{location: primary.Location}
	agree(t, "back again", db.truth(t, now), shown(refresh(t, r)))

	// An upgrade of Synapse adds columns and rebuilds an index.
	dbtest.Exec(t, primary.Location, "ALTER TABLE users ADD COLUMN locked BOOLEAN DEFAULT FALSE NOT NULL",
		"ALTER TABLE user_daily_visits ADD COLUMN more TEXT", "REINDEX TABLE user_daily_visits")
	now = noon.Add(5 * time.Hour)
	agree(t, "after an upgrade", db.truth(t, now), shown(refresh(t, r)))

	replica := database{location: standby.Location}
	r = newRefresher(t, replica.location, &now)
	agree(t, "the standby", replica.truth(t, now), shown(refresh(t, r)))

	first.Close()
	r.Close()
	must.Happen(t, func() bool { return connections(t, primary.Location) == 0 })
	primary.Stop() // before leaks are looked for
	standby.Stop()
}

// connections counts those of the exporter.
func connections(t *testing.T, location string) (n int) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), location)
	must.Succeed(t, err)
	defer func() { _ = connection.Close(t.Context()) }()
	must.Succeed(t, connection.QueryRow(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'active_users_exporter'`).Scan(&n))
	return n
}
