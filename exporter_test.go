package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"active_users_exporter/collector/demo"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/config"
	"active_users_exporter/test/leaks"
	"active_users_exporter/test/must"
	"active_users_exporter/test/samples"
	"active_users_exporter/test/series"
	"active_users_exporter/web"
)

// newTestExporter returns an exporter of the given configuration, which it
// also returns the path of.
func newTestExporter(t *testing.T, content string) (*Exporter, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "active_users.yml")
	must.WriteFile(t, path, content)
	source := config.Source{File: path, LookupEnv: os.LookupEnv}
	return NewExporter(source, samples.Now, log.NewNopLogger()), path
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

// realRecords returns a folder with homeserver.db and the data directory prosody.
func realRecords(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	must.Succeed(t, samples.Unpack(".", directory))
	return directory
}

func TestPages(t *testing.T) {
	directory := realRecords(t)
	exporter, _ := newTestExporter(t, "servers:\n"+
		"  - {name: matrix, software: synapse, from: sqlite:"+directory+"/homeserver.db}\n"+
		"  - {name: gone, software: synapse, from: sqlite:"+directory+"/gone.db}\n")
	handler := exporter.Pages(web.Options{TelemetryPath: "/metrics"})
	ctx, stop := context.WithCancel(t.Context())
	if err := exporter.Reload(ctx); err != nil {
		t.Fatal(err)
	}
	must.Happen(t, exporter.Ready)
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
	handler := exporter.Pages(web.Options{TelemetryPath: "/metrics"})
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
	directory := realRecords(t)
	one := "  - {name: matrix, software: synapse, from: sqlite:" + directory + "/homeserver.db}\n"
	two := "  - {name: gone, software: synapse, from: sqlite:" + directory + "/gone.db}\n"
	exporter, path := newTestExporter(t, "servers:\n"+one+two)
	ctx, stop := context.WithCancel(t.Context())
	handler := exporter.Pages(web.Options{TelemetryPath: "/metrics", Reload: func() error { return exporter.Reload(ctx) }})
	reload := func() (int, string) { return get(t, handler, http.MethodPost, "/-/reload") }
	if code, body := reload(); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	must.Happen(t, exporter.Ready)
	first := exporter.Statuses()[0]

	must.WriteFile(t, path, "servers:\n"+one+"    mistake: yes\n")
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
	must.WriteFile(t, path, "servers:\n"+one+strings.ReplaceAll(two, "gone", "other"))
	if code, body := reload(); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	statuses := exporter.Statuses()
	if len(statuses) != 2 || statuses[0].Snapshot != first.Snapshot || first.Snapshot == nil || statuses[1].Server != "other" {
		t.Errorf("after a reload: %+v", statuses)
	}
	// A changed server is read again, and shows its figures until then.
	must.WriteFile(t, path, "windows: [2d]\nservers:\n"+one)
	if code, body := reload(); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	if statuses = exporter.Statuses(); len(statuses) != 1 || statuses[0].Snapshot == nil || !exporter.Ready() {
		t.Errorf("after a change: %+v", statuses)
	}
	must.Happen(t, func() bool { return len(exporter.Statuses()[0].Snapshot.Domains[0].Active) == 1 })
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
	content := "servers:\n  - {name: matrix, software: synapse, from: sqlite:" + realRecords(t) + "/homeserver.db}\n"
	for _, name := range []string{"denied", "html", "half", "hangs"} {
		software := map[bool]string{true: "mongooseim", false: "ejabberd"}[name == "half" || name == "html"]
		content += "  - {name: " + name + ", software: " + software + ", from: " + interfaces.URL + "/" + name + "}\n"
	}
	exporter, _ := newTestExporter(t, content)
	handler := exporter.Pages(web.Options{TelemetryPath: "/metrics"})
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
		must.Happen(t, func() bool {
			_, page := get(t, handler, http.MethodGet, "/metrics")
			return strings.Contains(page, want+"\n")
		})
	}
	stop()
	exporter.Wait(10 * time.Second)
}

