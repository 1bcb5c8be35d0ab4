package synapse_test

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/benchtest"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// BenchmarkTokens reads two homeservers with the same users: on one of them access tokens
// live on, on the other one five minutes, so that user_ips has ACTIVE_USERS_BENCH_TOKENS
// rows for each user, 100 if that is not set. ACTIVE_USERS_BENCH_USERS is the number of
// users, 30,000 if it is not set.
func BenchmarkTokens(b *testing.B) {
	users, tokens := benchtest.Users(b, 30_000), benchtest.Number(b, "ACTIVE_USERS_BENCH_TOKENS", 100)
	few := dbtest.StartPostgreSQL(b, "autovacuum=off")
	many := dbtest.StartPostgreSQL(b, "autovacuum=off", "max_wal_size=8GB", "maintenance_work_mem=512MB", "log_min_duration_statement=100")
	must.Succeed(b, synapsetest.Population{Users: users, Days: 60, Now: noon}.FillPostgreSQL(b.Context(), few.Location))
	must.Succeed(b, synapsetest.Population{Users: users, Days: 60, Now: noon, Tokens: tokens}.FillPostgreSQL(b.Context(), many.Location))
	var rows int
	must.Succeed(b, connect(b, many.Location).QueryRow(b.Context(), `SELECT COUNT(*) FROM user_ips`).Scan(&rows))
	b.Logf("%d users, %d rows of user_ips", users, rows)
	for _, server := range []*dbtest.Server{few, many} { // else who reads writes what filling has left
		dbtest.Exec(b, server.Location, "CHECKPOINT")
	}

	var totals, classes, minute []float64
	var longest time.Duration
	for b.Loop() {
		plain, _ := measured(b, few, func() { firstLoad(b, few.Location, false) })
		first, _ := measured(b, many, func() { firstLoad(b, many.Location, false) })
		before := many.Statements()
		whole, _ := measured(b, many, func() { firstLoad(b, many.Location, true) })
		for _, took := range many.Statements()[len(before):] {
			longest = max(longest, took)
		}
		single, _ := measured(b, many, func() { singleRead(b, many.Location) })
		totals, classes = append(totals, ratio(first, plain)), append(classes, ratio(whole, single))
		began := time.Now()
		firstLoad(b, throttled(b, many.Location), false)
		minute = append(minute, time.Since(began).Seconds())
	}
	b.ReportMetric(benchtest.Median(totals), "dbcpu:totals/few-rows")
	b.ReportMetric(benchtest.Median(classes), "dbcpu:all/single-read")
	b.ReportMetric(longest.Seconds(), "s/longest-statement")
	b.ReportMetric(benchtest.Median(minute), "s/totals-at-4.5MB/s")
	b.ReportMetric(0, "ns/op")
}

// firstLoad reads a homeserver as an exporter without a history does, until its totals
// are known, or everything.
func firstLoad(b *testing.B, location string, everything bool) {
	b.Helper()
	reader := readerOf(b, location)
	calendar := activity.NewCalendar(activity.Key{1}, activity.SynapseClasses())
	since := time.Time{}
	for {
		batch := activity.NewBatch(calendar)
		facts := must.Get(reader.Read(b.Context(), since, noon, batch))(b)
		must.Succeed(b, facts.PartialErr)
		batch.Flush()
		if !everything || !facts.Unfinished {
			return
		}
		since = noon
	}
}

// singleRead takes all rows that a first load needs, in one statement for each table, and
// throws them away.
func singleRead(b *testing.B, location string) {
	b.Helper()
	connection := connect(b, location)
	for _, query := range []string{
		`SELECT user_id, user_agent, timestamp FROM user_daily_visits`,
		fmt.Sprintf(`SELECT user_id, user_agent, last_seen FROM user_ips WHERE last_seen > %d`, noon.Add(-activity.MaxWindow).UnixMilli()),
		`SELECT user_id, user_agent, last_seen FROM devices`,
	} {
		_ = must.Get(connection.PgConn().CopyTo(b.Context(), discard{}, `COPY (`+query+`) TO STDOUT (FORMAT binary)`))(b)
	}
	must.Succeed(b, connection.Close(b.Context()))
}

// throttled returns the location of the same database over a line of 4.5 MB/s.
func throttled(b *testing.B, location string) string {
	b.Helper()
	u := must.Get(url.Parse(location))(b)
	target := u.Host
	listener := must.Get((&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0"))(b)
	b.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", target)
			if err != nil {
				_ = client.Close()
				return
			}
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
			go func() { slowly(client, server); _ = client.Close() }()
		}
	}()
	u.Host = listener.Addr().String()
	return u.String()
}

// slowly copies 4.5 MB/s.
func slowly(to io.Writer, from io.Reader) {
	const bytes, pause = 45_000, 10 * time.Millisecond
	for next := time.Now(); ; next = next.Add(pause) {
		time.Sleep(time.Until(next))
		if n, err := io.CopyN(to, from, bytes); err != nil || n == 0 {
			return
		}
	}
}
