package web

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// community is a chat server with five series for each domain.
func community(domains int) collector.Status {
	s := &collector.Snapshot{At: clock()}
	for n := range domains {
		d := collector.Domain{Name: fmt.Sprintf("community-%d.example", n), Online: collector.Known(n), Registered: []collector.Accounts{{Type: collector.Native, Users: 10 * n}}}
		for i, w := range activity.DefaultWindows() {
			d.Active = append(d.Active, collector.ActiveUsers{Window: w, Users: n * (i + 1)})
		}
		s.Domains = append(s.Domains, d)
	}
	return collector.Status{Server: "xmpp", Software: "prosody", Up: true, Snapshot: s, Attempted: s.At, Succeeded: s.At}
}

// figuresOf is a registry of the figures of a chat server.
func figuresOf(status func() collector.Status) *prometheus.Registry {
	figures := prometheus.NewRegistry()
	figures.MustRegister(collector.New(func() []collector.Status { return []collector.Status{status()} }))
	return figures
}

// scrape asks for a page as a client does, and returns its bytes uncompressed.
func scrape(t *testing.T, handler http.Handler, header http.Header, query string) (string, http.Header) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics"+query, nil)
	r.Header = header
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	answer := recorder.Result()
	defer func() { _ = answer.Body.Close() }()
	var body io.Reader = answer.Body
	if answer.Header.Get("Content-Encoding") == "gzip" {
		content, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		content.Multistream(false) // nothing may follow: some clients would not read it
		body = content
	}
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(answer.Body); len(rest) > 0 {
		t.Errorf("%d bytes behind the page", len(rest))
	}
	return string(content), answer.Header
}

// TestMetricsPageIsThatOfPromhttp compares with the stock handler, byte by byte,
// in every form that clients ask for.
func TestMetricsPageIsThatOfPromhttp(t *testing.T) {
	figures := figuresOf(func() collector.Status { return community(3) })
	process := prometheus.NewRegistry()
	process.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "zoo_animals", Help: "Of the process."}, func() float64 { return 7 }))
	page := newMetricsPage(figures, process, func() bool { return false }, clock, log.NewNopLogger())
	stock := promhttp.HandlerFor(oneAfterTheOther(figures, process), promhttp.HandlerOpts{EnableOpenMetrics: true})
	for _, accept := range []string{
		"", "*/*", "text/plain;version=0.0.4",
		"application/openmetrics-text;version=0.0.1", "application/openmetrics-text;version=1.0.0",
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;q=0.3",
	} {
		for _, encoding := range []string{"", "gzip", "br, gzip;q=0.5", "gzip;q=0", "identity"} {
			for _, query := range []string{"", "?name[]=chat_server_up", "?debug=1"} {
				t.Run(strings.Join([]string{accept, encoding, query}, " "), func(t *testing.T) {
					header := http.Header{}
					if accept != "" {
						header.Set("Accept", accept)
					}
					if encoding != "" {
						header.Set("Accept-Encoding", encoding)
					}
					want, wantHeader := scrape(t, stock, header, query)
					got, gotHeader := scrape(t, page, header, query)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("-promhttp +ours:\n%s", diff)
					}
					gotHeader.Del("Content-Length")
					if diff := cmp.Diff(wantHeader, gotHeader); diff != "" {
						t.Errorf("headers, -promhttp +ours:\n%s", diff)
					}
				})
			}
		}
	}
}

