package synapse_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// noon is the moment of the invented databases.
var noon = time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC)

// database is an invented homeserver on one of the engines.
type database struct {
	location string
	run      func(statements ...string)
}

// engines calls test with the same homeserver on each engine.
func engines(t *testing.T, p synapsetest.Population, test func(t *testing.T, db database)) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "homeserver.db")
		must.Succeed(t, p.FillSQLite(t.Context(), path))
		db, err := sqldb.CreateSQLite(path)
		must.Succeed(t, err)
		t.Cleanup(func() { _ = db.Close() })
		test(t, database{"sqlite:" + path, func(statements ...string) {
			t.Helper()
			for _, s := range statements {
				if _, err := db.ExecContext(t.Context(), s); err != nil {
					t.Fatalf("%s: %v", s, err)
				}
			}
		}})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		location := dbtest.PostgreSQL(t)
		must.Succeed(t, p.FillPostgreSQL(t.Context(), location))
		test(t, database{location, func(statements ...string) {
			t.Helper()
			dbtest.Exec(t, location, statements...)
		}})
	})
}

// open returns a connection by which a test may write.
func (db database) isPostgreSQL() bool { return !strings.HasPrefix(db.location, "sqlite:") }

// runAndCount executes statements, and PostgreSQL's statistics know of it at once. Else they
// do so within a second.
func (db database) runAndCount(statements ...string) {
	if db.isPostgreSQL() {
		statements = append(slices.Clone(statements), `SELECT pg_stat_force_next_flush()`)
	}
	db.run(statements...)
}

