package prosody_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/benchtest"
	"active_users_exporter/collector/prosody"
)

// BenchmarkFiles reads a host with many users again and again, beside a plain
// loop that opens and reads the same files, and reports the ratios of the times:
//
//	go test -run='^$' -bench=Files -benchtime=5x ./collector/prosody
//
// The number of users is 20,000, or what ACTIVE_USERS_BENCH_USERS says. One
// user in a hundred logs in between two refreshes.
func BenchmarkFiles(b *testing.B) {
	users := benchtest.Users(b, 20_000)
	directory := b.TempDir()
	host := filepath.Join(directory, "example%2eorg")
	var paths []string
	for i := range users {
		for store, record := range map[string]string{
			"lastlog2": login(fmt.Sprint(1749988800 - i*40)),
			"accounts": "return {\n\t[\"iteration_count\"] = 10000;\n\t[\"stored_key\"] = \"0123456789abcdef0123456789abcdef01234567\";\n};\n",
		} {
			path := filepath.Join(host, store, fmt.Sprintf("user%d.dat", i))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				b.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(record), 0o600); err != nil {
				b.Fatal(err)
			}
			paths = append(paths, path)
		}
	}
	var loop, first, second time.Duration
	for b.Loop() {
		loop += timed(b, func() error {
			for _, path := range paths {
				if _, err := os.ReadFile(path); err != nil {
					return err
				}
			}
			return nil
		})
		reader := prosody.New(prosody.Options{DataPath: directory}, activity.SynapseClasses())
		read := func() error {
			_, err := reader.Read(context.Background(), time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
			return err
		}
		first += timed(b, read)
		for i := 0; i < users; i += 100 {
			path := filepath.Join(host, "lastlog2", fmt.Sprintf("user%d.dat", i))
			if err := os.WriteFile(path+"~", []byte(login("1749988799")), 0o600); err != nil {
				b.Fatal(err)
			}
			if err := os.Rename(path+"~", path); err != nil {
				b.Fatal(err)
			}
		}
		second += timed(b, read)
	}
	b.ReportMetric(float64(first)/float64(loop), "first/loop")
	b.ReportMetric(float64(second)/float64(loop), "second/loop")
	b.ReportMetric(0, "ns/op")
}

func timed(b *testing.B, f func() error) time.Duration {
	b.Helper()
	started := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return time.Since(started)
}
