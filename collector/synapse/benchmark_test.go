package synapse_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/benchtest"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// synapseSQL is what counting r30v2 the way Synapse does costs a database: one
// statement per user and class of client, one per user, over 60 days of visits.
const synapseSQL = `
SELECT client_type, COUNT(*) FROM (
	SELECT user_id, CASE
		WHEN LOWER(user_agent) LIKE '%%riot%%' OR LOWER(user_agent) LIKE '%%element%%' THEN CASE
			WHEN LOWER(user_agent) LIKE '%%electron%%' THEN 'electron'
			WHEN LOWER(user_agent) LIKE '%%android%%' THEN 'android'
			WHEN LOWER(user_agent) LIKE '%%ios%%' THEN 'ios'
			ELSE 'unknown' END
		WHEN LOWER(user_agent) LIKE '%%mozilla%%' OR LOWER(user_agent) LIKE '%%gecko%%' THEN 'web'
		ELSE 'unknown' END AS client_type
	FROM user_daily_visits WHERE timestamp > %[1]d AND timestamp < %[2]d
	GROUP BY user_id, client_type HAVING MAX(timestamp) - MIN(timestamp) > 2592000000) AS retained
GROUP BY client_type;
SELECT COUNT(*) FROM (
	SELECT 1 FROM user_daily_visits WHERE timestamp > %[1]d AND timestamp < %[2]d
	GROUP BY user_id HAVING MAX(timestamp) - MIN(timestamp) > 2592000000) AS retained`

// benched is one measurement of everything that is compared.
type benched struct {
	synapse, first, refresh, activity, visits time.Duration // of the database's processor
	changed, minutes, report, before          time.Duration // the same; see hours
	firstWall, discardWall, restart           time.Duration
}

// BenchmarkPostgreSQL compares the exporter with Synapse's own SQL in one run,
// in rounds, and prints ratios, and for sizing the database's processor time alone,
// which is read from the operating system. ACTIVE_USERS_BENCH_USERS is the number of users, 20,000 if
// it is not set; ACTIVE_USERS_BENCH_HOUR is the hour of the day, 12 if not.
func BenchmarkPostgreSQL(b *testing.B) {
	users, hour := benchtest.Users(b, 20_000), benchtest.Number(b, "ACTIVE_USERS_BENCH_HOUR", 12)
	now := noon.Truncate(day).Add(time.Duration(hour) * time.Hour)
	server := dbtest.StartPostgreSQL(b, "shared_buffers=6GB", "max_wal_size=8GB", "autovacuum=off")
	population := synapsetest.Population{Users: users, Days: 60, Now: now}
	if err := population.FillPostgreSQL(b.Context(), server.Location); err != nil {
		b.Fatal(err)
	}
	var visits int
	connection := connect(b, server.Location)
	if _, err := connection.Exec(b.Context(), `SET jit = off; SET max_parallel_workers_per_gather = 0`); err != nil { // as the exporter does
		b.Fatal(err)
	}
	plain := connect(b, server.Location) // Synapse's has the server's defaults
	if err := connection.QueryRow(b.Context(), `SELECT COUNT(*) FROM user_daily_visits`).Scan(&visits); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d users, %d visits", users, visits)

	// What is measured is in the server's memory, as on one that has been running.
	readBatched(b, readerOf(b, server.Location), time.Time{}, now, activity.NewCalendar(activity.Key{1}, activity.SynapseClasses()))
	var rounds []benched
	for b.Loop() {
		rounds = append(rounds, round(b, server, connection, plain, now))
	}
	median := func(of func(r benched) float64) float64 {
		var all []float64
		for _, r := range rounds {
			all = append(all, of(r))
		}
		return benchtest.Median(all)
	}
	for name, of := range map[string]func(r benched) float64{
		"dbcpu:r30v2/visits":      func(r benched) float64 { return ratio(r.synapse, r.visits) },
		"dbcpu:r30v2/activity":    func(r benched) float64 { return ratio(r.synapse, r.activity) },
		"dbcpu:r30v2/with-usage":  func(r benched) float64 { return ratio(r.synapse, r.refresh) },
		"dbcpu:r30v2/changed":     func(r benched) float64 { return ratio(r.synapse, r.changed) },
		"dbcpu:report/with-usage": func(r benched) float64 { return ratio(r.report+r.synapse, r.refresh) },
		"dbcpu:minutes/before":    func(r benched) float64 { return ratio(r.minutes, r.before+r.activity) },
		"dbcpu:r30v2/first-load":  func(r benched) float64 { return ratio(r.synapse, r.first) },
		"wall:first-load/discard": func(r benched) float64 { return ratio(r.firstWall, r.discardWall) },
		"wall:restart/first-load": func(r benched) float64 { return ratio(r.restart, r.firstWall) },
		"dbcpu-ms/refresh":        func(r benched) float64 { return 1e3 * r.refresh.Seconds() },
		"dbcpu-ms/first-load":     func(r benched) float64 { return 1e3 * r.first.Seconds() },
	} {
		b.ReportMetric(median(of), name)
	}
	b.ReportMetric(0, "ns/op") // a round is of no interest as a whole
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func connect(b *testing.B, location string) *pgx.Conn {
	b.Helper()
	connection, err := pgx.Connect(b.Context(), location)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = connection.Close(context.Background()) })
	return connection
}