func (db database) open(t *testing.T) *sqlx.DB {
	t.Helper()
	open := sqldb.OpenPostgreSQL
	location := db.location
	if path, isFile := strings.CutPrefix(location, "sqlite:"); isFile {
		open, location = sqldb.CreateSQLite, path
	}
	connection := must.Get(open(location))(t)
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// truth is the same figures by plain SQL, each as its definition says.
func (db database) truth(t *testing.T, now time.Time) map[string]int {
	t.Helper()
	const (
		day    = 24 * 60 * 60 * 1000
		client = `CASE
			WHEN LOWER(user_agent) LIKE '%riot%' OR LOWER(user_agent) LIKE '%element%' THEN CASE
				WHEN LOWER(user_agent) LIKE '%electron%' THEN 'electron'
				WHEN LOWER(user_agent) LIKE '%android%' THEN 'android'
				WHEN LOWER(user_agent) LIKE '%ios%' THEN 'ios'
				ELSE 'unknown' END
			WHEN LOWER(user_agent) LIKE '%mozilla%' OR LOWER(user_agent) LIKE '%gecko%' THEN 'web'
			ELSE 'unknown' END`
		kind = `CASE
			WHEN users.deactivated <> 0 THEN 'deactivated'
			WHEN users.is_guest = 1 THEN 'guest'
			WHEN users.name IS NULL OR users.appservice_id <> '' THEN 'bridged'
			WHEN users.user_type IN ('bot', 'support') THEN users.user_type
			ELSE 'native' END`
	)
	start := func(daysAgo int) int64 { return activity.DayOf(now.AddDate(0, 0, -daysAgo)).Start().UnixMilli() }
	source, err := sqldb.ParseSource(db.location)
	must.Succeed(t, err)
	figures := make(map[string]int)
	err = source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
		count := func(name, query string) {
			t.Helper()
			var rows []struct {
				Label string
				Users int
			}
			if err := view.SelectContext(ctx, &rows, query); err != nil {
				t.Fatalf("%s: %v", query, err)
			}
			for _, row := range rows {
				figures[strings.TrimSuffix(name+" "+row.Label, " ")] = row.Users
			}
		}
		for window, days := range map[string]int64{"1d": 1, "7d": 7, "30d": 30} {
			after := now.UnixMilli() - days*day
			evidence := fmt.Sprintf(`(
				SELECT user_id, user_agent FROM user_ips WHERE last_seen > %[1]d
				UNION SELECT user_id, user_agent FROM devices WHERE last_seen > %[1]d AND last_seen < (SELECT COALESCE(MIN(last_seen), %[2]d) FROM user_ips)
				UNION SELECT user_id, user_agent FROM user_daily_visits WHERE timestamp > %[1]d AND timestamp < (SELECT COALESCE(MIN(last_seen), %[2]d) FROM user_ips)) AS evidence`, after, now.UnixMilli())
			count("active "+window, `SELECT '' AS label, COUNT(DISTINCT user_id) AS users FROM `+evidence)
			count("active type "+window, `SELECT `+kind+` AS label, COUNT(DISTINCT user_id) AS users FROM `+evidence+` LEFT JOIN users ON users.name = user_id GROUP BY 1`)
			count("active "+window, `SELECT `+client+` AS label, COUNT(DISTINCT user_id) AS users FROM `+evidence+` GROUP BY 1`)
		}
		count("daily_active_users", fmt.Sprintf(`SELECT '' AS label, COUNT(DISTINCT user_id) AS users FROM user_ips WHERE last_seen > %d`, now.UnixMilli()-day))
		count("monthly_active_users", fmt.Sprintf(`SELECT '' AS label, COUNT(DISTINCT user_id) AS users FROM user_ips WHERE last_seen > %d`, now.UnixMilli()-30*day))
		visits := fmt.Sprintf(`FROM user_daily_visits WHERE timestamp > %d AND timestamp < %d`, now.Unix()*1000-60*day, now.Unix()*1000+day)
		const back = ` HAVING MAX(timestamp) - MIN(timestamp) > 30 * 86400000.0`
		count("r30v2", `SELECT '' AS label, COUNT(*) AS users FROM (SELECT user_id `+visits+` GROUP BY user_id`+back+`) AS back`)
		count("r30v2", `SELECT client AS label, COUNT(*) AS users FROM (SELECT user_id, `+client+` AS client `+visits+` GROUP BY 1, 2`+back+`) AS back GROUP BY 1`)
		count("created", fmt.Sprintf(`SELECT CASE WHEN is_guest = 1 THEN 'guest' WHEN appservice_id <> '' THEN 'bridged' ELSE 'native' END AS label, COUNT(*) AS users
			FROM users WHERE deactivated = 0 AND creation_ts > %d GROUP BY 1`, now.Unix()-86400))
		count("registered", `SELECT CASE WHEN is_guest = 1 THEN 'guest' WHEN appservice_id <> '' THEN 'bridged' ELSE 'native' END AS label, COUNT(*) AS users
			FROM users WHERE deactivated = 0 GROUP BY 1`)
		count("rooms", `SELECT 'known' AS label, COUNT(*) AS users FROM rooms UNION ALL SELECT 'joined', COUNT(*) FROM room_stats_current WHERE local_users_in_room > 0`)
		count("federation", `SELECT CASE WHEN failure_ts IS NULL THEN 'reachable' ELSE 'unreachable' END AS label, COUNT(*) AS users FROM destinations GROUP BY 1`)
		count("dormant", fmt.Sprintf(`SELECT CASE
				WHEN newest >= %d THEN '0-7d' WHEN newest >= %d THEN '7-30d' WHEN newest >= %d THEN '30-90d'
				WHEN newest >= %d THEN '90-180d' WHEN newest >= %d THEN '180-365d' WHEN newest >= %d THEN '365d-'
				WHEN creation_ts >= %d AND creation_ts >= (SELECT MIN(timestamp) FROM user_daily_visits) / 1000 THEN 'never'
				ELSE 'unknown' END AS label, COUNT(*) AS users
			FROM users LEFT JOIN (SELECT user_id, MAX(at) AS newest FROM (
				SELECT user_id, last_seen AS at FROM user_ips
				UNION ALL SELECT user_id, last_seen FROM devices WHERE last_seen < (SELECT COALESCE(MIN(last_seen), %d) FROM user_ips)
				UNION ALL SELECT user_id, timestamp FROM user_daily_visits) AS evidence GROUP BY user_id) AS last ON last.user_id = users.name
			WHERE deactivated = 0 AND is_guest = 0 AND COALESCE(appservice_id, '') = '' GROUP BY 1`,
			start(6), start(29), start(89), start(179), start(364), start(399), start(399)/1000, now.UnixMilli()))
		return nil
	})
	must.Succeed(t, err)
	return figures
}