// TestMetricsPageFollowsRefreshes says what is encoded again, and when.
func TestMetricsPageFollowsRefreshes(t *testing.T) {
	gathered := 0
	changed := true
	now := clock()
	process := prometheus.NewRegistry()
	process.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "zoo_time", Help: "Of the process."}, func() float64 { return float64(now.Unix()) }))
	figures := figuresOf(func() collector.Status { gathered++; return community(gathered) })
	page := newMetricsPage(figures, process, func() bool { defer func() { changed = false }(); return changed }, func() time.Time { return now }, log.NewNopLogger())
	steps := []struct {
		name     string
		do       func()
		gathered int
	}{
		{"the first scrape", func() {}, 1},
		{"another one", func() {}, 1},
		{"a second later", func() { now = now.Add(time.Second) }, 1},
		{"after a refresh", func() { changed = true }, 2},
		{"with the clock set back", func() { now = now.Add(-time.Hour) }, 2},
	}
	for _, step := range steps {
		step.do()
		body, _ := scrape(t, page, http.Header{}, "")
		if gathered != step.gathered {
			t.Errorf("%s: figures were gathered %d times, want %d", step.name, gathered, step.gathered)
		}
		if n := strings.Count(body, "chat_online_users{"); n != step.gathered {
			t.Errorf("%s: %d domains are shown, want %d", step.name, n, step.gathered)
		}
		if want := fmt.Sprintf("zoo_time %g\n", float64(now.Unix())); !strings.Contains(body, want) {
			t.Errorf("%s: no %q in\n%s", step.name, want, body)
		}
	}
}

// TestFilteredPagesGatherNothing asks for pieces of the page, many at once: whatever is
// asked for, it is made from what is encoded already.
func TestFilteredPagesGatherNothing(t *testing.T) {
	gathered := 0
	figures := figuresOf(func() collector.Status { gathered++; return community(200) })
	page := newMetricsPage(figures, prometheus.NewRegistry(), func() bool { return false }, clock, log.NewNopLogger())
	whole, _ := scrape(t, page, http.Header{}, "")
	var asked sync.WaitGroup
	for n := range 300 {
		asked.Go(func() {
			header := http.Header{}
			if n%2 == 0 {
				header.Set("Accept-Encoding", "gzip")
			}
			query := fmt.Sprintf("?name[]=chat_online_users&name[]=x%d", n)
			if body, _ := scrape(t, page, header, query); !strings.Contains(whole, body) || strings.Count(body, "chat_online_users{") != 200 {
				t.Errorf("%.300s", body)
			}
		})
	}
	asked.Wait()
	if gathered != 1 {
		t.Errorf("figures were gathered %d times, want once", gathered)
	}
}

// TestMetricsThatCannotBeShown hide no others, and are counted.
func TestMetricsThatCannotBeShown(t *testing.T) {
	broken := community(2)
	broken.Snapshot.Domains[0].Name = "\xff"
	figures, process := figuresOf(func() collector.Status { return broken }), prometheus.NewRegistry()
	page := newMetricsPage(figures, process, func() bool { return false }, clock, log.NewNopLogger())
	body, _ := scrape(t, page, http.Header{}, "")
	for _, want := range []string{
		`chat_online_users{domain="community-1.example",server="xmpp"} 1`,
		`promhttp_metric_handler_errors_total{cause="gathering"} 1`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}

// What clients ask for is remembered, but not without end, and two lines of a header
// are not one.
func TestWhatClientsAskForIsRememberedWithinBounds(t *testing.T) {
	page := newMetricsPage(prometheus.NewRegistry(), prometheus.NewRegistry(), func() bool { return false }, time.Now, log.NewNopLogger())
	for n := range 3 * maxWishes {
		page.negotiate(http.Header{"Accept": {fmt.Sprintf("text/plain;q=0.%d", n)}})
	}
	if n := len(page.negotiated); n == 0 || n > maxWishes {
		t.Errorf("%d answers are remembered, want at most %d", n, maxWishes)
	}
	openMetrics := "application/openmetrics-text;version=1.0.0"
	for range 2 {
		one := page.negotiate(http.Header{"Accept": {"text/html," + openMetrics}, "Accept-Encoding": {"gzip"}})
		if !strings.HasPrefix(string(one.format), "application/openmetrics-text") || !one.gzip {
			t.Errorf("answer %+v to OpenMetrics with gzip", one)
		}
		two := page.negotiate(http.Header{"Accept": {"text/html", openMetrics}})
		if !strings.HasPrefix(string(two.format), "text/plain") || two.gzip {
			t.Errorf("answer %+v, want what the first line asks for", two)
		}
	}
}
