package prosody_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/test/must"
)

// readPage reads a Prosody with the page that handler serves, and records in a
// folder if there is one.
func readPage(t *testing.T, folder string, handler http.HandlerFunc) (collector.Facts, error) {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	reader := prosody.New(prosody.Options{DataPath: folder, MetricsURL: server.URL + "/metrics", RequiredModules: []string{"smacks", "lab_fail"}}, activity.SynapseClasses())
	defer func() { must.Succeed(t, reader.Close()) }()
	return reader.Read(t.Context(), time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
}

// The pages were served by real Prosodys, which counted people who were
// connected as well.
func TestProsodysOwnMetrics(t *testing.T) {
	windows := activity.DefaultWindows()
	counted := func(day, week, month int) map[activity.Window]int {
		return map[activity.Window]int{windows[0]: day, windows[1]: week, windows[2]: month}
	}
	for run, want := range map[string]map[string]map[activity.Window]int{
		"12-int": {
			"example.com": counted(6, 9, 11), "chat.example.org": counted(2, 4, 5), "bücher.example": counted(2, 2, 3),
			"late.example.net": counted(0, 0, 0), "guest.example.net": counted(0, 0, 0),
		},
	} {
		page, err := os.ReadFile(filepath.Join("testdata", run, "metrics.txt"))
		must.Succeed(t, err)
		facts, err := readPage(t, "", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) })
		must.Succeed(t, err)
		got := make(map[string]map[activity.Window]int)
		for _, d := range facts.Domains {
			got[d.Name] = d.ActiveByServer
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b activity.Window) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", run, diff)
		}
		modules := make(map[string]collector.Module)
		for _, m := range facts.Modules {
			modules[m.Domain+"/"+m.Name] = m
		}
		if m := modules["example.com/smacks"]; !m.Loaded || !m.Required {
			t.Errorf("smacks: %+v", m)
		}
		if m := modules["*/lab_fail"]; m.Loaded || !m.Required {
			t.Errorf("lab_fail: %+v", m)
		}
		if m := modules["*/c2s"]; !m.Loaded {
			t.Errorf("c2s: %+v", m)
		}
	}
}

func TestPagesThatAreOfNoUse(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		body, says string
		reason     failure.Reason
	}{
		"no statistics":   {404, "No statistics provider configured", "answered 404", failure.Unexpected},
		"not allowed":     {403, "", "openmetrics_allow_ips", failure.Denied},
		"another page":    {200, "<html>", "no page of metrics", failure.Unexpected},
		"no such modules": {200, "prosody_x 1\n# EOF\n", "neither mod_measure_active_users nor", failure.Unexpected},
		"just started": {
			200, "prosody_mod_x_created{} " + strconv.FormatInt(now.Add(-20*time.Second).Unix(), 10) + "\nprosody_mod_measure_active_users__active_users_1d{host=\"a\"} 0\n# EOF\n",
			"started 20s ago", failure.Unexpected,
		},
	} {
		_, err := readPage(t, "", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		})
		if err == nil || !strings.Contains(err.Error(), c.says) || failure.Of(err) != c.reason {
			t.Errorf("%s: error %v, want %q and reason %s", name, err, c.says, c.reason)
		}
	}
}

// With records as well, the page's figures are shown, and the records' accounts.
func TestRecordsAndPage(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "example%2eorg/lastlog2/u.dat"), login("1749988700"))
	facts, err := readPage(t, folder, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("prosody_mod_measure_active_users__active_users_1d{host=\"example.org\"} 7\nprosody_mod_measure_active_users__active_users_1d{host=\"a\\\\\\\"b\"} 1\n# EOF\n"))
	})
	must.Succeed(t, err)
	if len(facts.Domains) != 2 || !facts.Domains[0].HasLastSeen || facts.Domains[0].ActiveByServer[activity.Daily()] != 7 || facts.Domains[1].Name != `a"b` {
		t.Errorf("%+v", facts.Domains)
	}
}