// shown are the figures of a snapshot under the names of truth.
func shown(d figures) map[string]int {
	figures := make(map[string]int)
	for _, a := range d.Active {
		figures["active "+a.Window.String()] = a.Users
		for _, c := range a.Clients {
			figures["active "+a.Window.String()+" "+c.Client] = c.Users
		}
	}
	for _, a := range d.Active {
		for _, k := range a.Kinds {
			figures["active type "+a.Window.String()+" "+k.Kind.String()] = k.Users
		}
	}
	if d.Dormancy != nil {
		for age, name := range activity.DormancyAges() {
			figures["dormant "+name] = d.Dormancy[age]
		}
	}
	for state, n := range d.usage.Rooms {
		figures["rooms "+state] = n
	}
	for state, n := range d.usage.FederationServers {
		figures["federation "+state] = n
	}
	for _, name := range []string{"daily_active_users", "monthly_active_users"} {
		figures[name] = int(d.usage.Statistics[name])
	}
	if d.Retention != nil { // else nothing is recorded any more
		figures["r30v2"] = d.Retention.Users
		for _, c := range d.Retention.Clients {
			figures["r30v2 "+c.Client] = c.Users
		}
	}
	for _, a := range d.Created {
		figures["created "+string(a.Type)] = a.Users
	}
	for _, a := range d.Registered {
		figures["registered "+string(a.Type)] = a.Users
	}
	return figures
}

// agree compares the figures; truth leaves out the zeros.
func agree(t *testing.T, when string, truth, got map[string]int) {
	t.Helper()
	for name, n := range got {
		if _, ok := truth[name]; !ok && n == 0 {
			delete(got, name)
		}
	}
	if diff := cmp.Diff(truth, got); diff != "" {
		t.Errorf("%s (-SQL +ours):\n%s", when, diff)
	}
}

// millis is a moment relative to noon, as Synapse writes it.
func millis(d time.Duration) int64 { return noon.Add(d).UnixMilli() }

const day = 24 * time.Hour

// edges are rows on and around every bound there is.
func edges() (statements []string) {
	visit := func(user string, daysAgo int, agent string) {
		statements = append(statements, fmt.Sprintf(`INSERT INTO user_daily_visits (user_id, device_id, timestamp, user_agent) VALUES ('%s', 'D', %d, %s)`,
			user, activity.DayOf(noon.AddDate(0, 0, -daysAgo)).Start().UnixMilli(), agent))
	}
	for _, pair := range [][2]int{{29, 0}, {30, 0}, {31, 0}, {32, 1}, {59, 28}, {59, 29}, {60, 0}, {60, 29}, {61, 0}, {30, -1}, {31, -1}, {40, -2}, {29, -2}} {
		for i, agent := range []string{"NULL", "''", "'eLeMeNt ANDROID'", "'Riot iOS Electron'", "'Mozilla patriotIOS'", "'GECKO'", "'ElementX Darwin'", "'element kelvin \u212a'"} {
			visit(fmt.Sprintf("@edge_%d_%d_%d:x", pair[0], pair[1], i), pair[0], agent)
			visit(fmt.Sprintf("@edge_%d_%d_%d:x", pair[0], pair[1], i), pair[1], agent)
		}
		visit(fmt.Sprintf("@two_%d_%d:x", pair[0], pair[1]), pair[0], "'Element iOS'")
		visit(fmt.Sprintf("@two_%d_%d:x", pair[0], pair[1]), pair[1], "'Mozilla'")
	}
	for i, at := range []time.Duration{day, 0, -day + time.Millisecond, -day, -day - time.Millisecond, -7 * day, -7*day + time.Millisecond} {
		statements = append(statements, fmt.Sprintf(`INSERT INTO user_ips (user_id, access_token, ip, user_agent, last_seen) VALUES ('@ip_%d:x', 't', '::1', 'Element Android', %d)`, i, millis(at)))
	}
	for i, at := range []time.Duration{-30*day + time.Millisecond, -30 * day, -28*day - time.Millisecond} {
		statements = append(statements, fmt.Sprintf(`INSERT INTO devices (user_id, device_id, user_agent, last_seen) VALUES ('@device_%d:x', 'D', 'Element Android', %d)`, i, millis(at)))
	}
	return statements
}

