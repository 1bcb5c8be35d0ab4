package history_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb"
)

// benchmarkUsers is ACTIVE_USERS_BENCH_USERS, 50,000 if it is not set.
func benchmarkUsers(b *testing.B) int {
	b.Helper()
	text, set := os.LookupEnv("ACTIVE_USERS_BENCH_USERS")
	if !set {
		return 50_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// cpu is the processor time of this process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// rate is how likely a user comes on a day: a tenth are there daily, the others
// now and then.
func rate(n int) float64 {
	if n%10 == 0 {
		return 0.8
	}
	return 0.3 * math.Pow(float64(uint32(n)*2654435761)/(1<<32), 2)
}

// BenchmarkHistory compares the history of 60 days with the same visits as rows
// in the same SQLite, in one run: the bytes of a user and day, the time of an
// hour's durable update, and the processor time of figures from the disk.
func BenchmarkHistory(b *testing.B) {
	users := benchmarkUsers(b)
	folder := b.TempDir()
	store := history.New(folder, "")
	calendar := activity.NewCalendar(store.Key(), activity.SynapseClasses())
	rows := createRows(b, filepath.Join(folder, "rows.db"))
	r := rand.New(rand.NewPCG(1, 2))
	visits := 0
	for ago := activity.Day(59); ago >= 0; ago-- {
		var came []int
		for n := range users {
			if r.Float64() < rate(n) {
				calendar.Visit([]byte("d"), fmt.Appendf(nil, "user%d", n), 0, today-ago)
				came = append(came, n)
			}
		}
		visits += len(came)
		insertRows(b, rows, today-ago, came)
	}
	calendar.RecordVisits("d", noon)
	calendar.Compact(today)
	saveBenchmark(b, store, calendar)
	bytes := float64(sizeOf(b, rows)) / float64(sizeOfSets(b, folder))
	b.Logf("%d users, %d visits", users, visits)

	var update, updateRows, query, queryRows time.Duration
	for b.Loop() {
		var came []int // an hour later, all of today once more and some new ones
		next := calendar.Clone()
		for n := range users {
			if r.Float64() < rate(n)*0.6 {
				came = append(came, n)
				next.Visit([]byte("d"), fmt.Appendf(nil, "user%d", n), 0, today)
			}
		}
		next.Compact(today)
		began := time.Now()
		saveBenchmark(b, store, next)
		update += time.Since(began)
		began = time.Now()
		insertRows(b, rows, today, came)
		updateRows += time.Since(began)
		calendar = next

		before := cpu(b)
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
		store = history.New(folder, "")
		loaded := activity.NewCalendar(store.Key(), activity.SynapseClasses())
		if _, err := store.Load(b.Context(), "server", loaded, activity.SynapseClasses()); err != nil {
			b.Fatal(err)
		}
		ours := loaded.Retention("d", noon).Users
		query += cpu(b) - before
		before = cpu(b)
		var theirs int
		if err := rows.GetContext(b.Context(), &theirs, `SELECT COUNT(*) FROM (SELECT 1 FROM visits WHERE day > ? GROUP BY user HAVING MAX(day) - MIN(day) > 30)`, int(today)-60); err != nil {
			b.Fatal(err)
		}
		queryRows += cpu(b) - before
		if ours != theirs {
			b.Fatalf("r30v2 is %d, by SQL %d", ours, theirs)
		}
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(bytes, "bytes:rows/sets")
	b.ReportMetric(float64(sizeOfSets(b, folder))/float64(visits), "bytes/user-day")
	b.ReportMetric(float64(updateRows)/float64(update), "update:rows/sets")
	b.ReportMetric(update.Seconds()*1000/float64(b.N), "ms/update")
	b.ReportMetric(float64(queryRows)/float64(query), "cpu:rows/load+count")
	b.ReportMetric(0, "ns/op")
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
