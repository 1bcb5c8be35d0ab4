package mongooseim_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/mongooseim"
	"active_users_exporter/collector/webapi"
	"active_users_exporter/collector/webapi/webapitest"
	"active_users_exporter/test/must"
)

// exchange is a query and the bytes of the answer to it.
type exchange struct{ query, answer string }

// captured returns what was asked of a real server, and its answers.
func captured(t *testing.T) map[string]exchange {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/graphql.txtar")
	must.Succeed(t, err)
	all := make(map[string]exchange)
	for _, file := range archive.Files {
		asked, answer, ok := strings.Cut(string(file.Data), "\n--- response ---\n")
		if !ok {
			t.Fatalf("%s is no answer", file.Name)
		}
		_, body, _ := strings.Cut(asked, "\n\n")
		var question struct {
			Query string `json:"query"`
		}
		_ = json.Unmarshal([]byte(body), &question) // empty with GET
		all[file.Name] = exchange{question.Query, answer}
	}
	return all
}

// reply is given to queries that contain has; made ones have a status.
type reply struct {
	has, answer string
	status      int
}

// newest are the answers of 6.8.
func newest(t *testing.T) []reply {
	t.Helper()
	all := captured(t)
	return append([]reply{
		{has: "checkAuth", answer: all["checkAuth"].answer},
		{has: "__type", answer: all["introspection-subset"].answer},
		{has: "hostTypes", answer: all["server-all"].answer},
		{has: "allDomains", answer: all["domain-byHostType"].answer}, // with an error beside it
		{has: "listSessions", answer: all["session"].answer},
		{has: "countUsers", answer: all["account-count"].answer},
		{has: "globalStats", answer: all["stat-all"].answer},
		{has: "joinedNodes", answer: all["cets"].answer},
		{has: "running_db_nodes", answer: all["mnesia"].answer},
	}, lists(t, all)...)
}

// lists are those of the last activity of each domain, made from the one of all
// domains that was captured.
func lists(t *testing.T, all map[string]exchange) (replies []reply) {
	t.Helper()
	_, body, _ := strings.Cut(all["last-listOldUsers-global-now"].answer, "\n\n")
	var answer struct {
		Data struct {
			Last struct {
				Old []map[string]any `json:"listOldUsers"`
			} `json:"last"`
		} `json:"data"`
	}
	must.Succeed(t, json.Unmarshal([]byte(body), &answer))
	for _, name := range []string{"alpha.example", "beta.example"} {
		users := []map[string]any{}
		for _, u := range answer.Data.Last.Old {
			if strings.HasSuffix(u["jid"].(string), "@"+name) {
				users = append(users, u)
			}
		}
		list, err := json.Marshal(map[string]any{"data": map[string]any{"last": map[string]any{"listOldUsers": users}}})
		must.Succeed(t, err)
		replies = append(replies, reply{has: `listOldUsers(domain:"` + name + `",timestamp:"2026-11-22T`, answer: string(list), status: 200})
	}
	return replies
}

// oldest are the answers of a server that does not know what 6.6 brought.
func oldest(t *testing.T) []reply {
	t.Helper()
	all := captured(t)
	return []reply{
		{has: "checkAuth", answer: all["checkAuth"].answer},
		{has: "__type", answer: `{"data":{"__type":{"fields":[{"name":"getCookie"},{"name":"status"}]}}}`, status: 200},
		{has: "hostTypes", answer: all["unknown-field"].answer},
		{has: "{server{status{message}}}", answer: `{"data":{"server":{"status":{"message":"MongooseIM 6.0.0 is running in that node"}}}}`, status: 200},
		{has: "listSessions{", answer: all["session"].answer},
		{has: "countUsers", answer: all["account-count"].answer},
		{has: "listOldUsers(timestamp", answer: all["last-listOldUsers-global-now"].answer},
		{has: "globalStats", answer: all["mixed-partial-errors"].answer},
	}
}

// oneDomain are the answers to an administrator of alpha.example.
func oneDomain(t *testing.T) []reply {
	t.Helper()
	all := captured(t)
	return append([]reply{
		{has: "checkAuth", answer: `{"data":{"checkAuth":{"domain":"alpha.example","authType":"DOMAIN_ADMIN","authStatus":"AUTHORIZED"}}}`, status: 200},
		{has: "server", answer: all["domainadmin-server"].answer},
		{has: `listSessions(domain:"alpha.example")`, status: 200, answer: `{"data":{"session":{"listSessions":[{"user":"ivan@alpha.example/sm"},{"user":"erin@alpha.example/r1"},` +
			`{"user":"dave@alpha.example/desk"},{"user":"heidi@alpha.example/tablet"},{"user":"judy@alpha.example/kickme"}]}}}`},
		{has: `countUsers(domain:"alpha.example")}}`, answer: `{"data":{"a":{"countUsers":10}}}`, status: 200},
	}, lists(t, all)[:1]...)
}

func replay(t *testing.T, replies []reply) webapi.Endpoint {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var question struct {
			Query string `json:"query"`
		}
		if json.Unmarshal(body, &question) != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %s", r.Method, r.Header.Get("Content-Type"), body)
		}
		for _, reply := range replies {
			switch {
			case !strings.Contains(question.Query, reply.has):
				continue
			case reply.status == 0:
				webapitest.Replay(w, reply.answer)
			default:
				w.WriteHeader(reply.status)
				_, _ = io.WriteString(w, reply.answer)
			}
			return
		}
		t.Errorf("there is no answer to %s", question.Query)
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	return endpoint(t, server.URL+"/api/graphql")
}