func TestFiguresEqualPlainSQL(t *testing.T) {
	engines(t, synapsetest.Population{Users: users, Days: 70, Now: noon}, func(t *testing.T, db database) {
		db.run(edges()...)
		now := noon
		r := newRefresher(t, db.location, &now)
		agree(t, "at first", db.truth(t, now), shown(refresh(t, r)))

		// An hour later: people came back, Synapse wrote today's visits and a
		// late one of yesterday, somebody registered, old rows were pruned.
		now = noon.Add(time.Hour)
		db.run(
			fmt.Sprintf(`UPDATE user_ips SET last_seen = %d WHERE last_seen < %d AND ip = '2001:db8::0'`, millis(55*time.Minute), millis(-20*day)),
			fmt.Sprintf(`INSERT INTO user_ips (user_id, access_token, ip, user_agent, last_seen) VALUES ('@new:x', 't', '::1', 'Mozilla', %d)`, millis(59*time.Minute)),
			fmt.Sprintf(`INSERT INTO user_daily_visits (user_id, device_id, timestamp, user_agent)
				SELECT DISTINCT user_id, device_id, %d, user_agent FROM user_ips WHERE last_seen = %d`, noon.Truncate(day).UnixMilli(), millis(55*time.Minute)),
			fmt.Sprintf(`INSERT INTO users (name, creation_ts) VALUES ('@new:big.example', %d)`, noon.Add(30*time.Minute).Unix()),
			fmt.Sprintf(`DELETE FROM user_ips WHERE last_seen <= %d`, millis(time.Hour-28*day)),
			`UPDATE users SET deactivated = 1 WHERE name LIKE '%5:%'`,
		)
		agree(t, "an hour later", db.truth(t, now), shown(refresh(t, r)))

		now = noon.Add(2 * time.Hour) // administrators were at work
		db.run(`DELETE FROM rooms WHERE room_id LIKE '%3:%'`, `UPDATE room_stats_current SET local_users_in_room = 0 WHERE room_id LIKE '%4:%'`,
			`UPDATE destinations SET failure_ts = 1 WHERE destination LIKE '%5.%'`,
			`UPDATE users SET user_type = 'bot' WHERE name LIKE '%4:%'`, `UPDATE users SET deactivated = 0 WHERE name LIKE '%15:%'`)
		agree(t, "two hours later", db.truth(t, now), shown(refresh(t, r)))

		now = noon.Add(13 * time.Hour) // past midnight
		db.run(fmt.Sprintf(`INSERT INTO user_daily_visits (user_id, timestamp, user_agent) SELECT name, %d, 'Element iOS' FROM users WHERE is_guest = 0 AND appservice_id IS NULL AND name LIKE '%%7:%%'`,
			noon.Truncate(day).UnixMilli()))
		agree(t, "past midnight", db.truth(t, now), shown(refresh(t, r)))

		now = noon.Add(75 * time.Hour) // the exporter was down
		db.run(fmt.Sprintf(`UPDATE user_ips SET last_seen = %d WHERE user_id LIKE '%%3:%%'`, millis(40*time.Hour)))
		agree(t, "three days later", db.truth(t, now), shown(refresh(t, r)))
	})
}

