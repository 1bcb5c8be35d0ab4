package history_test

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/benchtest"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/storage"
)

// A visitor is one of a population like that of facts about real servers: a
// tenth come nearly daily, three tenths weekly, the others now and then or
// never; a fifth joined and some left within the last 60 days.
type visitor struct {
	rate     float64 // chance of coming on a day
	from, to int     // days since the first
}

func visitors(n, days int) []visitor {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]visitor, n)
	for i := range all {
		v := visitor{to: days}
		switch at := r.Float64(); {
		case at < 0.1:
			v.rate = 0.65 + 0.35*r.Float64()
		case at < 0.4:
			v.rate = 0.12 + 0.28*r.Float64()
		default:
			v.rate = 0.25 * math.Pow(r.Float64(), 4)
		}
		if r.Float64() < 0.2 {
			v.from = days - 60 + r.IntN(60)
		}
		if r.Float64() < 0.15 {
			v.to = days - 60 + r.IntN(60)
		}
		all[i] = v
	}
	return all
}

// come returns who comes on a day, in an order of chance.
func come(r *rand.Rand, all []visitor, day int) (came []int) {
	weekend := 1.0
	if day%7 >= 5 {
		weekend = 0.8
	}
	for n, v := range all {
		if v.from <= day && day < v.to && r.Float64() < v.rate*weekend {
			came = append(came, n)
		}
	}
	r.Shuffle(len(came), func(i, j int) { came[i], came[j] = came[j], came[i] })
	return came
}

func visit(calendar *activity.Calendar, users []int, day activity.Day) {
	var name []byte
	for _, n := range users {
		name = strconv.AppendInt(append(name[:0], "user"...), int64(n), 10)
		calendar.Visit([]byte("d"), name, 0, day)
	}
}

const (
	benchmarkDays = 60
	hours         = 24
)

