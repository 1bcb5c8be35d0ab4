package dendrite_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/dendrite"
	"active_users_exporter/test/must"
)

// An old phone is in use again. Who has read the days on which it was idle knows that;
// who reads everything now cannot tell these visits from others.
func TestIdleDevicesAreKnownBestOnTheDay(t *testing.T) {
	db := onSQLite(t)
	now := noon
	device := func(id, agent string, seen time.Time) {
		db.run(fmt.Sprintf(`INSERT OR REPLACE INTO userapi_devices (access_token, device_id, localpart, server_name, created_ts, last_seen_ts, user_agent)
			VALUES ('%[1]s', '%[1]s', 'iris', 'w.example', 1, %[2]d, '%[3]s')`, id, seen.UnixMilli(), agent))
	}
	visit := func(id, agent string) {
		db.run(fmt.Sprintf(`INSERT INTO userapi_daily_visits VALUES ('iris', '%s', %d, '%s')`, id, now.Truncate(day).UnixMilli(), agent))
	}
	const phone, browser = "Element Android", "Mozilla/5.0"
	db.run(`INSERT INTO userapi_accounts VALUES ('iris', 'w.example', 1, NULL, NULL, NULL, 1)`)
	options := dendrite.Options{Database: source(t, db.location)}
	reading := newRefresher(options, &now)
	device("PHONE", phone, now.Add(-9*day))
	for range 32 {
		device("BROWSER", browser, now.Add(-time.Minute))
		visit("BROWSER", browser)
		visit("PHONE", phone) // Dendrite writes one for each of her devices
		refresh(t, reading)
		now = now.Add(day)
	}
	device("PHONE", phone, now.Add(-time.Minute))
	visit("PHONE", phone)

	for name, c := range map[string]struct {
		refresher *collector.Refresher
		returned  int // with Android, though she took it up today
	}{"who has read each day": {reading, 0}, "who reads everything now": {newRefresher(options, &now), 1}} {
		got := shown(refresh(t, c.refresher))
		if got["active android 1d"] != 1 || got["r30v2"] != 1 || got["r30v2 web"] != 1 || got["r30v2 android"] != c.returned {
			t.Errorf("%s: %v, want that she uses her phone, and returned with it %d times", name, got, c.returned)
		}
	}
}

// What Dendrite never does to its visits shows that a backup was restored.
func TestBackupRestored(t *testing.T) {
	db := onSQLite(t)
	w := newWorld(1, noon, 62, 20)
	db.run(w.statements()...)
	classes := activity.SynapseClasses()
	calendar := activity.NewCalendar(activity.Key{1}, classes)
	readInto := func(since, now time.Time) error { // as a process that has just been started
		_, err := dendrite.New(dendrite.Options{Database: source(t, db.location)}, classes).Read(t.Context(), since, now, calendar)
		return err
	}
	must.Succeed(t, readInto(time.Time{}, noon))
	must.Succeed(t, readInto(noon, noon.Add(time.Hour)))
	db.run(fmt.Sprintf(`DELETE FROM userapi_daily_visits WHERE timestamp > %d`, noon.Add(-3*day).UnixMilli()))
	if err := readInto(noon.Add(time.Hour), noon.Add(2*time.Hour)); !errors.Is(err, collector.ErrStartOver) {
		t.Errorf("error %v, want one that asks for a full read", err)
	}
}

// A backup was restored, and people used it before the next refresh: visits of today are
// gone, though there is a newer one; or as many came again today as before, and those of
// yesterday are gone.
func TestARestoredBackupThatIsUsed(t *testing.T) {
	today := noon.Truncate(day).UnixMilli()
	for name, used := range map[string]string{
		"by one":     fmt.Sprintf(`DELETE FROM userapi_daily_visits WHERE timestamp = %d AND rowid > (SELECT MIN(rowid) FROM userapi_daily_visits WHERE timestamp = %[1]d)`, today),
		"by as many": fmt.Sprintf(`UPDATE userapi_daily_visits SET localpart = 'new' || localpart WHERE timestamp = %d`, today),
	} {
		t.Run(name, func(t *testing.T) {
			db := onSQLite(t)
			db.run(newWorld(1, noon, 62, 20).statements()...)
			now := noon
			options := dendrite.Options{Database: source(t, db.location)}
			r := newRefresher(options, &now)
			refresh(t, r)
			db.run(
				fmt.Sprintf(`DELETE FROM userapi_daily_visits WHERE timestamp > %d AND timestamp < %d`, noon.Add(-3*day).UnixMilli(), today),
				fmt.Sprintf(`UPDATE userapi_devices SET last_seen_ts = last_seen_ts - %d WHERE last_seen_ts > %d`, (20*day).Milliseconds(), noon.Add(-3*day).UnixMilli()),
				used,
			)
			now = noon.Add(time.Hour)
			got := people(shown(refresh(t, r)))
			if want := people(shown(refresh(t, newRefresher(options, &now)))); !maps.Equal(want, got) {
				t.Errorf("at the next refresh %v, a full read has %v", got, want)
			}
		})
	}
}

