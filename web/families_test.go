package web_test

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
	"active_users_exporter/collector/metric"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/servers"
	"active_users_exporter/collector/systemmetrics"
	"active_users_exporter/collector/usagereport"
	"active_users_exporter/web"
)

var update = flag.Bool("update", false, "write the golden files again")

// now is the moment of the refreshes.
var now = time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC)

// fakeReader is a chat server whose records are what the test says.
type fakeReader func(rec activity.Recorder) (collector.Facts, error)

func (f fakeReader) Read(_ context.Context, _, _ time.Time, rec activity.Recorder) (collector.Facts, error) {
	return f(rec)
}

func (f fakeReader) Close() error { return nil }

func special(value any) func(*activity.Calendar) []any {
	return func(*activity.Calendar) []any { return []any{value} }
}

// matrix is a server that keeps everything.
func matrix(rec activity.Recorder) (collector.Facts, error) {
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
		}},
		Special: special(usagereport.Homeserver{
			Name: "example.org",
			Statistics: map[string]float64{
				"total_users": 9, "cache_factor": 0.5, "daily_active_users": 1, "monthly_active_users": 3,
				"r30v2_users_all": 2, "r30v2_users_android": 2, "r30v2_users_ios": 0, "r30v2_users_electron": 0, "r30v2_users_web": 0,
			},
			Info:     map[string]string{"database_engine": "psycopg2", "database_server_version": "15.18"},
			LimitMAU: map[string]int{"native": 4, "bridged": 1},
		}),
	}, nil
}

// xmpp is a Prosody that keeps last activity alone, and has modules.
func xmpp(rec activity.Recorder) (collector.Facts, error) {
	rec.Seen([]byte("chat.example.org"), []byte("a"), activity.Unknown, now.Add(-time.Hour))
	return collector.Facts{
		Database: "files",
		Domains: []collector.DomainFacts{
			{Name: "chat.example.org", HasLastSeen: true, Registered: map[collector.AccountType]int{collector.Native: 3}, Damaged: 1},
			{Name: "bücher.example", Registered: map[collector.AccountType]int{collector.Native: 1}},
		},
		Modules: []collector.Module{
			{Domain: "chat.example.org", Name: "mam", Status: collector.ModuleError, Loaded: true, Required: true},
			{Domain: collector.AllDomains, Name: "tls", Loaded: true},
			{Domain: collector.AllDomains, Name: "smacks", Required: true},
		},
		Special: special(prosody.ServerNames{}),
	}, nil
}

func unreachable(activity.Recorder) (collector.Facts, error) {
	return collector.Facts{}, errors.New("no such host")
}

// cluster is a MongooseIM that reports of itself.
func cluster() []systemmetrics.Cluster {
	return []systemmetrics.Cluster{{
		Name: "xmpp", Reported: now.Add(-time.Hour),
		Report: systemmetrics.Report{
			Uptime: systemmetrics.Known(4159), Nodes: systemmetrics.Known(2), Hosts: systemmetrics.Known(2), Domains: systemmetrics.Known(3),
			CustomModules: systemmetrics.Known(13), ExternalComponents: systemmetrics.Known(0), Version: "6.8.0", ConfigType: "toml",
			Modules:      []systemmetrics.Module{{Name: "mod_adhoc"}, {Name: "mod_last", Option: "backend", Value: "rdbms"}},
			HTTPHandlers: []string{"mongoose_graphql_handler"}, Transports: []string{"tcp"},
			Pools: map[string]int{"rdbms": 1}, Stanzas: map[string]int64{"xmppIqSent": 36},
		},
	}}
}

func status(name string, read fakeReader, refresh bool) collector.Status {
	r := collector.NewRefresher(collector.RefresherOptions{
		Server: name, Software: "software of " + name, Reader: read,
		Interval: time.Hour, StaleAfter: 3 * time.Hour,
		Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(),
		Now: func() time.Time { return now }, Logger: log.NewNopLogger(),
	})
	if !refresh {
		return r.Status()
	}
	_ = r.Refresh(context.Background())
	s := r.Status()
	s.Duration = 1500 * time.Millisecond
	return s
}

// TestFamilies holds the text of all families of chat servers in both formats.
func TestFamilies(t *testing.T) {
	servers := []collector.Status{status("matrix", matrix, true), status("xmpp", xmpp, true), status("broken", unreachable, true), status("waiting", matrix, false)}
	statuses := func() []collector.Status { return servers }
	homeservers := func() (all []usagereport.Homeserver) {
		for _, s := range collector.Specials[usagereport.Homeserver](servers) {
			all = append(all, s.Value)
		}
		return all
	}
	nobody := func() []usagereport.Homeserver { return nil }
	registry := prometheus.NewPedanticRegistry()
	all := []metric.Described{
		collector.New(statuses), prosody.NewCollector(statuses), usagereport.NewCollector(homeservers, nobody),
		systemmetrics.NewCollector(cluster, func() []systemmetrics.Cluster { return nil }),
	}
	for _, c := range all {
		registry.MustRegister(c)
		lint(t, c)
	}
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
}

func lint(t *testing.T, c prometheus.Collector) {
	t.Helper()
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
		t.Errorf("%s (-want +got; go test ./web -update writes it again):\n%s", path, diff)
	}
}

// TestDescriptions says that every family is documented once, in a few words:
// details are in docs/definitions.md.
func TestDescriptions(t *testing.T) {
	seen := make(map[string]bool)
	for _, d := range web.Descriptions(servers.Kinds()) {
		if seen[d.Name] || d.Help == "" || len(d.Help) > 200 {
			t.Errorf("%+v", d)
		}
		seen[d.Name] = true
	}
	for _, name := range []string{"chat_active_users", "synapse_usage_info", "mongooseim_info", "prosody_module_status", "active_users_exporter_reports_rejected_total"} {
		if !seen[name] {
			t.Errorf("%s is missing", name)
		}
	}
}
