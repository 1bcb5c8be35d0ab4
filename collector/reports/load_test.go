package reports_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-kit/log"

	"active_users_exporter/collector/reports"
)

// serverVariable makes the test's program a receiver that prints its address,
// and keeps its reports in the folder that the variable names.
const serverVariable = "REPORTS_TEST_SERVER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(serverVariable); folder != "" {
		serveForEver(folder)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func serveForEver(folder string) {
	ctx := context.Background()
	r, err := reports.New(ctx, options(folder))
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return
	}
	_, _ = fmt.Fprintln(os.Stdout, listener.Addr())
	server := &http.Server{Handler: r.Handler(), ReadHeaderTimeout: time.Minute}
	_ = server.Serve(listener)
}

func options(folder string) reports.Options {
	return reports.Options{
		Folder: folder, Retention: 400 * 24 * time.Hour, MaxHomeservers: 2000, ExpireAfter: 24 * time.Hour,
		Now: time.Now, Logger: log.NewNopLogger(),
	}
}

// body is a report of about the size of a real one.
func body(homeserver int) []byte {
	return []byte(`{"homeserver":"s` + fmt.Sprint(homeserver) + `.example","total_users":65,"daily_active_users":31,"padding":"` + strings.Repeat("x", 650) + `"}`)
}

// Killed under load, nothing that was acknowledged is missing.
func TestNothingAcknowledgedIsLostByKill(t *testing.T) {
	folder := t.TempDir()
	self, err := os.Executable()
	must(t, err)
	acknowledged := uint64(0)
	for range 3 {
		command := exec.CommandContext(t.Context(), self)
		command.Env = append(os.Environ(), serverVariable+"="+folder)
		output, err := command.StdoutPipe()
		must(t, err)
		must(t, command.Start())
		address, err := bufio.NewReader(output).ReadString('\n')
		must(t, err)
		url := "http://" + strings.TrimSpace(address) + path
		time.AfterFunc(time.Second, func() { _ = command.Process.Kill() })
		acknowledged += pushUntilGone(t, url)
		_ = command.Wait()
	}
	r, err := reports.New(t.Context(), options(folder))
	must(t, err)
	stored := uint64(0)
	for _, h := range r.Shown().Homeservers {
		stored += h.Reports
	}
	must(t, r.Close())
	if acknowledged < 500 || stored < acknowledged {
		t.Errorf("%d acknowledged, %d stored", acknowledged, stored)
	}
}

// pushUntilGone pushes with 16 connections until the server does not answer.
func pushUntilGone(t *testing.T, url string) uint64 {
	t.Helper()
	var acknowledged atomic.Uint64
	var wait sync.WaitGroup
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	defer transport.CloseIdleConnections()
	for worker := range 16 {
		wait.Go(func() {
			for n := worker; ; n += 16 {
				status, err := push(transport, url, body(n%1000))
				if err != nil {
					return
				}
				if status == http.StatusOK {
					acknowledged.Add(1)
				}
			}
		})
	}
	wait.Wait()
	return acknowledged.Load()
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
			r, err := reports.New(b.Context(), options(b.TempDir()))
			if err != nil {
				b.Fatal(err)
			}
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
