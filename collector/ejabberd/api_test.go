package ejabberd_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/webapi"
	"active_users_exporter/collector/webapi/webapitest"
	"active_users_exporter/test/must"
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
		must.Succeed(t, err)
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
			webapitest.Replay(w, found.body)
		}
	}))
	t.Cleanup(server.Close)
	return endpoint(t, server.URL+"/api/")
}

func TestAnswersThatAreOfNoUse(t *testing.T) {
	page, err := os.ReadFile("testdata/api-ip-26.07.txtar")
	must.Succeed(t, err)
	archive := txtar.Parse(page)
	captured := func(name string) http.HandlerFunc {
		for _, file := range archive.Files {
			if file.Name == name {
				_, answered, _ := strings.Cut(string(file.Data), "\n--- response ---\n")
				return webapitest.Always(answered)
			}
		}
		t.Fatalf("no %s", name)
		return nil
	}
	for name, c := range map[string]struct {
		handler      http.HandlerFunc
		reason, says string
	}{
		"a wrong password":        {captured("badauth"), "denied", "401 Unauthorized: check user and password"},
		"nothing is permitted":    {captured("forbidden"), "denied", "403 Forbidden"},
		"HTML and 400":            {captured("empty-body"), "unexpected", "400 Bad Request"},
		"HTML and 200":            {webapitest.Made(200, "<html>alice@alpha.example</html>"), "unexpected", "not the JSON that is expected"},
		"an error and 200":        {webapitest.Made(200, `{"code":32,"message":"alice@alpha.example","status":"error"}`), "unexpected", "not the JSON that is expected"},
		"nothing and 200":         {webapitest.Made(200, ``), "unexpected", "not the JSON that is expected"},
		"null":                    {webapitest.Made(200, `null`), "unexpected", "the answer is no list"},
		"half a body":             {webapitest.Always("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[\"alice@"), "unexpected", "unexpected EOF"},
		"another server":          {webapitest.Always("SSH-2.0-OpenSSH_10\r\n"), "unexpected", "malformed HTTP"},
		"a redirect":              {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "unexpected", "302 Found"},
		"the server stumbles":     {webapitest.Made(502, "alice@alpha.example"), "unexpected", "502 Bad Gateway"},
		"it hangs":                {webapitest.Stalled(""), "timeout", "no complete answer in time"},
		"it hangs in the middle ": {webapitest.Stalled("["), "timeout", "no complete answer in time"},
	} {
		server := httptest.NewServer(c.handler)
		t.Cleanup(server.Close)
		checkFailure(t, name, strings.Replace(server.URL, "://", "://me%40alpha.example:secret@", 1)+"/api", c.reason, c.says)
	}
	checkFailure(t, "nobody listens", "http://me:secret@127.0.0.1:1/api", "unreachable", "connection refused")
}

func checkFailure(t *testing.T, name, location, reason, says string) {
	t.Helper()
	webapitest.Failure{Reason: reason, Says: says, Where: "/api"}.Check(t, name, func(ctx context.Context) error {
		reader := ejabberd.New(ejabberd.Options{Databases: legacy(t), API: endpoint(t, location)})
		facts, err := reader.Read(ctx, time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
		must.Succeed(t, reader.Close())
		if err != nil { // the time was over
			return err
		}
		if len(facts.Domains) != 2 || facts.Online != collector.OnlineUnknown {
			t.Errorf("%s: the records are not shown: %+v", name, facts)
		}
		return facts.OnlineErr
	})
	webapitest.Failure{Reason: reason, Says: says, Where: "/api"}.Check(t, name+", the API alone", func(ctx context.Context) error {
		reader := ejabberd.New(ejabberd.Options{API: endpoint(t, location)})
		_, err := reader.Read(ctx, time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
		must.Succeed(t, reader.Close())
		return err
	})
}

// A server that lists no virtual hosts, and has no database, has nothing to show.
func TestAServerWithoutVirtualHosts(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/status") {
			_, _ = io.WriteString(w, `"ejabberd 26.07 is running in that node"`)
			return
		}
		_, _ = io.WriteString(w, `[]`)
	}))
	t.Cleanup(server.Close)
	reader := ejabberd.New(ejabberd.Options{API: endpoint(t, server.URL+"/api")})
	facts, err := reader.Read(t.Context(), time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
	must.Succeed(t, reader.Close())
	if err == nil || failure.Of(err) != failure.Unexpected || !strings.Contains(err.Error(), "no virtual hosts") || facts.Domains != nil {
		t.Errorf("%+v and error %v", facts, err)
	}
}