func TestADomainWithoutModLast(t *testing.T) {
	replies := newest(t)
	replies[len(replies)-1] = reply{has: `listOldUsers(domain:"beta.example"`, answer: captured(t)["last-module-not-loaded"].answer}
	got, _, err := read(t, mongooseim.Options{GraphQL: replay(t, replies)}, time.Unix(1795226400, 0))
	if err != nil {
		t.Fatal(err)
	}
	if got["alpha.example"] != (domain{8, 10, -1, 5}) || got["beta.example"] != (domain{-1, 8, -1, 2}) {
		t.Errorf("%+v", got)
	}
}

func TestAnswersThatAreOfNoUse(t *testing.T) {
	all := captured(t)
	one := func(name string) http.HandlerFunc {
		return webapitest.Always(all[name].answer)
	}
	for name, c := range map[string]struct {
		handler      http.HandlerFunc
		reason, says string
	}{
		"a wrong password":       {one("badauth"), "denied", "401 Unauthorized: check user and password (wrong_credentials)"},
		"no password":            {one("checkAuth-noauth"), "denied", "user and password of the listener"},
		"no rights":              {one("domainadmin-server"), "denied", "no_permissions"},
		"an unknown field":       {one("unknown-field"), "unexpected", "400 Bad Request (unknown_field)"},
		"an error and 200":       {webapitest.Made(200, `{"errors":[{"message":"alice@alpha.example","extensions":{"code":"resolver_crash"}}],"data":null}`), "unexpected", "resolver_crash"},
		"a strange code":         {webapitest.Made(200, `{"errors":[{"extensions":{"code":"alice@alpha.example"}}],"data":null}`), "unexpected", "an error"},
		"another content type":   {webapitest.Made(415, ``), "unexpected", "415 Unsupported Media Type (is it MongooseIM's GraphQL?)"},
		"another Host header":    {webapitest.Made(400, ``), "unexpected", "400 Bad Request"},
		"a wrong path":           {webapitest.Made(404, ``), "unexpected", "404 Not Found"},
		"HTML":                   {webapitest.Made(200, `<html>alice@alpha.example`), "unexpected", "not that of a GraphQL interface"},
		"nothing":                {webapitest.Made(200, ``), "unexpected", "not that of a GraphQL interface"},
		"null":                   {webapitest.Made(200, `null`), "unexpected", "no data"},
		"another shape":          {webapitest.Made(200, `{"data":[]}`), "unexpected", "not the JSON that is expected"},
		"half a body":            {webapitest.Always("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"data\":\"alice@"), "unexpected", "unexpected EOF"},
		"another server":         {webapitest.Always("SSH-2.0-OpenSSH_10\r\n"), "unexpected", "malformed HTTP"},
		"a redirect":             {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "unexpected", "302 Found"},
		"it hangs in the middle": {webapitest.Stalled(`{"data":`), "timeout", "no complete answer in time"},
		"it hangs":               {webapitest.Stalled(""), "timeout", "no complete answer in time"},
		"sessions that fail":     {failing("listSessions", `{"data":{"session":{"listSessions":null}},"errors":[{"path":["session","listSessions"],"extensions":{"code":"resolver_crash"}}]}`, newest(t)), "unexpected", "the list of sessions was answered with resolver_crash"},
		"last activity fails":    {failing("listOldUsers", `{"data":{"last":{"listOldUsers":null}},"errors":[{"path":["last","listOldUsers"],"extensions":{"code":"resolver_crash"}}]}`, newest(t)), "unexpected", "the list of last activity was answered with resolver_crash"},
		"last activity, nothing": {failing("listOldUsers", `{"data":{"last":null}}`, newest(t)), "unexpected", "answered with nothing"},
	} {
		server := httptest.NewServer(c.handler)
		t.Cleanup(server.Close)
		checkFailure(t, name, strings.Replace(server.URL, "://", "://me%40alpha.example:secret@", 1)+"/api/graphql", c.reason, c.says)
	}
	checkFailure(t, "nobody listens", "http://me:secret@127.0.0.1:1/api/graphql", "unreachable", "connection refused")
}

func checkFailure(t *testing.T, name, location, reason, says string) {
	t.Helper()
	webapitest.Failure{Reason: reason, Says: says, Where: "/api/graphql"}.Check(t, name, func(ctx context.Context) error {
		reader := mongooseim.New(mongooseim.Options{GraphQL: endpoint(t, location)})
		_, err := reader.Read(ctx, time.Time{}, time.Unix(1795226400, 0), activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
		must.Succeed(t, reader.Close())
		return err
	})
}

// failing gives one answer to queries that contain has, and good ones to
// others.
func failing(has, answer string, others []reply) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		query := strings.ReplaceAll(string(body), `\"`, `"`)
		if strings.Contains(query, has) {
			_, _ = io.WriteString(w, answer)
			return
		}
		for _, reply := range others {
			if strings.Contains(query, reply.has) {
				webapitest.Replay(w, reply.answer)
				return
			}
		}
	}
}
