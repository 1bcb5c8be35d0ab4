package web

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"

	"active_users_exporter/collector"
)

// clock stands still.
func clock() time.Time { return time.Unix(1794236747, 0).UTC() }

// site is what the pages show, as a test sets it.
type site struct {
	statuses      []collector.Status
	configuration Configuration
	received      *Received
}

func (s *site) pages(reload func() error) http.Handler {
	statuses := func() []collector.Status { return s.statuses }
	o := Options{
		TelemetryPath: "/metrics", Reload: reload, Program: "active_users_exporter",
		Figures:       []prometheus.Collector{collector.New(statuses)},
		Statuses:      statuses,
		Configuration: func() Configuration { return s.configuration },
		Protocol:      func(software string) string { return map[string]string{"synapse": "matrix"}[software] },
		Clock:         clock, Logger: log.NewNopLogger(),
	}
	if s.received != nil {
		o.Received = func() Received { return *s.received }
		o.ReportsVersion = func() uint64 { return 0 }
	}
	return New(o)
}

func get(t *testing.T, handler http.Handler, method, path string) (int, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	body, err := io.ReadAll(recorder.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return recorder.Code, string(body)
}

// A reload is refused where it is off, and says what is wrong with the
// configuration where it is on.
func TestReloadPage(t *testing.T) {
	mistake := errors.New("active_users.yml:3:1: mistake")
	for name, c := range map[string]struct {
		reload func() error
		code   int
		says   string
	}{
		"off":       {nil, http.StatusForbidden, "--web.enable-lifecycle"},
		"a mistake": {func() error { return mistake }, http.StatusInternalServerError, "active_users.yml:3:1"},
		"well":      {func() error { return nil }, http.StatusOK, "reloaded"},
	} {
		code, body := get(t, (&site{}).pages(c.reload), http.MethodPost, "/-/reload")
		if code != c.code || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
}

// A page of another site that somebody has open may not reload.
func TestReloadFromAnotherSite(t *testing.T) {
	reloads := 0
	pages := (&site{}).pages(func() error { reloads++; return nil })
	for name, c := range map[string]struct {
		header, value string
		code          int
	}{
		"another site":   {"Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		"another origin": {"Origin", "https://evil.example", http.StatusForbidden},
		"the page":       {"Sec-Fetch-Site", "same-origin", http.StatusOK},
		"a program":      {"User-Agent", "curl/8", http.StatusOK},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://exporter.example/-/reload", nil)
		request.Header.Set(c.header, c.value)
		recorder := httptest.NewRecorder()
		pages.ServeHTTP(recorder, request)
		if recorder.Code != c.code {
			t.Errorf("%s: %d %s", name, recorder.Code, recorder.Body)
		}
	}
	if reloads != 2 {
		t.Errorf("%d reloads, want 2", reloads)
	}
}

// The metrics follow the versions of statuses and of the configuration, and
// nothing else: what a status is made of does not matter.
func TestMetricsFollowVersions(t *testing.T) {
	s := site{statuses: []collector.Status{{Server: "a"}, {Server: "b"}}}
	handler := s.pages(nil)
	shown := func() string {
		_, body := get(t, handler, http.MethodGet, "/metrics")
		up := ""
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "chat_server_up{") {
				up += strings.TrimSpace(line[strings.LastIndexByte(line, ' '):])
			}
		}
		return up
	}
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"at first", func() {}, "00"},
		{"the same version", func() { s.statuses[1].Up = true }, "00"},
		{"a new version", func() { s.statuses[1].Version++ }, "01"},
		{"another server in its place", func() { s.statuses[1] = collector.Status{Server: "c", Version: 1} }, "00"},
		{"one server less", func() { s.statuses = s.statuses[:1] }, "0"},
		{"after a reload", func() { s.statuses[0].Up = true; s.configuration.Version++ }, "1"},
	} {
		step.do()
		if got := shown(); got != step.want {
			t.Errorf("%s: servers up %q, want %q", step.name, got, step.want)
		}
	}
}
