package webapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/webapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func endpoint(t *testing.T, location string) webapi.Endpoint {
	t.Helper()
	e, err := webapi.ParseEndpoint(location)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEndpointsAreSafeToPrint(t *testing.T) {
	e := endpoint(t, "http://me%40example.org:hunter2@127.0.0.1:5280/api/")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		if got := fmt.Sprintf(verb, struct{ Inside webapi.Endpoint }{e}); strings.Contains(got, "hunter2") || strings.Contains(got, "me") && verb != "%#v" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	if e.String() != "http://127.0.0.1:5280/api" || !e.HasUser() || e.IsZero() || endpoint(t, "https://h").HasUser() || !(webapi.Endpoint{}).IsZero() {
		t.Errorf("%s", e)
	}
	for _, location := range []string{
		"", "127.0.0.1:5280/api", "ftp://hunter2@h", "http://", "http://h:x", "http://me:12/hunter2@h/api", "http://h/?hunter2", "http://h/#hunter2", "http:hunter2",
	} {
		if _, err := webapi.ParseEndpoint(location); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v", location, err)
		}
	}
}

func TestWhoAsks(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s %s:%s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"), user, password, body)
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(user string) webapi.Endpoint {
		return endpoint(t, strings.Replace(server.URL, "://", "://"+user, 1)+"/api")
	}
	for want, c := range map[string]*webapi.Client{
		"POST /api/x application/json : {\"a\":1}":                        webapi.New(at(""), file),
		"POST /api/x application/json me@example.org:p@ss {\"a\":1}":      webapi.New(at("me%40example.org:p%40ss@"), ""),
		"POST /api/x application/json me@example.org:from file {\"a\":1}": webapi.New(at("me%40example.org:other@"), file),
	} {
		got, err := c.Post(t.Context(), "x", map[string]int{"a": 1})
		if err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
		c.Close()
	}
	c := webapi.New(at("me@"), file+".nowhere")
	_, err := c.Post(t.Context(), "", nil)
	if failure.Of(err) != failure.Denied || !strings.Contains(err.Error(), "read the password") || webapi.StatusOf(err) != 0 {
		t.Errorf("error %v", err)
	}
}

func TestStatusesOfErrors(t *testing.T) {
	for status, reason := range map[int]string{401: "denied", 403: "denied", 404: "unexpected", 204: "unexpected", 500: "unexpected"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		c := webapi.New(endpoint(t, server.URL), "")
		_, err := c.Post(t.Context(), "", nil)
		if string(failure.Of(err)) != reason || webapi.StatusOf(err) != status || webapi.StatusOf(fmt.Errorf("x: %w", err)) != status {
			t.Errorf("%d: error %v", status, err)
		}
		c.Close()
		server.Close()
	}
}

func TestTooMuch(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 65 {
			_, _ = w.Write(make([]byte, 1<<20))
		}
	}))
	t.Cleanup(server.Close)
	c := webapi.New(endpoint(t, server.URL), "")
	defer c.Close()
	if _, err := c.Post(t.Context(), "", nil); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("error %v", err)
	}
}

// Even if the caller has all the time in the world.
func TestPatienceEnds(t *testing.T) {
	release := make(chan struct{})
	for name, first := range map[string]string{"nothing": "", "half an answer": "["} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, first)
			if first != "" {
				w.(http.Flusher).Flush()
			}
			<-release
		}))
		t.Cleanup(server.Close)
		c := webapi.New(endpoint(t, server.URL), "")
		c.SetTimeout(50 * time.Millisecond)
		_, err := c.Post(t.Context(), "", nil)
		if failure.Of(err) != failure.Timeout || !strings.Contains(err.Error(), "no complete answer in time") {
			t.Errorf("%s: error %v", name, err)
		}
		c.Close()
	}
	close(release)
}

// A page is read by its whole URL, with the user in it, and must not be large.
func TestGet(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.Method != http.MethodGet || r.Header.Get("Content-Type") != "" || user+" "+password != "me secret" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		switch r.URL.Query().Get("page") {
		case "good":
			_, _ = io.WriteString(w, "fine")
		case "large":
			_, _ = io.WriteString(w, strings.Repeat(" ", 5<<20))
		case "elsewhere":
			http.Redirect(w, r, "/?page=good", http.StatusFound)
		}
	}))
	t.Cleanup(server.Close)
	authority := strings.TrimPrefix(server.URL, "http://")
	get := func(userinfo, page string) (string, error) {
		c := webapi.NewPage("http://" + userinfo + authority + "/?page=" + page)
		defer c.Close()
		body, err := c.Get(t.Context())
		return string(body), err
	}
	if body, err := get("me:secret@", "good"); err != nil || body != "fine" {
		t.Errorf("answer %q, error %v", body, err)
	}
	for name, c := range map[string]struct {
		userinfo, page string
		reason         failure.Reason
		status         int
		says           string
	}{
		"no password":    {"", "good", failure.Denied, 403, "403 Forbidden"},
		"wrong password": {"me:terces@", "good", failure.Denied, 403, "403 Forbidden"},
		"too large":      {"me:secret@", "large", failure.Unexpected, 0, "larger than 4 MiB"},
		"a redirect":     {"me:secret@", "elsewhere", failure.Unexpected, 302, "302 Found"},
	} {
		_, err := get(c.userinfo, c.page)
		switch {
		case err == nil || failure.Of(err) != c.reason || webapi.StatusOf(err) != c.status || !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: error %v, want reason %s, status %d and %q", name, err, c.reason, c.status, c.says)
		case strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "terces"):
			t.Errorf("%s: error %v tells a password", name, err)
		}
	}
}
