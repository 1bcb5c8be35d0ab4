package synapse_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/benchtest"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// BenchmarkSynapseOnSQLite compares the exporter with Synapse's own SQL on SQLite, where who
// asks does the work of the database. ACTIVE_USERS_BENCH_USERS is the number of users,
// 20,000 if it is not set, ACTIVE_USERS_BENCH_TOKENS that of the rows of user_ips for each
// user where tokens live five minutes, 100 if it is not set.
func BenchmarkSynapseOnSQLite(b *testing.B) {
	users, tokens := benchtest.Users(b, 20_000), benchtest.Number(b, "ACTIVE_USERS_BENCH_TOKENS", 100)
	few, many := filepath.Join(b.TempDir(), "few.db"), filepath.Join(b.TempDir(), "many.db")
	must.Succeed(b, synapsetest.Population{Users: users, Days: 60, Now: noon}.FillSQLite(b.Context(), few))
	must.Succeed(b, synapsetest.Population{Users: users, Days: 60, Now: noon, Tokens: tokens}.FillSQLite(b.Context(), many))
	query := fmt.Sprintf(synapseSQL, noon.AddDate(0, 0, -60).UnixMilli(), noon.AddDate(0, 0, 1).UnixMilli())
	const hour = time.Hour

	ratios := make(map[string][]float64)
	for b.Loop() {
		theirs := processTime(b, func() { overSQLite(b, few, func(view sqldb.View) error { return run(b.Context(), view, query) }) })
		reader, calendar := readerOf(b, "sqlite:"+few), activity.NewCalendar(activity.Key{1}, activity.SynapseClasses())
		first := processTime(b, func() { readBatched(b, reader, time.Time{}, noon.Add(-hour), calendar) })
		readBatched(b, reader, noon.Add(-hour), noon.Add(-hour), calendar) // what figures of more than r30v2 wait for
		refresh := processTime(b, func() {
			for range refreshes {
				readBatched(b, reader, noon.Add(-hour), noon, calendar)
			}
		}) / refreshes
		totals := processTime(b, func() { firstLoad(b, "sqlite:"+many, false) })
		all := processTime(b, func() { firstLoad(b, "sqlite:"+many, true) })
		single := processTime(b, func() {
			overSQLite(b, many, func(view sqldb.View) error {
				return view.Stream(b.Context(), `SELECT user_id, user_agent, last_seen FROM user_ips WHERE last_seen > 0`, 3, func(*sqldb.Row) {})
			})
		})
		for name, of := range map[string]float64{
			"cpu:r30v2/refresh": ratio(theirs, refresh), "cpu:r30v2/first-load": ratio(theirs, first),
			"cpu:totals/few-rows": ratio(totals, first), "cpu:all/single-read": ratio(all, first+single), "cpu-ms/refresh": 1e3 * refresh.Seconds(),
		} {
			ratios[name] = append(ratios[name], of)
		}
	}
	for name, all := range ratios {
		b.ReportMetric(benchtest.Median(all), name)
	}
	b.ReportMetric(0, "ns/op")
}

// overSQLite gives some work a view of a database.
func overSQLite(b *testing.B, path string, work func(sqldb.View) error) {
	b.Helper()
	source := must.Get(sqldb.ParseSource("sqlite:" + path))(b)
	must.Succeed(b, source.Read(b.Context(), sqldb.Options{}, func(_ context.Context, view sqldb.View) error { return work(view) }))
}

// run executes statements, and takes the rows of each.
func run(ctx context.Context, view sqldb.View, statements string) error {
	rows, err := view.QueryContext(ctx, statements)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
		}
	}
	return rows.Err()
}

// processTime returns the processor time that the process takes for some work.
func processTime(b *testing.B, work func()) time.Duration {
	b.Helper()
	began := benchtest.ProcessTime()
	work()
	return benchtest.ProcessTime() - began
}