// refreshes is how many are measured together: the operating system counts in
// steps of 10 ms.
const refreshes = 10

func round(b *testing.B, server *dbtest.Server, connection, plain *pgx.Conn, now time.Time) (r benched) {
	b.Helper()
	classes := activity.SynapseClasses()
	r.first, r.firstWall = measured(b, server, func() {
		readBatched(b, readerOf(b, server.Location), time.Time{}, now, activity.NewCalendar(activity.Key{1}, classes))
	})

	hour := &lastHour{server: server, connection: connection, now: now}
	hour.begin(b, classes)
	hour.putBack(b, 0, 1000)
	r.restart = hour.restart(b, classes)
	r.refresh = hour.hourly(b, "")
	r.minutes = hour.minutes(b)
	r.changed = hour.hourly(b, changes)

	// What of it the figures of activity take, without counting accounts,
	// rooms and messages: the visits of today, all that r30v2 needs; last-seen
	// rows of an hour; the count of one day.
	today := activity.DayOf(now).Start().UnixMilli()
	for i, query := range []string{
		fmt.Sprintf(`COPY (SELECT user_id, user_agent FROM user_daily_visits WHERE timestamp >= %d AND timestamp < %d) TO STDOUT (FORMAT binary)`, today, today+day.Milliseconds()),
		fmt.Sprintf(`COPY (SELECT user_id, user_agent, last_seen FROM user_ips WHERE last_seen > %d) TO STDOUT (FORMAT binary)`, now.Add(-65*time.Minute).UnixMilli()),
		fmt.Sprintf(`COPY (SELECT timestamp, COUNT(*) FROM user_daily_visits WHERE timestamp >= %d AND timestamp < %d GROUP BY timestamp) TO STDOUT (FORMAT binary)`, today-9*day.Milliseconds(), today-8*day.Milliseconds()),
	} {
		total, _ := measured(b, server, func() {
			for range refreshes {
				if _, err := connection.PgConn().CopyTo(b.Context(), discard{}, query); err != nil {
					b.Fatal(err)
				}
			}
		})
		if i == 0 {
			r.visits = total / refreshes
		}
		r.activity += total / refreshes
	}

	from := activity.DayOf(now.AddDate(0, 0, -60)).Start().UnixMilli()
	all := fmt.Sprintf(`COPY (SELECT user_id, user_agent, timestamp FROM user_daily_visits WHERE timestamp >= %d AND timestamp < %d) TO STDOUT (FORMAT binary)`, from, today+2*day.Milliseconds())
	seen := fmt.Sprintf(`COPY (SELECT user_id, user_agent, last_seen FROM user_ips WHERE last_seen > %d) TO STDOUT (FORMAT binary)`, from)
	devices := fmt.Sprintf(`COPY (SELECT user_id, user_agent, last_seen FROM devices WHERE last_seen > %d AND last_seen < %d) TO STDOUT (FORMAT binary)`,
		now.Add(-activity.MaxWindow).UnixMilli(), now.AddDate(0, 0, -28).UnixMilli())
	const accounts = `COPY (SELECT name, user_type, deactivated FROM users) TO STDOUT (FORMAT binary)`
	messages := fmt.Sprintf(`COPY (SELECT stream_ordering, received_ts, room_id, sender, type FROM events
		WHERE type IN ('m.room.message', 'm.room.encrypted') AND received_ts > %d) TO STDOUT (FORMAT binary)`, now.Add(-day).UnixMilli())
	_, r.discardWall = measured(b, server, func() {
		for _, query := range []string{all, seen, devices, accounts, messages} {
			if _, err := connection.PgConn().CopyTo(b.Context(), discard{}, query); err != nil {
				b.Fatal(err)
			}
		}
	})

	query := fmt.Sprintf(synapseSQL, now.AddDate(0, 0, -60).UnixMilli(), now.AddDate(0, 0, 1).UnixMilli())
	r.synapse, _ = measured(b, server, func() {
		if _, err := plain.Exec(b.Context(), query, pgx.QueryExecModeSimpleProtocol); err != nil {
			b.Fatal(err)
		}
	})
	r.report = hour.statements(b, plain, reportSQL)
	r.before = hour.statements(b, connection, beforeSQL)
	return r
}