// A backup was restored that lacks last-seen times for which there were no visits yet.
func TestARestoredBackupThatLacksLastSeenTimes(t *testing.T) {
	db := onSQLite(t)
	db.run(newWorld(1, noon, 62, 20).statements()...)
	now := noon
	options := dendrite.Options{Database: source(t, db.location)}
	r := newRefresher(options, &now)
	before := shown(refresh(t, r))
	db.run(fmt.Sprintf(`UPDATE userapi_devices SET last_seen_ts = last_seen_ts - %d WHERE last_seen_ts > %d`, (3 * day).Milliseconds(), noon.Add(-2*time.Hour).UnixMilli()))
	now = noon.Add(time.Minute)
	got := shown(refresh(t, r))
	if want := shown(refresh(t, newRefresher(options, &now))); !maps.Equal(want, got) || maps.Equal(want, before) {
		t.Errorf("at the next refresh %v, a full read has %v, before it was %v", got, want, before)
	}
}

// The database of a new server is behind, as a standby may be: there no last-seen time says
// by how much.
func TestANewDatabaseThatIsBehind(t *testing.T) {
	db := onSQLite(t)
	db.run(`INSERT INTO userapi_accounts (localpart, server_name, created_ts, account_type) VALUES ('a', 'w.example', 1, 1)`)
	now := noon.Truncate(day).Add(30 * time.Minute)
	options := dendrite.Options{Database: source(t, db.location)}
	r := newRefresher(options, &now)
	refresh(t, r)
	for user, ago := range map[string]time.Duration{"a": 2 * time.Hour, "b": 3 * time.Hour} {
		at := now.Add(-ago)
		db.run(
			fmt.Sprintf(`INSERT INTO userapi_devices (access_token, device_id, localpart, server_name, created_ts, last_seen_ts, user_agent) VALUES ('%s', 'D', '%[1]s', 'w.example', 1, %d, 'Element Android')`, user, at.UnixMilli()),
			fmt.Sprintf(`INSERT INTO userapi_daily_visits VALUES ('%s', 'D', %d, 'Element Android')`, user, at.Truncate(day).UnixMilli()),
		)
	}
	now = now.Add(5 * time.Hour)
	got := shown(refresh(t, r))
	if want := shown(refresh(t, newRefresher(options, &now))); !maps.Equal(want, got) || got["active 1d"] == 0 {
		t.Errorf("once it has caught up %v, a full read has %v", got, want)
	}
}

// However long nothing was read, the day of the last refresh was not over then.
func TestNoRefreshForALongTime(t *testing.T) {
	for _, gap := range []int{2, 59, 60, 61, 62, 63, 72, 399, 400} {
		db := onSQLite(t)
		db.run(newWorld(1, noon, 3, 3).statements()...)
		visit := func(user string, at time.Time) {
			db.run(fmt.Sprintf(`INSERT INTO userapi_daily_visits VALUES ('%s', 'D', %d, 'Element Android')`, user, at.Truncate(day).UnixMilli()))
		}
		now := noon
		options := dendrite.Options{Database: source(t, db.location)}
		r := newRefresher(options, &now)
		visit("a", noon.AddDate(0, 0, -5))
		refresh(t, r)
		visit("b", noon)
		visit("a", noon.AddDate(0, 0, 1))
		visit("b", noon.AddDate(0, 0, 1))
		now = noon.AddDate(0, 0, gap)
		visit("b", now)
		got := shown(refresh(t, r))
		if want := shown(refresh(t, newRefresher(options, &now))); !maps.Equal(want, got) {
			t.Errorf("after %d days %v, a full read has %v", gap, got, want)
		}
	}
}

