package demo_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"active_users_exporter/collector/demo"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/must"
)

// now is a Monday evening.
var now = time.Date(2026, 11, 9, 20, 0, 0, 0, time.UTC)

const users = 2000

// query asks an invented Synapse for a number.
func query(t *testing.T, path, statement string, args ...any) (n int) {
	t.Helper()
	source, err := sqldb.ParseSource("sqlite:" + path)
	must.Succeed(t, err)
	must.Succeed(t, source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
		return view.GetContext(ctx, &n, statement, args...)
	}))
	return n
}

func TestInventedSynapseIsBelievable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "homeserver.db")
	must.Succeed(t, demo.Synapse(t.Context(), path, now, users, 1))
	ms := now.UnixMilli()
	midnight := now.Truncate(24 * time.Hour).UnixMilli()
	const day = 24 * 60 * 60 * 1000

	for name, c := range map[string]struct {
		statement string
		args      []any
		low, high int
	}{
		"accounts":                     {`SELECT COUNT(*) FROM users`, nil, users, users},
		"guests":                       {`SELECT COUNT(*) FROM users WHERE is_guest = 1`, nil, 1, users / 20},
		"bridged":                      {`SELECT COUNT(*) FROM users WHERE appservice_id IS NOT NULL`, nil, 1, users / 10},
		"deactivated":                  {`SELECT COUNT(*) FROM users WHERE deactivated = 1`, nil, 1, users / 10},
		"created lately":               {`SELECT COUNT(*) FROM users WHERE creation_ts > ?`, []any{now.AddDate(0, 0, -70).Unix()}, users / 10, users / 3},
		"seen after now":               {`SELECT COUNT(*) FROM user_ips WHERE last_seen > ?`, []any{ms}, 0, 0},
		"not yet deleted by Synapse":   {`SELECT COUNT(*) FROM user_ips WHERE last_seen <= ?`, []any{ms - 28*day}, 0, 0},
		"visits not at midnight":       {`SELECT COUNT(*) FROM user_daily_visits WHERE timestamp % 86400000 != 0`, nil, 0, 0},
		"visits after today":           {`SELECT COUNT(*) FROM user_daily_visits WHERE timestamp > ?`, []any{midnight}, 0, 0},
		"visits by guests and bridges": {`SELECT COUNT(*) FROM user_daily_visits JOIN users ON name = user_id WHERE is_guest = 1 OR appservice_id IS NOT NULL`, nil, 0, 0},
		"DAU":                          {`SELECT COUNT(DISTINCT user_id) FROM user_ips WHERE last_seen > ?`, []any{ms - day}, users / 10, users / 3},
		"WAU":                          {`SELECT COUNT(DISTINCT user_id) FROM user_ips WHERE last_seen > ?`, []any{ms - 7*day}, users / 3, users * 2 / 3},
		"MAU":                          {`SELECT COUNT(DISTINCT user_id) FROM user_ips WHERE last_seen > ?`, []any{ms - 30*day}, users / 2, users * 9 / 10},
		"seen lately without a visit":  {`SELECT COUNT(*) FROM user_ips JOIN users ON name = user_id WHERE is_guest = 0 AND appservice_id IS NULL AND NOT EXISTS (SELECT 1 FROM user_daily_visits v WHERE v.user_id = user_ips.user_id AND v.timestamp = last_seen - last_seen % 86400000)`, nil, 0, 0},
		"back after more than 30 days": {`SELECT COUNT(*) FROM (SELECT user_id FROM user_daily_visits WHERE timestamp > ? GROUP BY user_id HAVING MAX(timestamp) - MIN(timestamp) > ?)`, []any{ms - 60*day, 30 * day}, users / 5, users * 3 / 4},
		"clients":                      {`SELECT COUNT(DISTINCT user_agent) FROM user_daily_visits`, nil, 6, 20},
		"visits on the last Wednesday": {`SELECT COUNT(DISTINCT user_id) FROM user_daily_visits WHERE timestamp = ?`, []any{midnight - 5*day}, users / 5, users / 2},
	} {
		if got := query(t, path, c.statement, c.args...); got < c.low || got > c.high {
			t.Errorf("%s: %d, want %d to %d", name, got, c.low, c.high)
		}
	}
	const visitors = `SELECT COUNT(DISTINCT user_id) FROM user_daily_visits WHERE timestamp = ?`
	if saturday, wednesday := query(t, path, visitors, midnight-2*day), query(t, path, visitors, midnight-5*day); saturday >= wednesday {
		t.Errorf("%d came on Saturday, %d on Wednesday: weekends should be weaker", saturday, wednesday)
	}
}

