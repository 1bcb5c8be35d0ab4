package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"go.uber.org/goleak"

	"active_users_exporter/collector/synapse"
	"active_users_exporter/config"
)

// sampleNow is the moment at which the real Synapse counted the sample.
const sampleNow = 1794236747

func sampleClock() time.Time { return time.Unix(sampleNow, 0).UTC() }

// newTestExporter returns an exporter of the given configuration, which it
// also returns the path of.
func newTestExporter(t *testing.T, content string) (*Exporter, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "active_users.yml")
	writeFile(t, path, content)
	source := config.Source{File: path, LookupEnv: os.LookupEnv}
	return NewExporter(source, sampleClock, log.NewNopLogger()), path
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
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

func waitUntil(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen within a minute")
		}
	}
}

func samples(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	if err := unpackSamples(directory); err != nil {
		t.Fatal(err)
	}
	return directory
}

func TestPages(t *testing.T) {
	directory := samples(t)
	exporter, _ := newTestExporter(t, "servers:\n"+
		"  - {name: matrix, software: synapse, from: sqlite:"+directory+"/homeserver.db}\n"+
		"  - {name: gone, software: synapse, from: sqlite:"+directory+"/gone.db}\n")
	handler := exporter.Pages("/metrics", nil)
	ctx, stop := context.WithCancel(t.Context())
	if err := exporter.Reload(ctx); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, exporter.Ready)
	for path, want := range map[string]struct {
		code int
		says []string
	}{
		"/":          {200, []string{"<title>Active users exporter</title>", "sqlite.lab.test", ">31<", ">39<", ">35<", "gone.db: no such file", `href="/metrics"`}},
		"/metrics":   {200, []string{`chat_active_users{domain="sqlite.lab.test",server="matrix",window="1d"} 31`, `chat_server_up{server="gone"} 0`, "go_goroutines", "active_users_exporter_build_info"}},
		"/-/healthy": {200, []string{"healthy"}},
		"/-/ready":   {200, []string{"ready"}},
		"/-/reload":  {405, nil},
		"/favicon":   {404, nil},
	} {
		code, body := get(t, handler, http.MethodGet, path)
		if code != want.code {
			t.Errorf("%s: %d, want %d", path, code, want.code)
		}
		for _, part := range want.says {
			if !strings.Contains(body, part) {
				t.Errorf("%s does not say %q:\n%s", path, part, body)
			}
		}
	}
	if code, body := get(t, handler, http.MethodPost, "/-/reload"); code != http.StatusForbidden || !strings.Contains(body, "--web.enable-lifecycle") {
		t.Errorf("reload: %d %s", code, body)
	}
	stop()
	exporter.Wait(10 * time.Second)
}

func TestNotReadyBeforeTheFirstRefresh(t *testing.T) {
	exporter, _ := newTestExporter(t, "servers: [{name: matrix, software: synapse, from: sqlite:/nowhere.db}]\n")
	built := exporter.build(settings{Server: config.Server{Name: "matrix", Software: "synapse", Source: synapse.Options{}}})
	exporter.running.Store(&running{servers: []*server{built}})
	handler := exporter.Pages("/metrics", nil)
	if code, _ := get(t, handler, http.MethodGet, "/-/ready"); code != http.StatusServiceUnavailable {
		t.Errorf("ready: %d, want 503", code)
	}
	if code, body := get(t, handler, http.MethodGet, "/metrics"); code != http.StatusOK || !strings.Contains(body, `chat_server_up{server="matrix"} 0`) {
		t.Errorf("metrics: %d %s", code, body)
	}
	if code, body := get(t, handler, http.MethodGet, "/"); code != http.StatusOK || !strings.Contains(body, "the first refresh is running") {
		t.Errorf("landing page: %d %s", code, body)
	}
}