// readerOf returns a new Reader of a database.
func readerOf(b *testing.B, location string) *synapse.Reader {
	b.Helper()
	return synapse.New(synapse.Options{Database: must.Get(sqldb.ParseSource(location))(b), ServerName: synapsetest.Server}, activity.SynapseClasses())
}

// readBatched reads as a refresh does.
func readBatched(b *testing.B, reader *synapse.Reader, since, now time.Time, calendar *activity.Calendar) {
	b.Helper()
	batch := activity.NewBatch(calendar)
	if _, err := reader.Read(b.Context(), since, now, batch); err != nil {
		b.Fatal(err)
	}
	batch.Flush()
}

// restart returns how long a new process takes to its first figures, from the history of
// the refresh at the beginning of the hour.
func (h *lastHour) restart(b *testing.B, classes *activity.Classes) time.Duration {
	b.Helper()
	began := h.now.Add(-time.Hour)
	folder, key := b.TempDir(), activity.Key{1} // that of the calendar
	if err := os.WriteFile(filepath.Join(folder, "key"), key[:], 0o600); err != nil {
		b.Fatal(err)
	}
	store := history.New(storage.Folder(folder), "")
	if err := store.Save(b.Context(), "server", []string{synapsetest.Server}, h.before, classes, history.Moment{At: began, FullRead: began}); err != nil {
		b.Fatal(err)
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	started := time.Now()
	store = history.New(storage.Folder(folder), "")
	loaded := activity.NewCalendar(store.Key(), classes)
	if _, err := store.Load(b.Context(), "server", loaded, classes); err != nil {
		b.Fatal(err)
	}
	readBatched(b, readerOf(b, h.server.Location), began, h.now, loaded)
	loaded.Compact(activity.DayOf(h.now))
	for _, w := range activity.DefaultWindows() {
		loaded.ActiveAfter(synapsetest.Server, w.Since(h.now), time.Time{})
	}
	if loaded.Retention(synapsetest.Server, h.now).Users == 0 {
		b.Fatal("no figures after a restart")
	}
	took := time.Since(started)
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	return took
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// measured returns the database's processor time and the time that passed.
func measured(b *testing.B, server *dbtest.Server, work func()) (cpu, wall time.Duration) {
	b.Helper()
	settle(b, server)
	cpuBefore, began := server.CPU(b), time.Now()
	work()
	wall = time.Since(began)
	settle(b, server)
	return server.CPU(b) - cpuBefore, wall
}

// settle waits until the database's processes have ended and are counted.
func settle(b *testing.B, server *dbtest.Server) {
	b.Helper()
	for last := time.Duration(-1); ; {
		now := server.CPU(b)
		if now == last {
			return
		}
		last = now
		time.Sleep(50 * time.Millisecond)
	}
}