func TestSameSeedGivesSamePeople(t *testing.T) {
	count := func(seed uint64) [2]int {
		path := filepath.Join(t.TempDir(), "homeserver.db")
		must.Succeed(t, demo.Synapse(t.Context(), path, now, users, seed))
		return [2]int{query(t, path, `SELECT COUNT(*) FROM user_daily_visits`), query(t, path, `SELECT SUM(last_seen % 100000) FROM user_ips`)}
	}
	first := count(1)
	if again := count(1); again != first {
		t.Errorf("%v and %v", first, again)
	}
	if other := count(2); other == first {
		t.Errorf("another seed gives the same people: %v", other)
	}
}

func TestInventedProsody(t *testing.T) {
	directory := t.TempDir()
	must.Succeed(t, demo.Prosody(t.Context(), directory, now, 300, 1))
	for store, want := range map[string][2]int{
		"example%2eorg/accounts":                {200, 200},
		"example%2eorg/lastlog2":                {100, 199},
		"chat%2eexample%2eorg/accounts":         {100, 100},
		"chat%2eexample%2eorg/account_activity": {50, 99},
	} {
		entries, err := os.ReadDir(filepath.Join(directory, store))
		must.Succeed(t, err)
		if n := len(entries); n < want[0] || n > want[1] {
			t.Errorf("%s: %d records, want %d to %d", store, n, want[0], want[1])
		}
	}
	if err := demo.Prosody(t.Context(), "/dev/null/x", now, 3, 1); err == nil {
		t.Error("no error where nothing can be written")
	}
}

func TestInventedDendrite(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "dendrite")
	must.Succeed(t, demo.Dendrite(t.Context(), folder, now, 300, 1))
	path := filepath.Join(folder, demo.DendriteDatabase)
	for name, c := range map[string]struct {
		statement string
		low, high int
	}{
		"accounts":                     {`SELECT COUNT(*) FROM userapi_accounts`, 302, 302},
		"devices that nobody uses":     {`SELECT COUNT(*) FROM userapi_devices WHERE user_agent = '' AND last_seen_ts = created_ts`, 2, 60},
		"visits not at midnight":       {`SELECT COUNT(*) FROM userapi_daily_visits WHERE timestamp % 86400000 != 0`, 0, 0},
		"visits by guests and bridges": {`SELECT COUNT(*) FROM userapi_daily_visits JOIN userapi_accounts USING (localpart) WHERE account_type IN (2, 4)`, 0, 0},
		"visits of idle devices": {`SELECT COUNT(*) FROM userapi_daily_visits JOIN userapi_devices USING (localpart, device_id)
			WHERE timestamp > last_seen_ts`, 10, 10000},
		"visits of devices that are gone": {`SELECT COUNT(*) FROM userapi_daily_visits AS v WHERE NOT EXISTS (SELECT 1 FROM userapi_devices AS d
			WHERE d.localpart = v.localpart AND d.device_id = v.device_id)`, 10, 10000},
		"messages today": {`SELECT messages + e2ee_messages FROM userapi_daily_stats`, 20, 200},
		"rooms":          {`SELECT COUNT(*) FROM roomserver_rooms`, 30, 30},
	} {
		if got := query(t, path, c.statement); got < c.low || got > c.high {
			t.Errorf("%s: %d, want %d to %d", name, got, c.low, c.high)
		}
	}
	if err := demo.Dendrite(t.Context(), "/dev/null/x", now, 3, 1); err == nil {
		t.Error("no error where nothing can be written")
	}
}
