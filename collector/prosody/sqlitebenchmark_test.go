package prosody_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/benchtest"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/sqldb"
)

// benchedVariable makes this test binary a process that refreshes once from the
// SQLite file that it names.
const benchedVariable = "ACTIVE_USERS_BENCH_REFRESH"

// BenchmarkSQLite refreshes once, in a process of its own, from a Prosody's
// SQLite file, beside a plain loop that reads the bytes of the file, and reports
// the processor time for a million users, the peak of the process's memory in
// 10⁶ bytes, which includes 20 or so of any such process, and the ratio of the
// times that passed:
//
//	go test -run='^$' -bench=SQLite -benchtime=5x ./collector/prosody
//
// The number of users is 20,000, or what ACTIVE_USERS_BENCH_USERS says; all were
// there in the last two months.
func BenchmarkSQLite(b *testing.B) {
	if path := os.Getenv(benchedVariable); path != "" {
		refreshOnce(b, path)
		return
	}
	users := benchtest.Users(b, 20_000)
	for name, statements := range map[string][]string{"Prosody=0.12": prosody012, "Prosody=13": prosody13} {
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "prosody.sqlite")
			fillSQLite(b, path, users, statements)
			var cpu, loop, refresh time.Duration
			var peak float64
			for b.Loop() {
				loop += timed(b, func() error { return readBytes(path) })
				refresh += timed(b, func() error {
					process := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkSQLite$", "-test.benchtime=1x")
					process.Env = append(os.Environ(), benchedVariable+"="+path)
					output, err := process.CombinedOutput()
					if err != nil {
						return fmt.Errorf("%w: %s", err, output)
					}
					cpu += process.ProcessState.UserTime() + process.ProcessState.SystemTime()
					most, err := peakOf(string(output), users)
					peak = max(peak, most)
					return err
				})
			}
			b.ReportMetric(cpu.Seconds()/float64(b.N)*1e6/float64(users), "cpu-s/1M-users")
			b.ReportMetric(peak/1e6, "peak-MB")
			b.ReportMetric(float64(refresh)/float64(loop), "refresh/loop")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// refreshOnce is what the process does. It prints how many users it found and
// the most memory that it had.
func refreshOnce(b *testing.B, path string) {
	b.Helper()
	source, err := sqldb.ParseSource("sqlite:" + path)
	if err != nil {
		b.Fatal(err)
	}
	classes := activity.SynapseClasses()
	refresher := collector.NewRefresher(collector.RefresherOptions{
		Server: "xmpp", Software: "prosody", Reader: prosody.New(prosody.Options{Database: source}, classes),
		Interval: time.Hour, StaleAfter: time.Hour, Windows: activity.DefaultWindows(), Classes: classes,
		Now: func() time.Time { return now }, Logger: log.NewNopLogger(),
	})
	if err := refresher.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	status, _ := os.ReadFile("/proc/self/status") // of Linux; the peak of other systems is 0
	peak := append(regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(status), nil, []byte("0"))[1]
	for _, d := range refresher.Status().Snapshot.Domains {
		accounts, _ := d.Accounts()
		b.Logf("%d accounts, %d users active in a month, at most %s KiB", accounts, d.Active[len(d.Active)-1].Users, peak)
	}
}

// peakOf reads what refreshOnce has printed.
func peakOf(output string, users int) (bytes float64, err error) {
	var accounts, active, kibibytes int
	_, after, _ := strings.Cut(output, "_test.go:")
	if _, err := fmt.Sscanf(after, "%d: %d accounts, %d users active in a month, at most %d KiB", new(int), &accounts, &active, &kibibytes); err != nil || accounts != users || active < users/3 {
		return 0, fmt.Errorf("not %d users (%w): %s", users, err, output)
	}
	return float64(kibibytes) * 1024, nil
}

func readBytes(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	// Not io.Copy alone, which may leave it to the kernel.
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{file}, make([]byte, 256<<10))
	return err
}

// What Prosody leaves behind: accounts in the order in which they were made,
// then logins in any order, rows written again among them. Sizes are those of
// real ones. The parameter is the number of users.
var (
	prosody012 = []string{
		`CREATE INDEX prosody_index ON prosody (host, "user", store, "key")`,
		insertAccounts + ` UNION ALL SELECT 'lastlog2', 'registered', 'json', '{"timestamp":1746100802}') AS k`,
		inAnyOrder(7919, `'lastlog2', 'login', 'json', '{"timestamp":' || (1749988800 - 5 * i * 1000000 / ?1) || '}'`),
		inAnyOrder(104729, `'lastlog2', 'logout', 'json', '{"timestamp":' || (1749988800 - 5 * i * 1000000 / ?1) || '}'`),
		`DELETE FROM prosody WHERE store = 'lastlog2' AND "key" = 'login' AND rowid % 3 = 0`,
		`INSERT INTO prosody SELECT host, "user", store, 'login', type, value FROM prosody AS p WHERE store = 'lastlog2' AND "key" = 'logout'
			AND NOT EXISTS (SELECT 1 FROM prosody WHERE host = p.host AND "user" = p."user" AND store = 'lastlog2' AND "key" = 'login')`,
	}
	prosody13 = []string{
		`CREATE UNIQUE INDEX prosody_unique_index ON prosody (host, "user", store, "key")`,
		insertAccounts + ` UNION ALL SELECT 'accounts', 'created', 'number', '1746100802' UNION ALL SELECT 'accounts', 'updated', 'number', '1746100802') AS k`,
		inAnyOrder(7919, `'account_activity', 'timestamp', 'number', 1749988800 - 5 * i * 1000000 / ?1`),
	}
)

const insertAccounts = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
		INSERT INTO prosody SELECT 'example.org', 'user' || i, k.* FROM n, (
			SELECT 'accounts', 'stored_key', 'string', '51824fc7bda166201aa6f4339580c7e0d7d81ae9'
			UNION ALL SELECT 'accounts', 'salt', 'string', 'f47f7f97-55cb-40ac-8ff7-95194872886f'
			UNION ALL SELECT 'accounts', 'iteration_count', 'number', '10000'
			UNION ALL SELECT 'accounts', 'server_key', 'string', '07e90c533edad79cc97c7a044e164782c18315ac'`

// inAnyOrder inserts a row for each user, in an order that the prime number
// makes.
func inAnyOrder(prime int, row string) string {
	return fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
		INSERT INTO prosody SELECT 'example.org', 'user' || (1 + i * %d %% ?1), %s FROM n`, prime, row)
}

func fillSQLite(b *testing.B, path string, users int, statements []string) {
	b.Helper()
	db, err := sqldb.CreateSQLite(path)
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, statement := range append([]string{
		`PRAGMA journal_mode = delete`, `PRAGMA synchronous = off`, `PRAGMA cache_size = -500000`,
		`CREATE TABLE prosody (host TEXT NOT NULL, "user" TEXT NOT NULL, store TEXT NOT NULL, "key" TEXT NOT NULL, type TEXT NOT NULL, value TEXT NOT NULL)`,
	}, statements...) {
		var parameters []any
		if strings.Contains(statement, "?1") {
			parameters = append(parameters, users)
		}
		if _, err := db.ExecContext(b.Context(), statement, parameters...); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}
