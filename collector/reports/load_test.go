package reports_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"

	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/storage"
)

func options(folder string) reports.Options {
	return reports.Options{
		Settings: reports.Settings{MaxHomeservers: 2000, ExpireAfter: 24 * time.Hour},
		Location: storage.Folder(folder), Retention: 400 * 24 * time.Hour, Now: time.Now, Logger: log.NewNopLogger(),
	}
}

// body is a report of about the size of a real one.
func body(homeserver int) []byte {
	return []byte(`{"homeserver":"s` + fmt.Sprint(homeserver) + `.example","total_users":65,"daily_active_users":31,"padding":"` + strings.Repeat("x", 650) + `"}`)
}

func push(transport http.RoundTripper, url string, body []byte) (int, error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// BenchmarkReceiver compares, in one run, the receiver with the plainest thing
// that could be called durable: a handler that appends each report to a file
// and syncs it. It prints the ratio of their rates and of their 99th
// percentiles of the time to an answer.
func BenchmarkReceiver(b *testing.B) {
	for _, connections := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("%d", connections), func(b *testing.B) {
			r := reports.New(b.Context(), options(b.TempDir()))
			ours := httptest.NewServer(r.Handler())
			plain := httptest.NewServer(plainHandler(b))
			count := 300 * connections
			var rates, tails []float64
			for b.Loop() {
				first, second := load(b, ours.URL+path, connections, count), load(b, plain.URL+path, connections, count)
				rates = append(rates, float64(second.wall)/float64(first.wall))
				tails = append(tails, float64(first.p99)/float64(second.p99))
			}
			ours.Close()
			plain.Close()
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
			slices.Sort(rates)
			slices.Sort(tails)
			b.ReportMetric(rates[len(rates)/2], "rate/plain")
			b.ReportMetric(tails[len(tails)/2], "p99/plain")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func plainHandler(b *testing.B) http.Handler {
	b.Helper()
	file, err := os.Create(filepath.Join(b.TempDir(), "reports"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = file.Close() })
	var mutex sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		mutex.Lock()
		defer mutex.Unlock()
		if err == nil {
			_, err = file.Write(append(content, '\n'))
		}
		if err == nil {
			err = file.Sync()
		}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, "{}")
	})
}

type loaded struct{ wall, p99 time.Duration }

// load pushes count reports of a thousand homeservers; anything but 200 fails.
func load(b *testing.B, url string, connections, count int) loaded {
	b.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	defer transport.CloseIdleConnections()
	times := make([][]time.Duration, connections)
	began := time.Now()
	var wait sync.WaitGroup
	for worker := range connections {
		wait.Go(func() {
			for n := worker; n < count; n += connections {
				sent := time.Now()
				if status, err := push(transport, url, body(n%1000)); err != nil || status != http.StatusOK {
					b.Errorf("status %d, error %v", status, err)
					return
				}
				times[worker] = append(times[worker], time.Since(sent))
			}
		})
	}
	wait.Wait()
	wall := time.Since(began)
	all := slices.Concat(times...)
	slices.Sort(all)
	return loaded{wall, all[len(all)*99/100]}
}