// Whatever somebody does to the database, the figures end as if everything had been
// read for the first time.
func TestDatabasesThatDoNotJustGrow(t *testing.T) {
	for name, c := range map[string]struct {
		statement string
		clock     time.Duration
		refreshes int // an hour apart, until all is right again
	}{
		"visits of an old day deleted": {fmt.Sprintf(`DELETE FROM userapi_daily_visits WHERE timestamp = %d`, noon.Truncate(day).Add(-40*day).UnixMilli()), time.Hour, 60},
		"late visits of an old day":    {fmt.Sprintf(`INSERT INTO userapi_daily_visits VALUES ('late', 'D', %d, '')`, noon.Truncate(day).Add(-33*day).UnixMilli()), time.Hour, 60},
		"visits of today deleted":      {fmt.Sprintf(`DELETE FROM userapi_daily_visits WHERE timestamp > %d`, noon.Truncate(day).Add(-time.Hour).UnixMilli()), time.Hour, 1},
		"devices deleted":              {`DELETE FROM userapi_devices WHERE localpart LIKE '%2'`, 7 * day, 1},
		"all visits deleted":           {`DELETE FROM userapi_daily_visits`, time.Hour, 1},
		"clock set back":               {`SELECT 1`, -26 * time.Hour, 1},
		"clock set forward":            {`SELECT 1`, 49 * time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			db := onSQLite(t)
			w := newWorld(5, noon, 62, 30)
			db.run(w.statements()...)
			now := noon
			options := dendrite.Options{Database: source(t, db.location)}
			r := newRefresher(options, &now)
			refresh(t, r)
			db.run(c.statement)
			var got map[string]int
			for n := range c.refreshes {
				now = noon.Add(c.clock).Add(time.Duration(n) * time.Hour)
				got = shown(refresh(t, r))
			}
			want := shown(refresh(t, newRefresher(options, &now)))
			// Days before those of r30v2 stay known: no server that prunes visits is known.
			delete(want, "history")
			delete(got, "history")
			if !maps.Equal(people(want), people(got)) {
				t.Errorf("after %d refreshes %v, a full read has %v", c.refreshes, got, want)
			}
		})
	}
}

// A renamed server, or one built for virtual hosts, has accounts of several names.
func TestSeveralServerNames(t *testing.T) {
	db := onSQLite(t)
	w := newWorld(1, noon, 62, 20)
	db.run(w.statements()...)
	now := noon
	alone := shown(refresh(t, newRefresher(dendrite.Options{Database: source(t, db.location)}, &now)))
	db.run(
		fmt.Sprintf(`INSERT INTO userapi_accounts VALUES ('other', 'second.example', %d, NULL, NULL, NULL, 1), ('odd', 'no ''name''', 1, NULL, NULL, NULL, 1)`, noon.Add(-time.Hour).UnixMilli()),
		fmt.Sprintf(`INSERT INTO userapi_devices (access_token, device_id, localpart, server_name, created_ts, last_seen_ts, user_agent) VALUES ('x', 'X', 'other', 'second.example', 1, %d, 'x')`, noon.UnixMilli()),
		fmt.Sprintf(`INSERT INTO userapi_daily_visits VALUES ('other', 'X', %d, 'x')`, noon.Truncate(day).UnixMilli()),
	)
	facts, err := read(t, dendrite.Options{Database: source(t, db.location)})
	must.Succeed(t, err)
	var names []string
	for _, d := range facts.Domains {
		names = append(names, d.Name)
	}
	if !slices.Equal(names, []string{"second.example", "w.example"}) || !strings.Contains(strings.Join(facts.Warnings, "\n"), "several server names") {
		t.Errorf("domains %v with warnings %q", names, facts.Warnings)
	}
	r := newRefresher(dendrite.Options{Database: source(t, db.location)}, &now)
	must.Succeed(t, r.Refresh(t.Context()))
	for _, d := range r.Status().Snapshot.Domains {
		want := alone
		if d.Name == "second.example" {
			want = map[string]int{
				"registered native": 1, "created native": 1, "history": 1, "growth new": 1, "days of 28 1": 1,
				"active 1d": 1, "active 7d": 1, "active 30d": 1, "active unknown 1d": 1, "active unknown 7d": 1, "active unknown 30d": 1,
			}
		}
		if got := shown(d); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", d.Name, got, want)
		}
	}
	only := refresh(t, newRefresher(dendrite.Options{Database: source(t, db.location), ServerName: "second.example"}, &now))
	if only.Name != "second.example" || only.Registered[2].Users != 1 {
		t.Errorf("%+v, want the configured name alone", only)
	}
}

func TestServerWithoutAccounts(t *testing.T) {
	db := onSQLite(t)
	facts, err := read(t, dendrite.Options{Database: source(t, db.location)})
	must.Succeed(t, err)
	if len(facts.Domains) != 0 || !strings.Contains(strings.Join(facts.Warnings, "\n"), "no accounts yet") {
		t.Errorf("got %+v, want no domain and a warning", facts)
	}
}