func TestReload(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	directory := samples(t)
	one := "  - {name: matrix, software: synapse, from: sqlite:" + directory + "/homeserver.db}\n"
	two := "  - {name: gone, software: synapse, from: sqlite:" + directory + "/gone.db}\n"
	exporter, path := newTestExporter(t, "servers:\n"+one+two)
	ctx, stop := context.WithCancel(t.Context())
	handler := exporter.Pages("/metrics", func() error { return exporter.Reload(ctx) })
	reload := func() (int, string) { return get(t, handler, http.MethodPost, "/-/reload") }
	if code, body := reload(); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	waitUntil(t, exporter.Ready)
	first := exporter.Statuses()[0]

	writeFile(t, path, "servers:\n"+one+"    mistake: yes\n")
	if code, body := reload(); code != http.StatusInternalServerError || !strings.Contains(body, "active_users.yml:") {
		t.Errorf("with a mistake: %d %s", code, body)
	}
	if _, body := get(t, handler, http.MethodGet, "/metrics"); !strings.Contains(body, "active_users_exporter_config_last_reload_successful 0") {
		t.Error("the failed reload does not show")
	}
	if n := len(exporter.Statuses()); n != 2 {
		t.Errorf("%d servers after a failed reload, want 2", n)
	}

	// One server goes, one stays with its figures, one is new.
	writeFile(t, path, "servers:\n"+one+strings.ReplaceAll(two, "gone", "other"))
	if code, body := reload(); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	statuses := exporter.Statuses()
	if len(statuses) != 2 || statuses[0].Snapshot != first.Snapshot || first.Snapshot == nil || statuses[1].Server != "other" {
		t.Errorf("after a reload: %+v", statuses)
	}
	// A changed server is read anew, and shows its figures until then.
	writeFile(t, path, "windows: [2d]\nservers:\n"+one)
	if code, body := reload(); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	if statuses = exporter.Statuses(); len(statuses) != 1 || statuses[0].Snapshot == nil || !exporter.Ready() {
		t.Errorf("after a change: %+v", statuses)
	}
	waitUntil(t, func() bool { return len(exporter.Statuses()[0].Snapshot.Domains[0].Active) == 1 })
	stop()
	exporter.Wait(10 * time.Second)
}

// Servers whose interfaces are of no use fail each for itself: the others are
// read and shown meanwhile, and nothing stays behind.
func TestUselessInterfacesFailAlone(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	asked := make(chan struct{}, 1)
	interfaces := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch server, _, _ := strings.Cut(r.URL.Path[1:], "/"); server {
		case "denied":
			w.WriteHeader(http.StatusUnauthorized)
		case "html":
			_, _ = io.WriteString(w, "<html>")
		case "half":
			w.Header().Set("Content-Length", "99")
			_, _ = io.WriteString(w, `{"data":`)
		default:
			asked <- struct{}{}
			_, _ = io.ReadAll(r.Body) // else it is not noticed when the other side hangs up
			<-r.Context().Done()
		}
	}))
	defer interfaces.Close()
	content := "servers:\n  - {name: matrix, software: synapse, from: sqlite:" + samples(t) + "/homeserver.db}\n"
	for _, name := range []string{"denied", "html", "half", "hangs"} {
		software := map[bool]string{true: "mongooseim", false: "ejabberd"}[name == "half" || name == "html"]
		content += "  - {name: " + name + ", software: " + software + ", from: " + interfaces.URL + "/" + name + "}\n"
	}
	exporter, _ := newTestExporter(t, content)
	handler := exporter.Pages("/metrics", nil)
	ctx, stop := context.WithCancel(t.Context())
	if err := exporter.Reload(ctx); err != nil {
		t.Fatal(err)
	}
	<-asked // and not answered
	for _, want := range []string{
		`chat_active_users{domain="sqlite.lab.test",server="matrix",window="1d"} 31`,
		`chat_refresh_failures_total{reason="denied",server="denied"} 1`,
		`chat_refresh_failures_total{reason="unexpected",server="html"} 1`,
		`chat_refresh_failures_total{reason="unexpected",server="half"} 1`,
		`chat_refresh_failures_total{reason="timeout",server="hangs"} 0`,
	} {
		waitUntil(t, func() bool {
			_, page := get(t, handler, http.MethodGet, "/metrics")
			return strings.Contains(page, want+"\n")
		})
	}
	stop()
	exporter.Wait(10 * time.Second)
}

func TestReportIsJSON(t *testing.T) {
	directory := samples(t)
	var out strings.Builder
	source := config.Source{Servers: []string{"synapse=sqlite:" + directory + "/homeserver.db"}, LookupEnv: os.LookupEnv}
	statuses, err := refreshOnce(t.Context(), source, environment{clock: sampleClock, logger: log.NewNopLogger()})
	if err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(&out, statuses); err != nil {
		t.Fatal(err)
	}
	var samples []struct {
		Name   string
		Labels map[string]string
		Value  *float64
	}
	if err := json.Unmarshal([]byte(out.String()), &samples); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, s := range samples {
		if s.Name == "" || s.Labels["server"] != "synapse" && s.Labels["homeserver"] != "sqlite.lab.test" || s.Value == nil {
			t.Errorf("incomplete sample %+v", s)
		}
		found = found || s.Name == "chat_r30v2_users" && *s.Value == 35
	}
	if !found {
		t.Errorf("r30v2 is missing or wrong in %s", out.String())
	}
}