// BenchmarkHistory compares the history of 60 days with the same visits as rows
// in the same SQLite, in one run: the bytes of a user and day, the time of the
// durable updates of 24 hours, and the processor time of figures from the disk.
func BenchmarkHistory(b *testing.B) {
	everyone := visitors(benchtest.Users(b, 50_000), benchmarkDays)
	folder := b.TempDir()
	store := history.New(storage.Folder(folder), "")
	calendar := activity.NewCalendar(store.Key(), activity.SynapseClasses())
	rows := createRows(b, filepath.Join(folder, "rows.db"))
	r := rand.New(rand.NewPCG(3, 4))
	visits := 0
	for day := range benchmarkDays - 1 {
		came := come(r, everyone, day)
		date := today - activity.Day(benchmarkDays-1-day)
		visit(calendar, came, date)
		insertRows(b, rows, date, came)
		visits += len(came)
	}
	calendar.RecordVisits("d", noon)
	calendar.Compact(today)
	saveBenchmark(b, store, calendar)

	last := come(r, everyone, benchmarkDays-1)
	visits += len(last)
	var update, updateRows, query, queryRows []time.Duration
	for hour := range hours { // half of those who are seen in an hour were there before
		from, to := len(last)*hour/hours, len(last)*(hour+1)/hours
		seen := append(slices.Clone(last[from:to]), last[max(0, 2*from-to):from]...)
		next := calendar.Clone()
		visit(next, seen, today)
		next.Compact(today)
		began := time.Now()
		saveBenchmark(b, store, next)
		update = append(update, time.Since(began))
		began = time.Now()
		insertRows(b, rows, today, seen)
		updateRows = append(updateRows, time.Since(began))
		calendar = next
	}
	for b.Loop() {
		before := benchtest.ProcessTime()
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
		store = history.New(storage.Folder(folder), "")
		loaded := activity.NewCalendar(store.Key(), activity.SynapseClasses())
		if _, err := store.Load(b.Context(), "server", loaded, activity.SynapseClasses()); err != nil {
			b.Fatal(err)
		}
		ours := loaded.Retention("d", noon).Users
		query = append(query, benchtest.ProcessTime()-before)
		before = benchtest.ProcessTime()
		var theirs int
		if err := rows.GetContext(b.Context(), &theirs, `SELECT COUNT(*) FROM (SELECT 1 FROM visits WHERE day > ? GROUP BY user HAVING MAX(day) - MIN(day) > 30)`, int(today)-60); err != nil {
			b.Fatal(err)
		}
		queryRows = append(queryRows, benchtest.ProcessTime()-before)
		if ours != theirs {
			b.Fatalf("r30v2 is %d, by SQL %d", ours, theirs)
		}
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	size := sizeOfSets(b, folder)
	b.Logf("%d users, %d visits in %d days", len(everyone), visits, benchmarkDays)
	b.ReportMetric(float64(sizeOf(b, rows))/float64(size), "bytes:rows/sets")
	b.ReportMetric(float64(size)/float64(visits), "bytes/user-day")
	b.ReportMetric(ratio(updateRows, update), "update:rows/sets")
	b.ReportMetric(benchtest.Median(update).Seconds()*1000, "ms/update")
	b.ReportMetric(ratio(queryRows, query), "cpu:rows/load+count")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLongHistory measures the file of a history of 400 days.
func BenchmarkLongHistory(b *testing.B) {
	const days = 400
	everyone := visitors(benchtest.Users(b, 50_000), days)
	for b.Loop() {
		folder := b.TempDir()
		store := history.New(storage.Folder(folder), "")
		calendar := activity.NewCalendar(store.Key(), activity.SynapseClasses())
		r := rand.New(rand.NewPCG(3, 4))
		visits := 0
		for day := range days {
			came := come(r, everyone, day)
			visit(calendar, came, today-activity.Day(days-1-day))
			visits += len(came)
			calendar.Compact(today - activity.Day(days-1-day))
		}
		calendar.RecordVisits("d", noon)
		saveBenchmark(b, store, calendar)
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(folder, "history.db"))
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("%d users, %d visits in %d days", len(everyone), visits, days)
		b.ReportMetric(float64(info.Size())/1e6, "MB/file")
		b.ReportMetric(float64(info.Size())/float64(visits), "bytes/user-day")
	}
	b.ReportMetric(0, "ns/op")
}

// ratio is the median of the one to that of the other.
func ratio(of, to []time.Duration) float64 {
	return float64(benchtest.Median(of)) / float64(benchtest.Median(to))
}

func saveBenchmark(b *testing.B, store *history.Store, calendar *activity.Calendar) {
	b.Helper()
	if err := store.Save(b.Context(), "server", []string{"d"}, calendar, activity.SynapseClasses(), saved); err != nil {
		b.Fatal(err)
	}
}

func createRows(b *testing.B, path string) *sqlx.DB {
	b.Helper()
	db, err := sqldb.CreateSQLite(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	if _, err := db.ExecContext(b.Context(), `CREATE TABLE visits (day INTEGER, user INTEGER, PRIMARY KEY (day, user)) WITHOUT ROWID`); err != nil {
		b.Fatal(err)
	}
	return db
}

func insertRows(b *testing.B, db *sqlx.DB, day activity.Day, users []int) {
	b.Helper()
	tx, err := db.BeginTxx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	statement, err := tx.PrepareContext(b.Context(), `INSERT OR IGNORE INTO visits VALUES (?, ?)`)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = statement.Close() }()
	for _, n := range users {
		if _, err := statement.ExecContext(b.Context(), int(day), n); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

// sizeOf is the number of bytes of the pages of a database, which holds little
// but the table.
func sizeOf(b *testing.B, db *sqlx.DB) int64 {
	b.Helper()
	var size int64
	if err := db.GetContext(b.Context(), &size, `SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()`); err != nil {
		b.Fatal(err)
	}
	return size
}

// sizeOfSets is the number of bytes of all day sets.
func sizeOfSets(b *testing.B, folder string) (size int64) {
	b.Helper()
	db, err := sqldb.CreateSQLite(filepath.Join(folder, "history.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.GetContext(b.Context(), &size, `SELECT SUM(LENGTH(users)) FROM history_visits`); err != nil {
		b.Fatal(err)
	}
	return size
}
