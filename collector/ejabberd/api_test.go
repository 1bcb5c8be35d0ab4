package ejabberd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/webapi"
)

// answer is a made one if it has a status, else the bytes of a real one.
type answer struct {
	status int
	body   string
}

// answers are by command and arguments.
type answers map[string]answer

// question is the key of a command with its arguments in a fixed order.
func question(command, arguments string) string {
	var object map[string]any
	if json.Unmarshal([]byte(arguments), &object) != nil {
		return command + " " + arguments
	}
	sorted, err := json.Marshal(object)
	if err != nil {
		return command + " " + arguments
	}
	return command + " " + string(sorted)
}

// captured reads what a real server answered.
func captured(path string) func(t *testing.T) answers {
	return func(t *testing.T) answers {
		t.Helper()
		archive, err := txtar.ParseFile(path)
		must(t, err)
		all := make(answers)
		for _, file := range archive.Files {
			switch file.Name {
			case "badauth", "noauth", "empty-body": // other ways to ask for status
				continue
			}
			asked, answered, ok := strings.Cut(string(file.Data), "\n--- response ---\n")
			head, arguments, _ := strings.Cut(asked, "\n\n")
			line, _, _ := strings.Cut(head, "\n")
			command, post := strings.CutPrefix(line, "POST /api/")
			if !ok {
				t.Fatalf("%s: %s is no answer", path, file.Name)
			}
			if post {
				all[question(command, strings.TrimSpace(arguments))] = answer{0, answered}
			}
		}
		return all
	}
}

// replay serves answers, the real ones byte for byte.
func replay(t *testing.T, all answers) webapi.Endpoint {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked := question(strings.TrimPrefix(r.URL.Path, "/api/"), string(body))
		found, ok := all[asked]
		switch {
		case r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json":
			t.Errorf("%s with %s", r.Method, r.Header.Get("Content-Type"))
		case !ok:
			t.Errorf("there is no answer to %s", asked)
			w.WriteHeader(http.StatusTeapot)
		case found.status != 0:
			w.WriteHeader(found.status)
			_, _ = io.WriteString(w, found.body)
		default:
			raw(w, found.body)
		}
	}))
	t.Cleanup(server.Close)
	return endpoint(t, server.URL+"/api/")
}

// raw gives a captured answer: its status, head and body, byte for byte. What is
// no answer is written as it is, and the connection closed.
func raw(w http.ResponseWriter, answer string) {
	response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
	if err != nil {
		connection, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(connection, answer)
		_ = connection.Close()
		return
	}
	defer func() { _ = response.Body.Close() }()
	maps.Copy(w.Header(), response.Header)
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

func TestAnswersThatAreOfNoUse(t *testing.T) {
	page, err := os.ReadFile("testdata/api-ip-26.07.txtar")
	must(t, err)
	archive := txtar.Parse(page)
	captured := func(name string) http.HandlerFunc {
		for _, file := range archive.Files {
			if file.Name == name {
				_, answered, _ := strings.Cut(string(file.Data), "\n--- response ---\n")
				return func(w http.ResponseWriter, _ *http.Request) { raw(w, answered) }
			}
		}
		t.Fatalf("no %s", name)
		return nil
	}
	made := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	release := make(chan struct{})
	defer close(release)
	for name, c := range map[string]struct {
		handler      http.HandlerFunc
		reason, says string
	}{
		"a wrong password":     {captured("badauth"), "denied", "401 Unauthorized: check user and password"},
		"nothing is permitted": {captured("forbidden"), "denied", "403 Forbidden"},
		"HTML and 400":         {captured("empty-body"), "unexpected", "400 Bad Request"},
		"HTML and 200":         {made(200, "<html>alice@alpha.example</html>"), "unexpected", "not the JSON that is expected"},
		"an error and 200":     {made(200, `{"code":32,"message":"alice@alpha.example","status":"error"}`), "unexpected", "not the JSON that is expected"},
		"nothing and 200":      {made(200, ``), "unexpected", "not the JSON that is expected"},
		"null":                 {made(200, `null`), "unexpected", "the answer is no list"},
		"half a body": {func(w http.ResponseWriter, _ *http.Request) {
			raw(w, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[\"alice@")
		}, "unexpected", "unexpected EOF"},
		"another server":      {func(w http.ResponseWriter, _ *http.Request) { raw(w, "SSH-2.0-OpenSSH_10\r\n") }, "unexpected", "malformed HTTP"},
		"a redirect":          {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "unexpected", "302 Found"},
		"the server stumbles": {made(502, "alice@alpha.example"), "unexpected", "502 Bad Gateway"},
		"it hangs":            {func(http.ResponseWriter, *http.Request) { <-release }, "timeout", "no complete answer in time"},
		"it hangs in the middle ": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "[")
			w.(http.Flusher).Flush()
			<-release
		}, "timeout", "no complete answer in time"},
	} {
		server := httptest.NewServer(c.handler)
		t.Cleanup(server.Close)
		checkFailure(t, name, strings.Replace(server.URL, "://", "://me%40alpha.example:secret@", 1)+"/api", c.reason, c.says)
	}
	checkFailure(t, "nobody listens", "http://me:secret@127.0.0.1:1/api", "unreachable", "connection refused")
}

func checkFailure(t *testing.T, name, location, reason, says string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	reader := ejabberd.New(ejabberd.Options{Databases: legacy(t), API: endpoint(t, location)})
	_, err := reader.Read(ctx, time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
	must(t, reader.Close())
	text := fmt.Sprintf("%v %+v", err, err)
	var told interface{ Reason() string }
	if err == nil || !errors.As(err, &told) || told.Reason() != reason || !strings.Contains(text, says) || !strings.Contains(text, "/api") ||
		strings.Contains(text, "secret") || strings.Contains(text, "alice") || strings.Contains(text, "me@") {
		t.Errorf("%s: error %v, want reason %q and %q", name, err, reason, says)
	}
}