// The larger of what the page and the records say is shown, and the same under
// Prosody's own name.
func TestTheLargerOfRecordsAndPage(t *testing.T) {
	for page, want := range map[int]int{0: 3, 2: 3, 3: 3, 7: 7} {
		folder := t.TempDir()
		for _, user := range []string{"a", "b", "c"} {
			write(t, filepath.Join(folder, "example%2eorg/lastlog2", user+".dat"), login("1749988700"))
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, "prosody_mod_measure_active_users__active_users_1d{host=\"example.org\"} %d\n# EOF\n", page)
		}))
		t.Cleanup(server.Close)
		r := collector.NewRefresher(collector.RefresherOptions{
			Server: "xmpp", Software: "prosody", Interval: time.Hour, StaleAfter: time.Hour, Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(),
			Reader: prosody.New(prosody.Options{DataPath: folder, MetricsURL: server.URL, ServerNames: true}, activity.SynapseClasses()),
			Now:    func() time.Time { return now }, Logger: log.NewNopLogger(),
		})
		must.Succeed(t, r.Refresh(t.Context()))
		if got := r.Status().Snapshot.Domains[0].Active[0].Users; got != want {
			t.Errorf("the page says %d, the records 3: %d are shown, want %d", page, got, want)
		}
		registry := prometheus.NewRegistry()
		registry.MustRegister(prosody.NewCollector(func() []collector.Status { return []collector.Status{r.Status()} }))
		shown := -1.0
		for _, family := range must.Get(registry.Gather())(t) {
			if family.GetName() == "prosody_mod_measure_active_users__active_users_1d" {
				shown = family.GetMetric()[0].GetGauge().GetValue()
			}
		}
		if shown != float64(want) {
			t.Errorf("under Prosody's own name: %v, want %d", shown, want)
		}
		r.Close()
	}
}

// A page that cannot be had costs what it alone tells: its figures stay until they are
// stale, then the records' are shown. What is required is then unknown, not absent.
func TestRecordsWithoutThePage(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "example%2eorg/lastlog2/u.dat"), login("1749988700"))
	answers, clock := true, now
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if answers {
			_, _ = fmt.Fprint(w, "prosody_mod_measure_active_users__active_users_1d{host=\"example.org\"} 7\nprosody_module_status{host=\"example.org\",module=\"mam\"} 0\n# EOF\n")
			return
		}
		_, _ = fmt.Fprint(w, "prosody_x -nan-\n# EOF\n")
	}))
	t.Cleanup(server.Close)
	r := collector.NewRefresher(collector.RefresherOptions{
		Server: "xmpp", Software: "prosody", Interval: time.Hour, StaleAfter: 3 * time.Hour, Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(),
		Reader: prosody.New(prosody.Options{DataPath: folder, MetricsURL: server.URL, RequiredModules: []string{"mam"}}, activity.SynapseClasses()),
		Now:    func() time.Time { return clock }, Logger: log.NewNopLogger(),
	})
	t.Cleanup(r.Close)
	for _, c := range []struct {
		when    string
		after   time.Duration
		answers bool
		active  int
		modules int
	}{
		{"all is well", 0, true, 7, 1},
		{"the earlier figures", time.Hour, false, 7, 1},
		{"they are stale", 4 * time.Hour, false, 1, 0},
		{"it answers again", 5 * time.Hour, true, 7, 1},
	} {
		answers, clock = c.answers, now.Add(c.after)
		err := r.Refresh(t.Context())
		if (err == nil) != c.answers || !c.answers && !strings.Contains(err.Error(), "no page of metrics: text format parsing error in line 1") {
			t.Errorf("%s: error %v", c.when, err)
		}
		s := r.Status()
		if got := s.Snapshot.Domains[0].Active[0].Users; got != c.active || len(s.Snapshot.Modules) != c.modules || s.Up != c.answers {
			t.Errorf("%s: %d active, modules %v, up %v; want %d, %d, %v", c.when, got, s.Snapshot.Modules, s.Up, c.active, c.modules, c.answers)
		}
	}
}

// The page has no modules of components. Whether one is loaded there is not known, and
// no reason to wake anybody.
func TestModulesOfHostsThatThePageDoesNotKnow(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("prosody_module_status{host=\"example.org\",module=\"smacks\"} 0\n# EOF\n"))
	}))
	defer server.Close()
	required := []string{"conference.example.org/muc", "example.org/smacks", "example.org/mam"}
	reader := prosody.New(prosody.Options{MetricsURL: server.URL, RequiredModules: required}, activity.SynapseClasses())
	facts, err := reader.Read(t.Context(), time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
	must.Succeed(t, err)
	must.Succeed(t, reader.Close())
	want := []collector.Module{{Domain: "example.org", Name: "smacks", Loaded: true, Required: true}, {Domain: "example.org", Name: "mam", Required: true}}
	if diff := cmp.Diff(want, facts.Modules); diff != "" {
		t.Error(diff)
	}
	if len(facts.Warnings) != 1 || !strings.Contains(facts.Warnings[0], "whether the module muc is loaded on conference.example.org is not known") {
		t.Errorf("warnings %q", facts.Warnings)
	}
}