// Thirty of a hundred servers are broken, each third in another way. The
// seventy are read and shown as if they were alone; of the thirty there are no
// figures, least of all zeros; and nothing stays behind.
func TestThirtyOfAHundredServersAreBroken(t *testing.T) {
	leaks.LeavesNothing(t, thirtyOfAHundred)
}

func thirtyOfAHundred(t *testing.T) {
	folder := t.TempDir()
	must.Succeed(t, demo.Synapse(t.Context(), filepath.Join(folder, "synapse.db"), samples.Now(), 100, 1))
	must.Succeed(t, demo.Prosody(t.Context(), filepath.Join(folder, "prosody"), samples.Now(), 100, 1))
	must.WriteFile(t, filepath.Join(folder, "garbage.db"), strings.Repeat("garbage ", 9999))
	must.WriteFile(t, filepath.Join(folder, "empty.db"), "")
	useless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else it is not noticed when the other side hangs up
		switch r.URL.Path[1:] {
		case "html":
			_, _ = io.WriteString(w, "<html>")
		case "hangs":
			<-r.Context().Done()
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(useless.Close)
	broken := []string{
		"software: synapse, from: 'sqlite:" + folder + "/gone.db'",
		"software: synapse, from: 'sqlite:" + folder + "/garbage.db'",
		"software: prosody, from: 'sqlite:" + folder + "/empty.db'",
		"software: prosody, from: '" + folder + "/not mounted'",
		"software: prosody, from: '" + t.TempDir() + "'",
		"software: synapse, from: 'postgres://u@" + "127.0.0.1:" + dbtest.FreePort(t) + "/synapse'",
		"software: mongooseim, from: 'mysql://u@" + "127.0.0.1:" + dbtest.FreePort(t) + "/mongooseim'",
		"software: mongooseim, from: '" + useless.URL + "/html'",
		"software: ejabberd, from: '" + useless.URL + "/denied'",
		"software: ejabberd, from: '" + useless.URL + "/hangs'",
	}
	sound := []string{
		"software: synapse, from: 'sqlite:" + folder + "/synapse.db'",
		"software: prosody, from: '" + folder + "/prosody'",
	}
	content := "servers:\n"
	for n := range 100 {
		if n%10 < 3 {
			content += fmt.Sprintf("  - {name: broken%d, %s}\n", n, broken[n/10])
		} else {
			content += fmt.Sprintf("  - {name: sound%d, %s}\n", n, sound[n%2])
		}
	}
	exporter, _ := newTestExporter(t, content)
	handler := exporter.Pages(web.Options{TelemetryPath: "/metrics"})
	ctx, stop := context.WithCancel(t.Context())
	must.Succeed(t, exporter.Reload(ctx))
	var shown series.Series
	must.Happen(t, func() bool {
		_, page := get(t, handler, http.MethodGet, "/metrics")
		shown = series.Parse(page)
		up := 0
		for name, value := range shown.Only("chat_server_up{") {
			if value == "1" && strings.Contains(name, "sound") {
				up++
			}
		}
		return up == 70
	})
	if n := len(shown.Only("chat_server_up{")); n != 100 {
		t.Errorf("%d servers are shown", n)
	}
	first := []series.Series{shown.Figures("sound4"), shown.Figures("sound3")}
	for n := range 100 {
		if n%10 < 3 {
			name := fmt.Sprintf("broken%d", n)
			if figures := shown.Figures(name); len(figures) != 1 || shown[`chat_server_up{server="`+name+`"}`] != "0" { // failures of the history
				t.Errorf("%s shows %v", name, figures)
			}
			continue
		}
		server := fmt.Sprintf("sound%d", n)
		alike := series.Series{}
		for name, value := range shown.Figures(server) {
			alike[strings.Replace(name, `"`+server+`"`, fmt.Sprintf(`"sound%d"`, 4-n%2), 1)] = value
		}
		if diff := cmp.Diff(first[n%2], alike); diff != "" {
			t.Errorf("%s (-want +got):\n%s", server, diff)
		}
	}
	stop()
	exporter.Wait(10 * time.Second)
}
