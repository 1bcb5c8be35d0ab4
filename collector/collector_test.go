package collector_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is the moment of the tests' refreshes.
var now = time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC)

// fakeReader is a chat server whose records are what the test says.
type fakeReader func(ctx context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error)

func (f fakeReader) Read(ctx context.Context, _, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	return f(ctx, now, rec)
}

func (f fakeReader) Close() error { return nil }

// matrix is a server that keeps everything.
func matrix(_ context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	for user, ago := range map[string]int{"a": 0, "b": 3, "c": 20, "d": 29, "e": 30} {
		rec.Seen([]byte("example.org"), []byte(user), activity.Unknown, now.AddDate(0, 0, -ago))
		for _, client := range []activity.Client{1, 2} {
			rec.Visit([]byte("example.org"), []byte(user), client, activity.DayOf(now)-activity.Day(ago))
		}
		rec.Visit([]byte("example.org"), []byte(user), 2, activity.DayOf(now)-45)
	}
	return collector.Facts{
		Database: "postgresql 15.18",
		Domains: []collector.DomainFacts{{
			Name: "example.org", HasLastSeen: true, Clients: true, KeepsVisits: true, LastSeenSince: now.AddDate(0, 0, -28),
			Registered: map[collector.AccountType]int{collector.Native: 7, collector.Bridged: 2, collector.Guest: 0},
			Created:    map[collector.AccountType]int{collector.Native: 1, collector.Bridged: 0, collector.Guest: 0},
			Usage: &collector.Usage{
				Statistics: map[string]float64{"total_users": 9, "cache_factor": 0.5},
				Info:       map[string]string{"database_engine": "psycopg2", "database_server_version": "15.18"},
				LimitMAU:   map[collector.AccountType]int{collector.Native: 4, collector.Bridged: 1},
			},
		}},
	}, nil
}

// xmpp is a server that keeps last activity alone, and has modules.
func xmpp(_ context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	rec.Seen([]byte("chat.example.org"), []byte("a"), activity.Unknown, now.Add(-time.Hour))
	return collector.Facts{
		Database: "files", OwnNames: true,
		Domains: []collector.DomainFacts{
			{Name: "chat.example.org", HasLastSeen: true, Registered: map[collector.AccountType]int{collector.Native: 3}, Damaged: 1},
			{Name: "bücher.example", Registered: map[collector.AccountType]int{collector.Native: 1}},
		},
		Modules: []collector.Module{
			{Domain: "chat.example.org", Name: "mam", Status: collector.ModuleError, Loaded: true, Required: true},
			{Domain: collector.AllDomains, Name: "tls", Loaded: true},
			{Domain: collector.AllDomains, Name: "smacks", Required: true},
		},
		Cluster: &collector.Cluster{
			Reported: now.Add(-time.Hour), UptimeSeconds: collector.Known(4159), Nodes: collector.Known(2), Hosts: collector.Known(2),
			Domains: collector.Known(3), CustomModules: collector.Known(13), ExternalComponents: collector.Known(0), Version: "6.8.0", ConfigType: "toml",
			Modules:  []collector.ClusterModule{{Name: "mod_adhoc"}, {Name: "mod_last", Option: "backend", Value: "rdbms"}},
			HTTPAPIs: []string{"mongoose_graphql_handler"}, Transports: []string{"tcp"},
			Pools: map[string]int{"rdbms": 1}, Stanzas: map[string]int{"xmppIqSent": 36},
		},
	}, nil
}

func nothingReported() *collector.Reports { return nil }

func unreachable(context.Context, time.Time, activity.Recorder) (collector.Facts, error) {
	return collector.Facts{}, errors.New("no such host")
}

func refresher(t *testing.T, name string, read fakeReader, clock func() time.Time) *collector.Refresher {
	t.Helper()
	return collector.NewRefresher(collector.RefresherOptions{
		Server: name, Software: "software of " + name, Reader: read,
		Interval: time.Hour, StaleAfter: 3 * time.Hour,
		Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(),
		Now: clock, Logger: log.NewNopLogger(),
	})
}

func still() time.Time { return now }

func TestMetrics(t *testing.T) {
	var statuses []collector.Status
	for _, server := range []struct {
		name string
		read fakeReader
	}{{"matrix", matrix}, {"xmpp", xmpp}, {"broken", unreachable}} {
		r := refresher(t, server.name, server.read, still)
		_ = r.Refresh(t.Context())
		status := r.Status()
		status.Duration = 1500 * time.Millisecond
		statuses = append(statuses, status)
	}
	statuses = append(statuses, refresher(t, "waiting", matrix, still).Status())

	registry := prometheus.NewPedanticRegistry()
	c := collector.New(func() []collector.Status { return statuses }, nothingReported)
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text, open strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
		if _, err := expfmt.MetricFamilyToOpenMetrics(&open, f); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "metrics.txt", text.String())
	golden(t, "metrics.openmetrics", open.String())

	problems, err := testutil.CollectAndLint(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if p.Metric == "chat_history_days" || p.Metric == "synapse_usage_total_room_count" {
			continue // names that others rely on
		}
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test -update ./collector writes it anew):\n%s", path, diff)
	}
}

// A scrape must not wait for a refresh, however long that takes.
func TestScrapeDoesNotWaitForRefresh(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	hanging, release := make(chan struct{}), make(chan struct{})
	r := refresher(t, "slow", func(context.Context, time.Time, activity.Recorder) (collector.Facts, error) {
		close(hanging)
		<-release
		return collector.Facts{}, nil
	}, still)
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	<-hanging
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collector.New(func() []collector.Status { return []collector.Status{r.Status()} }, nothingReported))
	families, err := registry.Gather()
	if err != nil || len(families) == 0 {
		t.Errorf("%d families and error %v", len(families), err)
	}
	cancel()
	close(release)
	<-done
}

// Of a cluster that was asked and also reports, the report is shown: it has
// every item.
func TestReportsGoBeforeAnswers(t *testing.T) {
	answer := func(_ context.Context, _ time.Time, _ activity.Recorder) (collector.Facts, error) {
		return collector.Facts{Cluster: &collector.Cluster{UptimeSeconds: collector.Known(1)}}, nil
	}
	var statuses []collector.Status
	for _, name := range []string{"reports", "silent"} {
		r := refresher(t, name, answer, still)
		_ = r.Refresh(t.Context())
		statuses = append(statuses, r.Status())
	}
	reported := &collector.Reports{Clusters: []collector.Cluster{{Name: "reports", Reported: now, UptimeSeconds: collector.Known(2)}}}
	c := collector.New(func() []collector.Status { return statuses }, func() *collector.Reports { return reported })
	const want = `
mongooseim_uptime_seconds{cluster="reports"} 2
mongooseim_uptime_seconds{cluster="silent"} 1
`
	got, err := testutil.CollectAndFormat(c, expfmt.TypeTextPlain, "mongooseim_uptime_seconds")
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for line := range strings.Lines(string(got)) {
		if !strings.HasPrefix(line, "#") {
			values = append(values, line)
		}
	}
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), strings.Join(values, "")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
