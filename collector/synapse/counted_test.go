package synapse_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// On PostgreSQL, accounts and rooms are counted again when the server's statistics say that
// the tables have changed, though not all the time: short intervals see new accounts at
// once and other changes within an hour.
func TestScansOfTablesThatChange(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	must.Succeed(t, synapsetest.Population{Users: 300, Days: 62, Now: noon}.FillPostgreSQL(t.Context(), location))
	now := noon
	r := newRefresher(t, location, &now)
	natives := func(d figures) (n int) {
		for _, a := range d.Registered {
			if a.Type == collector.Native {
				n = a.Users
			}
		}
		return n
	}
	db := database{location: location}.open(t)
	written := func() (rows int) { // by the server's statistics, which lag behind
		must.Succeed(t, db.Get(&rows, `SELECT SUM(n_tup_ins + n_tup_upd) FROM pg_stat_user_tables WHERE relname IN ('users', 'rooms')`))
		return rows
	}
	must.Happen(t, func() bool { return written() == 300+300/3 })
	first := refresh(t, r)
	for _, step := range []struct {
		name            string
		after           time.Duration
		statement       string
		accounts, rooms int // more than at first
	}{
		{"nothing happened", time.Minute, ``, 0, 0},
		{"somebody registered", 2 * time.Minute, fmt.Sprintf(`INSERT INTO users (name, creation_ts) VALUES ('@new:big.example', %d)`, noon.Unix()+90), 1, 0},
		{"who is deactivated at once", 3 * time.Minute, `UPDATE users SET deactivated = 1 WHERE name = '@new:big.example'`, 0, 0},
		{"somebody else is deactivated", 60 * time.Minute, `UPDATE users SET deactivated = 1 WHERE name = (SELECT MIN(name) FROM users WHERE deactivated = 0 AND is_guest = 0 AND appservice_id IS NULL AND user_type IS NULL)`, -1, 0},
		{"who comes back, and a room", 61 * time.Minute, `UPDATE users SET deactivated = 0 WHERE name = (SELECT MIN(name) FROM users WHERE name LIKE '@user%' AND deactivated = 1 AND is_guest = 0 AND appservice_id IS NULL AND user_type IS NULL);
			INSERT INTO rooms VALUES ('!new:x')`, -1, 1},
		{"an hour later", 121 * time.Minute, ``, 0, 1},
		{"another room, long after they were counted", 122 * time.Minute, `INSERT INTO rooms VALUES ('!newer:x')`, 0, 2},
		{"and another, at once", 123 * time.Minute, `INSERT INTO rooms VALUES ('!newest:x')`, 0, 2},
		{"an hour after that", 183 * time.Minute, ``, 0, 3},
	} {
		now = noon.Add(step.after)
		if step.statement != "" {
			before := written()
			for statement := range strings.SplitSeq(step.statement, ";") {
				dbtest.Exec(t, location, statement)
				must.Happen(t, func() bool { return written() > before })
				before = written()
			}
		}
		got := refresh(t, r)
		if n := natives(got) - natives(first); n != step.accounts {
			t.Errorf("%s: %+d native accounts, want %+d", step.name, n, step.accounts)
		}
		if n := got.usage.Rooms["known"] - first.usage.Rooms["known"]; n != step.rooms {
			t.Errorf("%s: %+d rooms, want %+d", step.name, n, step.rooms)
		}
		if got.Dormancy == nil {
			t.Errorf("%s: the kinds of accounts are not known", step.name)
		}
	}
}

// Tables that are shown through views have no statistics, and what happens in them is seen
// at the latest an hour later.
func TestViewsInPlaceOfTables(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	must.Succeed(t, synapsetest.Population{Users: 300, Days: 62, Now: noon}.FillPostgreSQL(t.Context(), location))
	tables := []string{"users", "rooms", "room_stats_current", "destinations", "user_daily_visits", "user_ips"}
	dbtest.Exec(t, location, "CREATE SCHEMA shown")
	for _, table := range tables {
		dbtest.Exec(t, location, fmt.Sprintf("CREATE VIEW shown.%[1]s AS SELECT * FROM public.%[1]s", table))
	}
	dbtest.Exec(t, location, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = shown, public', current_database()); END $$`)
	db := database{location: location}
	now := noon
	r := newRefresher(t, location, &now, func(o *collector.RefresherOptions) {
		o.Reader.(*synapse.Reader).LimitTo(1_000_000, 1_000_000, 1_000_000, 1_000_000)
	})
	agree(t, "at first", db.truth(t, now), shown(refresh(t, r)))
	now = now.Add(time.Hour)
	dbtest.Exec(t, location, "INSERT INTO rooms VALUES ('!new:x')", "DELETE FROM public.room_stats_current WHERE room_id LIKE '%3:%'",
		"UPDATE public.users SET deactivated = 1 WHERE name LIKE '%5:%'",
		fmt.Sprintf(`INSERT INTO public.user_daily_visits (user_id, device_id, timestamp, user_agent) SELECT name, 'D', %d, 'Mozilla' FROM public.users`, noon.Truncate(day).UnixMilli()))
	agree(t, "an hour later", db.truth(t, now), shown(refresh(t, r)))
}
