package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/must"
	"active_users_exporter/test/samples"
)

// monthSamples runs report --month on the sample of a real Synapse, and returns the users
// by type; those of all types are of the type "".
func monthSamples(t *testing.T, database, month string, minDays int) map[string]int {
	t.Helper()
	var out, log bytes.Buffer
	arguments := []string{"report", "--server=synapse=sqlite:" + database, "--storage.path=", "--output=json", "--month=" + month, fmt.Sprintf("--min-days=%d", minDays)}
	if code := run(arguments, &out, &log); code != exitOK {
		t.Fatalf("exit code %d: %s", code, log.String())
	}
	var all []struct {
		Name   string
		Labels map[string]string
		Value  int
	}
	must.Succeed(t, json.Unmarshal(out.Bytes(), &all))
	users := make(map[string]int)
	for _, s := range all {
		if s.Name != "chat_month_users" || s.Labels["month"] != month || s.Labels["min_days"] != fmt.Sprint(minDays) || s.Labels["domain"] != "sqlite.lab.test" {
			t.Errorf("unexpected sample %+v", s)
		}
		users[s.Labels["type"]] = s.Value
	}
	return users
}

// The figures of a month are those of a plain SQL query, for each number of days and each
// type of account; with one day they are chat_month_users.
func TestMonthEqualsSQL(t *testing.T) {
	database := filepath.Join(realRecords(t), "homeserver.db")
	t.Setenv("ACTIVE_USERS_NOW", fmt.Sprint(samples.Now().Unix()))
	db := must.Get(sqldb.CreateSQLite(database))(t)
	t.Cleanup(func() { _ = db.Close() })
	const query = `SELECT type, count(*) AS users FROM (
		SELECT CASE WHEN u.deactivated = 1 THEN 'deactivated' WHEN u.is_guest = 1 THEN 'guest' WHEN u.name IS NULL OR u.appservice_id <> '' THEN 'bridged'
			WHEN u.user_type IN ('bot', 'support') THEN u.user_type ELSE 'native' END AS type
		FROM user_daily_visits AS v LEFT JOIN users AS u ON u.name = v.user_id
		WHERE strftime('%Y-%m', v.timestamp / 1000, 'unixepoch') = ?
		GROUP BY v.user_id HAVING count(DISTINCT v.timestamp / 86400000) >= ?) AS came GROUP BY type`
	for _, month := range []string{"2026-09", "2026-10", "2026-11"} {
		for _, minDays := range []int{1, 2, 5, 9, 20, 31} {
			got := monthSamples(t, database, month, minDays)
			var rows []struct {
				Type  string
				Users int
			}
			must.Succeed(t, db.Select(&rows, query, month, minDays))
			want := map[string]int{"": 0}
			for _, r := range rows {
				want[r.Type] = r.Users
				want[""] += r.Users
			}
			for kind, users := range got {
				if users != want[kind] {
					t.Errorf("%s, %d days: %d of type %q, want %d", month, minDays, users, kind, want[kind])
				}
				delete(want, kind)
			}
			if len(want) > 0 || len(got) != 7 {
				t.Errorf("%s, %d days: %v lacks %v", month, minDays, got, want)
			}
		}
	}
	metrics := runs(t, "report", "--server=synapse=sqlite:"+database, "--storage.path=", "--output=openmetrics")
	for _, month := range []string{"2026-09", "2026-10", "2026-11"} {
		line := fmt.Sprintf("chat_month_users{domain=\"sqlite.lab.test\",month=\"%s\",server=\"synapse\"} %d.0\n", month, monthSamples(t, database, month, 1)[""])
		if !strings.Contains(metrics, line) {
			t.Errorf("there is no %s", line)
		}
	}
}

// runs runs a command that succeeds and returns what it prints.
func runs(t *testing.T, arguments ...string) string {
	t.Helper()
	var out, log bytes.Buffer
	if code := run(arguments, &out, &log); code != exitOK {
		t.Fatalf("%v: exit code %d: %s", arguments, code, log.String())
	}
	return out.String()
}

// A month that is not known is refused with the reason.
func TestMonthsThatAreNotKnown(t *testing.T) {
	directory := realRecords(t)
	t.Setenv("ACTIVE_USERS_NOW", fmt.Sprint(samples.Now().Unix()))
	for _, c := range []struct {
		arguments string
		code      int
		want      string
	}{
		{"--month=2026-08", exitFault, "nothing is shown of sqlite.lab.test, because visits are known from 2026-09-01 on"},
		{"--month=2026-12", exitUsage, "--month=2026-12: has not begun"},
		{"--month=October", exitUsage, "--month=October: want a month such as 2026-11"},
		{"--month=2026-10 --min-days=0", exitUsage, "--min-days=0: want a number of days from 1 to 31"},
		{"--month=2026-10 --min-days=32", exitUsage, "--min-days=32: want a number of days from 1 to 31"},
		{"--month=2026-10 --min-days=-1", exitUsage, "--min-days=-1: want a number of days"},
		{"--min-days=2", exitUsage, "--min-days is for --month"},
		{"--month=2026-10 --min-days=2 --output=text", exitUsage, "--min-days is for --month with --output=table or json"},
		{"--month=2026-10 --output=openmetrics", exitUsage, "use backfill"},
		{"--month=2026-10 --long", exitUsage, "--long is for --output=table without --month"},
		{"--long --output=json", exitUsage, "--long is for --output=table"},
		{"--week=2026-W40", exitUsage, "--week is for --output=html"},
	} {
		var out, log bytes.Buffer
		arguments := append([]string{"report", "--server=synapse=sqlite:" + filepath.Join(directory, "homeserver.db"), "--storage.path="}, strings.Fields(c.arguments)...)
		if code := run(arguments, &out, &log); code != c.code || !strings.Contains(log.String(), c.want) {
			t.Errorf("%s: exit code %d, %s; want %d, %s", c.arguments, code, log.String(), c.code, c.want)
		}
	}
}