// Whatever somebody does to the database, the figures end as if everything had
// been read for the first time.
func TestDatabasesThatDoNotJustGrow(t *testing.T) {
	for name, c := range map[string]struct {
		statements []string
		clock      time.Duration
		refreshes  int // an hour apart, until all is right again
	}{
		"visits of an old day deleted": {
			statements: []string{fmt.Sprintf(`DELETE FROM user_daily_visits WHERE timestamp = %d AND user_id LIKE '%%1:%%'`, noon.Truncate(day).Add(-40*day).UnixMilli())},
			clock:      time.Hour, refreshes: 60,
		},
		"late visits of an old day": {
			statements: []string{fmt.Sprintf(`INSERT INTO user_daily_visits (user_id, timestamp) VALUES ('@late:x', %d)`, noon.Truncate(day).Add(-33*day).UnixMilli())},
			clock:      time.Hour, refreshes: 60,
		},
		"visits of today deleted": {
			statements: []string{fmt.Sprintf(`DELETE FROM user_daily_visits WHERE timestamp = %d`, noon.Truncate(day).UnixMilli())},
			clock:      time.Hour, refreshes: 1,
		},
		"last-seen rows deleted": {
			statements: []string{`DELETE FROM user_ips WHERE user_id LIKE '%2:%'`, `DELETE FROM devices WHERE user_id LIKE '%2:%'`},
			clock:      7 * day, refreshes: 1,
		},
		"a backup of two days ago restored": {
			statements: []string{
				fmt.Sprintf(`DELETE FROM user_ips WHERE last_seen > %d`, millis(-2*day)),
				fmt.Sprintf(`DELETE FROM user_daily_visits WHERE timestamp > %d`, millis(-2*day)),
			},
			clock: time.Hour, refreshes: 1,
		},
		"everything deleted": {
			statements: []string{`DELETE FROM user_ips`, `DELETE FROM user_daily_visits`, `DELETE FROM devices`},
			clock:      time.Hour, refreshes: 1,
		},
		"clock set back":    {clock: -26 * time.Hour, refreshes: 1},
		"clock set forward": {clock: 49 * time.Hour, refreshes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "homeserver.db")
			must.Succeed(t, synapsetest.Population{Users: 400, Days: 62, Now: noon}.FillSQLite(t.Context(), path))
			now := noon
			r := newRefresher(t, "sqlite:"+path, &now)
			refresh(t, r)
			create(t, path, c.statements...)
			var got map[string]int
			for n := range c.refreshes {
				now = noon.Add(c.clock).Add(time.Duration(n) * time.Hour)
				got = shown(refresh(t, r))
			}
			fresh := shown(refresh(t, newRefresher(t, "sqlite:"+path, &now)))
			if diff := cmp.Diff(fresh, got); diff != "" {
				t.Errorf("after %d refreshes (-full read +ours):\n%s", c.refreshes, diff)
			}
		})
	}
}

// What a new process knows from the history shows it, too, that a backup was
// restored meanwhile.
func TestBackupRestoredBetweenProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "homeserver.db")
	must.Succeed(t, synapsetest.Population{Users: 400, Days: 62, Now: noon}.FillSQLite(t.Context(), path))
	calendar, err := readInto(t, path, time.Time{}, noon, nil)
	must.Succeed(t, err)
	create(t, path, fmt.Sprintf(`DELETE FROM user_ips WHERE last_seen > %d`, millis(-2*day)))
	if _, err := readInto(t, path, noon, noon.Add(time.Hour), calendar); !errors.Is(err, collector.ErrStartOver) {
		t.Errorf("error %v, want one that asks for a full read", err)
	}
}

// A homeserver whose clock is behind writes rows that are older than the last
// refresh.
func TestHomeserverWithASlowClock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "homeserver.db")
	must.Succeed(t, synapsetest.Population{Users: 400, Days: 62, Now: noon}.FillSQLite(t.Context(), path))
	slow := -20 * time.Minute
	create(t, path, fmt.Sprintf(`DELETE FROM user_ips WHERE last_seen > %d`, millis(slow)))
	calendar, err := readInto(t, path, time.Time{}, noon, nil)
	must.Succeed(t, err)
	active := func() int {
		return calendar.ActiveAfter(synapsetest.Server, activity.DefaultWindows()[0].Since(noon), time.Time{}).Users
	}
	before := active()
	create(t, path, fmt.Sprintf(`INSERT INTO user_ips (user_id, access_token, device_id, ip, user_agent, last_seen) VALUES ('@new:x', 't', 'd', '192.0.2.1', 'x', %d)`, millis(slow+time.Minute)))
	calendar, err = readInto(t, path, noon, noon.Add(time.Hour), calendar)
	must.Succeed(t, err)
	if got := active(); got != before+1 {
		t.Errorf("%d users a day, want %d and the new one", got, before)
	}
}

// readInto reads as a process that has just been started.
func readInto(t *testing.T, path string, since, now time.Time, calendar *activity.Calendar) (*activity.Calendar, error) {
	t.Helper()
	classes := activity.SynapseClasses()
	if calendar == nil {
		calendar = activity.NewCalendar(activity.Key{1}, classes)
	}
	source, err := sqldb.ParseSource("sqlite:" + path)
	must.Succeed(t, err)
	_, err = synapse.New(synapse.Options{Database: source, ServerName: synapsetest.Server}, classes).Read(t.Context(), since, now, calendar)
	return calendar, err
}
