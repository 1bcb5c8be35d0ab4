package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rogpeppe/go-internal/testscript"

	"active_users_exporter/collector"
	"active_users_exporter/collector/benchtest"
)

// scrapeServer is the name under which the test program serves a page for
// BenchmarkScrape, in a process of its own, until its standard input ends.
const scrapeServer = "scrape-server"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){scrapeServer: serveScrapes})
}

func serveScrapes() {
	domains, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	status := community(domains)
	figures, process := figuresOf(func() collector.Status { return status }), prometheus.NewRegistry()
	process.MustRegister(
		collectors.NewGoCollector(collectors.WithGoCollectorMemStatsMetricsDisabled()),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	handlers := map[string]http.Handler{
		"static": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }),
		"stock":  promhttp.HandlerFor(oneAfterTheOther(figures, process), promhttp.HandlerOpts{EnableOpenMetrics: true}),
		"ours":   newMetricsPage(figures, process, func() bool { return false }, time.Now, log.NewNopLogger()),
	}
	recorder := httptest.NewRecorder()
	handlers["ours"].ServeHTTP(recorder, asPrometheus(httptest.NewRequest(http.MethodGet, "/metrics", nil)))
	handlers["same"] = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", strconv.Itoa(recorder.Body.Len()))
		_, _ = w.Write(recorder.Body.Bytes())
	})
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintln(os.Stdout, listener.Addr())
	go func() { _ = http.Serve(listener, handlers[os.Args[1]]) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// scrapes asks a page of its own process so often, as Prometheus does, and
// returns the processor time that the process took for one.
func scrapes(b *testing.B, page string, domains, count int) time.Duration {
	b.Helper()
	server := exec.CommandContext(b.Context(), os.Args[0])
	server.Args = []string{scrapeServer, page, strconv.Itoa(domains)}
	stdin, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	for range count {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+strings.TrimSpace(address)+"/metrics", nil)
		if err != nil {
			b.Fatal(err)
		}
		answer, err := client.Do(asPrometheus(r))
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
	}
	_ = stdin.Close()
	if err := server.Wait(); err != nil {
		b.Fatal(err)
	}
	return (server.ProcessState.UserTime() + server.ProcessState.SystemTime()) / time.Duration(count)
}

// asPrometheus adds the headers that Prometheus sends.
func asPrometheus(r *http.Request) *http.Request {
	r.Header.Set("Accept", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2")
	r.Header.Set("Accept-Encoding", "gzip")
	return r
}

// BenchmarkScrape compares the processor time of a scrape with that of the
// stock handler over the same figures, with that of a handler that answers three
// bytes, and with that of one that answers the same bytes each time, in one run. It
// takes the least of all rounds. Starting the process is spread over the scrapes.
func BenchmarkScrape(b *testing.B) {
	const perDomain = 5
	for _, series := range []int{200, 5000} {
		b.Run(fmt.Sprintf("series=%d", series), func(b *testing.B) {
			var static, same, stock, ours []time.Duration
			for b.Loop() {
				static = append(static, scrapes(b, "static", 1, 20_000))
				ours = append(ours, scrapes(b, "ours", series/perDomain, 20_000))
				same = append(same, scrapes(b, "same", series/perDomain, 20_000))
				stock = append(stock, scrapes(b, "stock", series/perDomain, 1_000_000/series))
			}
			least := func(all []time.Duration) float64 { return float64(slices.Min(all)) }
			b.ReportMetric(least(ours)/least(static), "cpu:ours/static")
			b.ReportMetric(least(ours)/least(same), "cpu:ours/same")
			b.ReportMetric(least(stock)/least(ours), "cpu:stock/ours")
			b.ReportMetric(least(ours)/1000, "µs-cpu/scrape")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkDomainPage compares the processor time of the page of 400 days of 100,000
// people with that of reading once what it is counted from, one bit for each person and
// day, in one run: the first page of a day, and those that are made again after a
// refresh. It takes the least of all rounds.
func BenchmarkDomainPage(b *testing.B) {
	people := benchtest.Users(b, 100_000)
	bits := slices.Repeat([]uint64{1}, mostDays*people/64)
	sum := uint64(0)
	ask := func(handler http.Handler) func() {
		return func() {
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequestWithContext(b.Context(), http.MethodGet, page+"?days=400", nil))
			if recorder.Code != http.StatusOK {
				b.Fatal(recorder.Code)
			}
			sum += uint64(recorder.Body.Len())
		}
	}
	s := site{statuses: []collector.Status{refreshed(b, visited{mostDays, people})}}
	handler := s.pages(nil)
	var reads, firsts, others []time.Duration
	for b.Loop() {
		reads = append(reads, benchtest.ThreadTime(b, func() {
			for _, word := range bits {
				sum += word
			}
		}))
		_, _ = s.statuses[0].Snapshot.Timeline("chat.example", mostDays-1) // now that one is kept
		s.statuses[0].Version++
		firsts = append(firsts, benchtest.ThreadTime(b, ask(handler)))
		s.statuses[0].Version++
		others = append(others, benchtest.ThreadTime(b, ask(handler)))
	}
	if sum == 0 {
		b.Fatal("nothing was read")
	}
	least := func(all []time.Duration) float64 { return float64(slices.Min(all)) }
	b.ReportMetric(least(firsts)/least(reads), "cpu:first/read")
	b.ReportMetric(least(others)/least(reads), "cpu:next/read")
	b.ReportMetric(least(firsts)/1e6, "ms-cpu/first")
	b.ReportMetric(least(others)/1e6, "ms-cpu/next")
	b.ReportMetric(0, "ns/op")
}
