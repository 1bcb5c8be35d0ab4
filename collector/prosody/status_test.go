package prosody_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/test/must"
)

// modules reads the page that handler serves.
func modules(t *testing.T, handler http.HandlerFunc, required ...string) ([]collector.Module, error) {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	return modulesAt(t, strings.Replace(server.URL, "http://", "http://user:secret@", 1)+"/status", required...)
}

func modulesAt(t *testing.T, location string, required ...string) ([]collector.Module, error) {
	t.Helper()
	directory := t.TempDir()
	write(t, filepath.Join(directory, "example%2eorg/lastlog2/u.dat"), login("1749988700"))
	reader := prosody.New(prosody.Options{DataPath: directory, StatusURL: location, RequiredModules: required}, activity.SynapseClasses())
	facts, err := reader.Read(t.Context(), time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
	must.Succeed(t, err)
	must.Succeed(t, reader.Close())
	if len(facts.Domains) != 1 {
		t.Errorf("domains %v: activity must not depend on the page", facts.Domains)
	}
	return facts.Modules, facts.ModulesErr
}

// The page was served by a real Prosody 0.12.
func TestModuleStates(t *testing.T) {
	page, err := os.ReadFile("testdata/12-int/status.json")
	must.Succeed(t, err)
	all, err := modules(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) },
		"smacks", "example.com/lab_status", "lab_fail", "example.com/c2s_extra", "c2s")
	must.Succeed(t, err)
	got := make(map[string]collector.Module)
	for _, m := range all {
		got[m.Domain+"/"+m.Name] = m
	}
	for name, want := range map[string]collector.Module{
		"example.com/lab_status":      {Domain: "example.com", Name: "lab_status", Status: collector.ModuleWarn, Loaded: true, Required: true},
		"chat.example.org/lab_status": {Domain: "chat.example.org", Name: "lab_status", Status: collector.ModuleError, Loaded: true},
		"bücher.example/lab_status":   {Domain: "bücher.example", Name: "lab_status", Status: collector.ModuleInfo, Loaded: true},
		"example.com/smacks":          {Domain: "example.com", Name: "smacks", Status: collector.ModuleCore, Loaded: true, Required: true},
		"*/c2s":                       {Domain: "*", Name: "c2s", Status: collector.ModuleCore, Loaded: true, Required: true},
		"*/lab_fail":                  {Domain: "*", Name: "lab_fail", Required: true},
		"example.com/c2s_extra":       {Domain: "example.com", Name: "c2s_extra", Required: true},
		"rooms.example.com/muc":       {Domain: "rooms.example.com", Name: "muc", Status: collector.ModuleCore, Loaded: true},
	} {
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestPagesThatCannotBeRead(t *testing.T) {
	answer := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		handler      http.HandlerFunc
		reason, says string
	}{
		"forbidden":     {answer(403, "<html>"), "denied", "http_status_allow_ips"},
		"not found":     {answer(404, "<html>"), "unexpected", "404 Not Found"},
		"a redirect":    {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "unexpected", "302 Found"},
		"HTML":          {answer(200, "<html>"), "unexpected", "not the JSON of mod_http_status"},
		"half a page":   {answer(200, `{"*":{"c2s":{"type":"co`), "unexpected", "not the JSON"},
		"nothing":       {answer(200, ``), "unexpected", "not the JSON"},
		"null":          {answer(200, `null`), "unexpected", "not the JSON"},
		"another shape": {answer(200, `{"status":"ok"}`), "unexpected", "not the JSON"},
		"too much":      {answer(200, strings.Repeat(" ", 5<<20)), "unexpected", "larger than 4 MiB"},
		"breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = w.Write([]byte("{"))
		}, "unexpected", "unexpected EOF"},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "unexpected", "EOF"},
	} {
		got, err := modules(t, c.handler)
		checkStatusError(t, name, err, c.reason, c.says)
		if len(got) != 0 {
			t.Errorf("%s: modules %v", name, got)
		}
	}
	_, err := modulesAt(t, "http://user:secret@127.0.0.1:1/status")
	checkStatusError(t, "nobody listens", err, "unreachable", "connection refused")
}

func TestUnknownStateIsInfo(t *testing.T) {
	got, err := modules(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"h":{"m":{"type":"splendid","message":7,"new":[]}}}`))
	})
	must.Succeed(t, err)
	want := []collector.Module{{Domain: "h", Name: "m", Status: collector.ModuleInfo, Loaded: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSlowPageEndsWithTheRefresh(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	directory := t.TempDir()
	write(t, filepath.Join(directory, "example%2eorg/lastlog2/u.dat"), login("1749988700"))
	reader := prosody.New(prosody.Options{DataPath: directory, StatusURL: server.URL}, activity.SynapseClasses())
	ctx, stop := context.WithTimeout(t.Context(), 50_000_000)
	defer stop()
	facts, err := reader.Read(ctx, time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
	must.Succeed(t, err)
	checkStatusError(t, "slow", facts.ModulesErr, "timeout", "no complete answer in time")
	must.Succeed(t, reader.Close())
}

func checkStatusError(t *testing.T, name string, err error, reason, says string) {
	t.Helper()
	if string(failure.Of(err)) != reason || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%s: error %v, want reason %q and %q", name, err, reason, says)
	}
}
