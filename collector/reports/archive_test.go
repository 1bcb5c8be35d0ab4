package reports_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

func archived(t *testing.T, folder string) (all []reports.Archived) {
	t.Helper()
	must.Succeed(t, reports.Each(t.Context(), at(t, folder), time.Unix(0, 0), noon.AddDate(1, 0, 0), func(a reports.Archived) error {
		all = append(all, a)
		return nil
	}))
	return all
}

// What is imported is older than what was received, newer, and partly the same;
// the newest stays the newest.
func TestImport(t *testing.T) {
	folder := t.TempDir()
	if all := archived(t, folder); all != nil {
		t.Errorf("%v in a folder without a store", all)
	}
	r := start(t, folder, nil)
	r.put("PUT", path, report("a.example", `"total_users":2`), nil)
	must.Succeed(t, r.Close())
	body := func(homeserver, users string) json.RawMessage {
		return json.RawMessage(report(homeserver, `"total_users":`+users))
	}
	more := []reports.Archived{
		{Received: noon.Add(-5 * time.Hour), Report: body("b.example", "7")},
		{Received: noon, Report: body("a.example", "2")}, // there already
		{Received: noon.Add(-9 * time.Hour), Report: body("a.example", "1")},
		{Received: noon.Add(-2 * time.Hour), Report: json.RawMessage(`{}`)}, // no report
	}
	added, err := reports.Import(t.Context(), at(t, folder), more)
	must.Succeed(t, err)
	if added != 2 {
		t.Errorf("%d added, want 2", added)
	}
	var order []time.Duration
	for _, a := range archived(t, folder) {
		order = append(order, a.Received.Sub(noon))
	}
	if diff := cmp.Diff([]time.Duration{-9 * time.Hour, -5 * time.Hour, 0}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	r = start(t, folder, nil)
	shown := r.Shown().Homeservers
	must.Succeed(t, r.Close())
	if len(shown) != 2 || shown[0].Statistics["total_users"] != 2 || shown[0].Reports != 2 || shown[1].Reports != 1 {
		t.Errorf("%+v", shown)
	}
}

func TestPanopticon(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stats.db")
	db, err := sqldb.CreateSQLite(file)
	must.Succeed(t, err)
	for _, statement := range []string{
		`CREATE TABLE stats (id INTEGER PRIMARY KEY, homeserver VARCHAR(256), local_timestamp BIGINT, remote_timestamp BIGINT, remote_addr TEXT, forwarded_for TEXT, uptime_seconds BIGINT, total_users BIGINT, server_context TEXT, user_agent TEXT)`,
		`INSERT INTO stats (homeserver, local_timestamp, remote_addr, total_users, server_context) VALUES ('a.example', 1700000000, '192.0.2.1', 42, 'school')`,
		`INSERT INTO stats (homeserver, local_timestamp, total_users, user_agent) VALUES ('d.example', 1700000003, 3, 'Synapse/1.160.0'), ('e.example', 1700000004, 4, 'Dendrite/0.8.1'), ('without-a-time.example', NULL, 5, NULL)`,
		`CREATE TABLE dendrite_stats (id INTEGER PRIMARY KEY, homeserver VARCHAR(256), local_timestamp BIGINT, remote_addr TEXT, forwarded_for TEXT, total_users BIGINT, daily_messages BIGINT, user_agent TEXT, goos TEXT, goversion TEXT, nats_embedded INT, version TEXT)`,
		`INSERT INTO dendrite_stats (homeserver, local_timestamp, remote_addr, total_users, daily_messages, user_agent, goos, goversion, nats_embedded, version)
			VALUES ('b.example', 1700000001, '192.0.2.1', 7, 5, 'Dendrite/0.15.2', 'linux', 'go1.26', 1, '0.15.2'), ('c.example', 1700000002, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL)`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		must.Succeed(t, err)
	}
	must.Succeed(t, db.Close())
	source, err := sqldb.ParseSource("sqlite:" + file)
	must.Succeed(t, err)
	all, err := reports.ImportDatabase(t.Context(), source)
	must.Succeed(t, err)
	want := []reports.Archived{
		{Received: time.Unix(1700000000, 0).UTC(), Report: json.RawMessage(`{"homeserver":"a.example","server_context":"school","total_users":42}`)},
		{Received: time.Unix(1700000003, 0).UTC(), Report: json.RawMessage(`{"homeserver":"d.example","total_users":3,"version":"1.160.0"}`)},
		{Received: time.Unix(1700000004, 0).UTC(), Report: json.RawMessage(`{"homeserver":"e.example","total_users":4,"software":"dendrite","version":"0.8.1"}`)},
		{Received: time.Unix(1700000001, 0).UTC(), Report: json.RawMessage(`{"daily_messages":5,"go_os":"linux","go_version":"go1.26","homeserver":"b.example","nats_embedded":true,"total_users":7,"version":"0.15.2"}`)},
		{Received: time.Unix(1700000002, 0).UTC(), Report: json.RawMessage(`{"homeserver":"c.example","total_users":1,"software":"dendrite"}`)},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The columns are those of barad-dur's table.
func TestBaradDur(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	dbtest.Exec(t, location,
		`CREATE TABLE statsreport (id BIGSERIAL PRIMARY KEY, local_timestamp timestamp with time zone, remote_timestamp timestamp with time zone,
			daily_active_users BIGINT, cpu_average BIGINT, total_users BIGINT, cache_factor DOUBLE PRECISION, database_engine TEXT, homeserver TEXT,
			server_context TEXT, remote_addr TEXT, x_forwarded_for TEXT, user_agent TEXT)`,
		`INSERT INTO statsreport (local_timestamp, remote_timestamp, daily_active_users, total_users, cache_factor, database_engine, homeserver, remote_addr, x_forwarded_for, user_agent) VALUES
			('2026-10-01 13:00:00.25+02', '2026-10-01 10:59:59Z', 7, 42, 0.5, 'psycopg2', 'a.example', '192.0.2.1', '203.0.113.9', 'Synapse/1.160.0'),
			('2026-10-01 12:00:00Z', NULL, NULL, 3, NULL, NULL, 'b.example', NULL, NULL, 'Dendrite/0.15.2')`)
	source, err := sqldb.ParseSource(location)
	must.Succeed(t, err)
	all, err := reports.ImportDatabase(t.Context(), source)
	must.Succeed(t, err)
	want := []reports.Archived{
		{Received: time.Date(2026, 10, 1, 11, 0, 0, 250e6, time.UTC), Report: json.RawMessage(`{"cache_factor":0.5,"daily_active_users":7,"database_engine":"psycopg2","homeserver":"a.example","total_users":42,"version":"1.160.0"}`)},
		{Received: time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC), Report: json.RawMessage(`{"homeserver":"b.example","total_users":3,"software":"dendrite","version":"0.15.2"}`)},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	dbtest.Exec(t, location, `DROP TABLE statsreport`)
	if _, err := reports.ImportDatabase(t.Context(), source); err == nil || !strings.Contains(err.Error(), "is this barad-dur's database?") {
		t.Errorf("error %v", err)
	}
}
