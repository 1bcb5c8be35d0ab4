package reports_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/usagereport"
	"active_users_exporter/test/must"
)

var noon = time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC)

// receiver is a Receiver whose clock can be set.
type receiver struct {
	*reports.Receiver
	clock atomic.Int64 // Unix nanoseconds
}

func (r *receiver) now() time.Time { return time.Unix(0, r.clock.Load()) }

func (r *receiver) set(now time.Time) { r.clock.Store(now.UnixNano()) }

// at is a folder, or the URL of a database.
func at(t *testing.T, location string) storage.Location {
	t.Helper()
	l, err := storage.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func start(t *testing.T, location string, change func(*reports.Options)) *receiver {
	t.Helper()
	r := &receiver{}
	r.set(noon)
	o := reports.Options{
		Settings: reports.Settings{
			MaxHomeservers: 100, ExpireAfter: 24 * time.Hour,
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		},
		Location: at(t, location), Retention: 400 * 24 * time.Hour, Now: r.now, Logger: log.NewNopLogger(),
	}
	if change != nil {
		change(&o)
	}
	r.Receiver = reports.New(t.Context(), o)
	return r
}

func started(t *testing.T, change func(*reports.Options)) *receiver {
	t.Helper()
	r := start(t, t.TempDir(), change)
	t.Cleanup(func() { must.Succeed(t, r.Close()) })
	return r
}

// put pushes a body and returns the answer.
func (r *receiver) put(method, path, body string, header http.Header) *httptest.ResponseRecorder {
	request := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	request.RemoteAddr = "127.0.0.1:999"
	for name, values := range header {
		if name == "Remote" {
			request.RemoteAddr = values[0]
			continue
		}
		request.Header[name] = values
	}
	recorder := httptest.NewRecorder()
	r.Handler().ServeHTTP(recorder, request)
	return recorder
}

const path = "/report-usage-stats/push"

// pushed is a push as it was captured.
type pushed struct {
	Method, Path string
	Body         string `json:"body_raw"`
	Headers      [][2]string
}

func captured(t *testing.T, name string) (p pushed) {
	t.Helper()
	content, err := os.ReadFile("testdata/" + name)
	must.Succeed(t, err)
	must.Succeed(t, json.Unmarshal(content, &p))
	return p
}

// What a real Synapse sent, byte for byte: every statistic is known again, with
// its value, also after a restart.
func TestRealReports(t *testing.T) {
	for _, name := range []string{"phone-home-sqlite-day69.json", "phone-home-pg-day31.json"} {
		folder := t.TempDir()
		r := start(t, folder, nil)
		p := captured(t, name)
		header := make(http.Header)
		for _, h := range p.Headers {
			header.Set(h[0], h[1])
		}
		answer := r.put(p.Method, p.Path, p.Body, header)
		if answer.Code != http.StatusOK || answer.Body.String() != "{}" || answer.Header().Get("Content-Type") != "application/json" {
			t.Errorf("answer %d %q", answer.Code, answer.Body)
		}
		var sent map[string]any
		must.Succeed(t, json.Unmarshal([]byte(p.Body), &sent))
		statistics, info := make(map[string]float64), make(map[string]string)
		for key, value := range sent {
			switch v := value.(type) {
			case float64:
				statistics[key] = v
			case string:
				info[key] = v
			}
		}
		delete(info, "homeserver")
		info["version"] = "1.160.0" // of the User-Agent
		want := reports.Shown{Homeservers: []usagereport.Homeserver{{
			Name: sent["homeserver"].(string), Software: usagereport.Synapse, Statistics: statistics, Info: info,
			Reported: noon, Reports: 1,
		}}}
		for _, when := range []string{"at once", "after a restart"} {
			shown := r.Shown()
			shown.Homeservers[0].Reported = shown.Homeservers[0].Reported.UTC()
			if diff := cmp.Diff(want.Homeservers, shown.Homeservers); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", name, when, diff)
			}
			must.Succeed(t, r.Close())
			r = start(t, folder, nil)
		}
		must.Succeed(t, r.Close())
	}
}

// A series of reports over 70 days, as they were captured.
func TestSeriesOfReports(t *testing.T) {
	r := started(t, nil)
	content, err := os.ReadFile("testdata/phone-home-series-sqlite.jsonl")
	must.Succeed(t, err)
	n := 0
	for line := range strings.Lines(string(content)) {
		var p map[string]any
		must.Succeed(t, json.Unmarshal([]byte(line), &p))
		body, ok := p["body"]
		if !ok {
			body = p
		}
		encoded, err := json.Marshal(body)
		must.Succeed(t, err)
		r.set(r.now().Add(3 * time.Hour))
		if answer := r.put(http.MethodPut, path, string(encoded), nil); answer.Code != http.StatusOK {
			t.Fatalf("report %d: %d %s", n, answer.Code, answer.Body)
		}
		n++
	}
	shown := r.Shown()
	if len(shown.Homeservers) != 1 || shown.Homeservers[0].Reports != uint64(n) || n < 50 {
		t.Errorf("%d reports sent, shown %+v", n, shown)
	}
	if r.Rejected()[reports.OutOfRange] != 0 {
		t.Error("a real value is not believed")
	}
}

func report(homeserver string, more ...string) string {
	return `{"homeserver":"` + homeserver + `"` + strings.Join(append([]string{""}, more...), ",") + `}`
}

func TestHostileAndOddReports(t *testing.T) {
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	for name, c := range map[string]struct {
		method, path, body string
		header             http.Header
		status             int
		want               map[string]float64 // nil: nothing is stored
		dropped            uint64
	}{
		"empty body":                   {"PUT", path, ``, nil, 400, nil, 0},
		"not JSON":                     {"PUT", path, `hello`, nil, 400, nil, 0},
		"truncated":                    {"PUT", path, `{"homeserver":"a.example","total_us`, nil, 400, nil, 0},
		"an array":                     {"PUT", path, `[]`, nil, 400, nil, 0},
		"a string":                     {"PUT", path, `"a.example"`, nil, 400, nil, 0},
		"null":                         {"PUT", path, `null`, nil, 400, nil, 0},
		"an empty object":              {"PUT", path, `{}`, nil, 400, nil, 0},
		"garbage behind it":            {"PUT", path, report("a.example") + "garbage", nil, 400, nil, 0},
		"two objects":                  {"PUT", path, report("a.example") + report("b.example"), nil, 400, nil, 0},
		"homeserver is a number":       {"PUT", path, `{"homeserver":7}`, nil, 400, nil, 0},
		"homeserver with markup":       {"PUT", path, report("<script>"), nil, 400, nil, 0},
		"homeserver with a line end":   {"PUT", path, report(`a.example\n`), nil, 400, nil, 0},
		"a zone":                       {"PUT", path, report("[fe80::1%eth0]"), nil, 400, nil, 0},
		"a zone with a zero byte":      {"PUT", path, report(`[fe80::1%a\u0000b]`), nil, 400, nil, 0},
		"a zone with a line end":       {"PUT", path, report(`[fe80::1%a\nb]`), nil, 400, nil, 0},
		"brackets around IPv4":         {"PUT", path, report("[192.0.2.1]"), nil, 400, nil, 0},
		"letters that become ASCII":    {"PUT", path, report("\u212a.example"), nil, 400, nil, 0},
		"a long port":                  {"PUT", path, report("[2001:db8::1]:123456"), nil, 400, nil, 0},
		"IPv4 within IPv6":             {"PUT", path, report("[::ffff:192.0.2.1]:8448"), nil, 200, map[string]float64{}, 0},
		"homeserver too long":          {"PUT", path, report(strings.Repeat("a", 1000)), nil, 400, nil, 0},
		"deep":                         {"PUT", path, `{"homeserver":"a.example","x":` + deep + `}`, nil, 400, nil, 0},
		"too large":                    {"PUT", path, report("a.example", `"x":"`+strings.Repeat("x", 70_000)+`"`), nil, 413, nil, 0},
		"compressed":                   {"PUT", path, report("a.example"), http.Header{"Content-Encoding": {"gzip"}}, 415, nil, 0},
		"DELETE":                       {"DELETE", path, report("a.example"), nil, 405, nil, 0},
		"GET":                          {"GET", path, ``, nil, 405, nil, 0},
		"another path":                 {"PUT", "/", report("a.example"), nil, 404, nil, 0},
		"POST":                         {"POST", "/push", report("a.example", `"total_users":3`), nil, 200, map[string]float64{"total_users": 3}, 0},
		"no content type":              {"PUT", path, report("a.example", `"total_users":3`), nil, 200, map[string]float64{"total_users": 3}, 0},
		"any content type":             {"PUT", path, report("a.example", `"total_users":3`), http.Header{"Content-Type": {"text/plain"}}, 200, map[string]float64{"total_users": 3}, 0},
		"a subset":                     {"PUT", path, report("a.example"), nil, 200, map[string]float64{}, 0},
		"unknown keys":                 {"PUT", path, report("a.example", `"new":{"a":[1]}`, `"go_version":"1.2"`, `"total_users":3`), nil, 200, map[string]float64{"total_users": 3}, 0},
		"null values":                  {"PUT", path, report("a.example", `"server_context":null`, `"total_users":null`), nil, 200, map[string]float64{}, 0},
		"a float for an integer":       {"PUT", path, report("a.example", `"total_users":5.0`), nil, 200, map[string]float64{"total_users": 5}, 0},
		"a string for a number":        {"PUT", path, report("a.example", `"total_users":"5"`, `"daily_messages":1`), nil, 200, map[string]float64{"daily_messages": 1}, 1},
		"a boolean for a number":       {"PUT", path, report("a.example", `"total_users":true`), nil, 200, map[string]float64{}, 1},
		"an object for a number":       {"PUT", path, report("a.example", `"total_users":{}`), nil, 200, map[string]float64{}, 1},
		"a negative number":            {"PUT", path, report("a.example", `"total_users":-1`), nil, 200, map[string]float64{}, 1},
		"above what there can be":      {"PUT", path, report("a.example", `"total_users":9223372036854775808`), nil, 200, map[string]float64{}, 1},
		"not even a float":             {"PUT", path, report("a.example", `"total_users":1e999`), nil, 200, map[string]float64{}, 1},
		"the year three million":       {"PUT", path, report("a.example", `"timestamp":94608000000000`), nil, 200, map[string]float64{}, 1},
		"a duplicate key":              {"PUT", path, report("a.example", `"total_users":1`, `"total_users":2`), nil, 200, map[string]float64{"total_users": 2}, 0},
		"control characters in a text": {"PUT", path, report("a.example", `"log_level":"a\u0000b"`), nil, 200, map[string]float64{}, 1},
		"a long text":                  {"PUT", path, report("a.example", `"server_context":"`+strings.Repeat("x", 200)+`"`), nil, 200, map[string]float64{}, 1},
		"not UTF-8":                    {"PUT", path, report("a.example", "\"log_level\":\"\xff\""), nil, 200, map[string]float64{}, 0},
		"old Synapse":                  {"PUT", path, report("a.example", `"r30_users_all":3`, `"r30_users_unknown":1`), nil, 200, map[string]float64{"r30_users_all": 3, "r30_users_unknown": 1}, 0},
		"an address with a port":       {"PUT", path, report("[2001:db8::1]:8448"), nil, 200, map[string]float64{}, 0},
		"a name with a port":           {"PUT", path, report("localhost:8480"), nil, 200, map[string]float64{}, 0},
		"capital letters":              {"PUT", path, report("A.Example"), nil, 200, map[string]float64{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := started(t, nil)
			answer := r.put(c.method, c.path, c.body, c.header)
			if answer.Code != c.status {
				t.Fatalf("status %d (%s), want %d", answer.Code, answer.Body, c.status)
			}
			var body map[string]string
			if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil || (body["error"] == "") != (c.status == 200) {
				t.Errorf("answer %q is no JSON, or says nothing of the error", answer.Body)
			}
			shown := r.Shown().Homeservers
			if (len(shown) == 1) != (c.want != nil) {
				t.Fatalf("stored %+v", shown)
			}
			if c.want != nil {
				if diff := cmp.Diff(c.want, shown[0].Statistics); diff != "" {
					t.Errorf("statistics (-want +got):\n%s", diff)
				}
			}
			if got := r.Rejected()[reports.OutOfRange]; got != c.dropped {
				t.Errorf("%d values left out, want %d", got, c.dropped)
			}
		})
	}
}

func TestTokensAndAllowedHomeservers(t *testing.T) {
	r := started(t, func(o *reports.Options) {
		o.Tokens = []reports.Token{{Secret: "of example", Homeservers: []string{"*.Example.org", "example.org"}}, {Secret: "of all"}}
		o.Allowed = []string{"*.example.org", "example.org", "other.net"}
	})
	for _, c := range []struct {
		path, homeserver string
		status           int
	}{
		{path, "a.example.org", 401},
		{path + "/wrong", "a.example.org", 401},
		{path + "/of%20example", "a.example.org", 200},
		{path + "/of%20example", "example.org", 200},
		{path + "/of%20example", "evil.net", 403},
		{path + "/of%20example", "other.net", 403},
		{path + "?token=of+all", "other.net", 200},
		{path + "/of%20all", "evil.net", 403},
	} {
		if answer := r.put("PUT", c.path, report(c.homeserver), nil); answer.Code != c.status {
			t.Errorf("%s for %s: %d, want %d", c.path, c.homeserver, answer.Code, c.status)
		}
	}
	want := map[reports.Reason]uint64{reports.Unauthorized: 2, reports.Forbidden: 3}
	if diff := cmp.Diff(want, r.Rejected()); diff != "" {
		t.Errorf("rejected (-want +got):\n%s", diff)
	}
}

func TestRates(t *testing.T) {
	r := started(t, nil)
	statuses := func(n int, homeserver func(int) string, header http.Header) map[int]int {
		got := make(map[int]int)
		for i := range n {
			answer := r.put("PUT", path, report(homeserver(i)), header)
			got[answer.Code]++
			if answer.Code == 429 && answer.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
		return got
	}
	many := func(i int) string { return fmt.Sprintf("s%d.example", i%20) }
	if got := statuses(200, many, http.Header{"Remote": {"192.0.2.1:5"}}); got[429] < 70 || got[200] < 110 {
		t.Errorf("one address, 200 reports: %v", got)
	}
	// Behind the proxy on this machine, the address is the proxy's word; what
	// stands before it is the client's.
	if got := statuses(200, many, http.Header{"X-Forwarded-For": {"203.0.113.9, 192.0.2.1"}}); got[429] < 190 {
		t.Errorf("the same address behind a proxy: %v", got)
	}
	if got := statuses(100, many, http.Header{"X-Forwarded-For": {"192.0.2.1, 198.51.100.7"}}); got[200] != 100 {
		t.Errorf("another address: %v", got)
	}
	if got := statuses(700, func(int) string { return "one.example" }, nil); got[429] < 90 || got[200] < 590 {
		t.Errorf("one homeserver, 700 reports from here: %v", got)
	}
}

// Invented names push out nobody, and cost bounded memory.
func TestTooManyHomeservers(t *testing.T) {
	r := started(t, func(o *reports.Options) { o.MaxHomeservers = 8 })
	for _, name := range []string{"old1.example", "old2.example"} {
		for range 2 {
			r.put("PUT", path, report(name, `"server_context":"real"`, `"total_users":10`), nil)
		}
	}
	r.set(noon.Add(time.Hour))
	got := make(map[int]int)
	for i := range 500 {
		got[r.put("PUT", path, report(fmt.Sprintf("aaa%d.example", i), fmt.Sprintf(`"server_context":"c%d"`, i), `"total_users":1`), nil).Code]++
	}
	if got[200] != 20*8-2 || got[429] != 500-got[200] {
		t.Errorf("answers %v, want room for %d", got, 20*8)
	}
	shown := r.Shown()
	var names []string
	for _, h := range shown.Homeservers {
		names = append(names, h.Name)
	}
	if !slices.Contains(names, "old1.example") || !slices.Contains(names, "old2.example") || len(names) != 4 || shown.Overflow != 156 {
		t.Errorf("shown %v, overflow %d", names, shown.Overflow)
	}
	users, homeservers := 0.0, 0
	for _, c := range shown.Contexts {
		users += c.Users["total_users"]
		homeservers += c.Homeservers
	}
	if users != 20+158 || homeservers != 160 || len(shown.Contexts) > 51 {
		t.Errorf("%d contexts with %d homeservers and %v users", len(shown.Contexts), homeservers, users)
	}
	r.set(noon.Add(48 * time.Hour))
	if shown := r.Shown(); len(shown.Homeservers) != 0 || len(shown.Contexts) != 0 {
		t.Errorf("two days later: %+v", shown)
	}
}

// Everything acknowledged is there after a restart, although others sent at the same
// time.
func TestConcurrentReports(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	folder := t.TempDir()
	r := start(t, folder, nil)
	var wait sync.WaitGroup
	for worker := range 16 {
		wait.Go(func() {
			for n := range 50 {
				if answer := r.put("PUT", path, report(fmt.Sprintf("s%d.example", worker), fmt.Sprintf(`"total_users":%d`, n)), nil); answer.Code != 200 {
					t.Errorf("%d %s", answer.Code, answer.Body)
				}
			}
		})
	}
	wait.Wait()
	must.Succeed(t, r.Close())
	again := start(t, folder, nil)
	total := uint64(0)
	for _, h := range again.Shown().Homeservers {
		total += h.Reports
		if h.Statistics["total_users"] != 49 {
			t.Errorf("%s: the newest is %v", h.Name, h.Statistics)
		}
	}
	if total != 16*50 {
		t.Errorf("%d reports, want %d", total, 16*50)
	}
	must.Succeed(t, again.Close())
}

func TestForwarding(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	arrived := make(chan string, 10)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		agent := r.UserAgent()
		if strings.HasPrefix(agent, "Go-http-client/") {
			agent = "ours"
		}
		arrived <- agent + " " + r.Method + " " + string(body)
		_, _ = io.WriteString(w, "{}")
	}))
	defer other.Close()
	r := start(t, t.TempDir(), func(o *reports.Options) { o.ForwardTo = other.URL })
	r.put("POST", path, `{"homeserver":"!"}`, nil)
	for agent, wanted := range map[string]string{"Dendrite/0.15.2": "Dendrite/0.15.2", "Synapse/1.160.0": "Synapse/1.160.0", "Mozilla/5.0": "ours", "": "ours"} {
		r.put("POST", path, report("a.example", `"x":1`), http.Header{"User-Agent": {agent}})
		select {
		case got := <-arrived:
			if want := wanted + " PUT " + report("a.example", `"x":1`); got != want {
				t.Errorf("%q arrived, want %q", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatal("nothing arrived")
		}
	}
	must.Succeed(t, r.Close())
	if len(arrived) != 0 {
		t.Error("a refused report was sent on")
	}
}

func TestAStoreThatCannotBeOpened(t *testing.T) {
	folder := t.TempDir()
	must.Succeed(t, os.WriteFile(folder+"/reports.db", []byte(strings.Repeat("garbage", 999)), 0o600))
	var logged lockedBuffer
	r := start(t, folder, func(o *reports.Options) { o.Logger = log.NewLogfmtLogger(&logged) })
	for _, push := range [][2]string{{path, report("a.example")}, mongooseRequests(t)["default-modules"]} {
		answer := r.put(http.MethodPost, push[0], push[1], nil)
		if answer.Code != http.StatusServiceUnavailable || !strings.Contains(answer.Body.String(), "cannot be opened") {
			t.Errorf("%d %s", answer.Code, answer.Body)
		}
	}
	eventually(t, "the reason in the log", func() bool { return strings.Count(logged.String(), "not a database") == 1 })
	must.Succeed(t, r.Close())
}

// lockedBuffer is written by several goroutines.
type lockedBuffer struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}

// An earlier exporter, whose store had no version yet, received four reports of
// each of three homeservers, and shows this an hour later (testdata/earlier at
// the top).
func TestAnEarlierStoreShowsTheSame(t *testing.T) {
	folder := t.TempDir()
	content, err := os.ReadFile("../../testdata/earlier/reports.db")
	must.Succeed(t, err)
	must.Succeed(t, os.WriteFile(filepath.Join(folder, "reports.db"), content, 0o600))
	last := time.Unix(1795176000, 0)
	r := start(t, folder, func(o *reports.Options) {
		o.Now = func() time.Time { return last.Add(time.Hour) }
	})
	t.Cleanup(func() { must.Succeed(t, r.Close()) })
	var want []usagereport.Homeserver
	for _, name := range []string{"a.example", "b.example", "c.example"} {
		want = append(want, usagereport.Homeserver{
			Name: name, Software: usagereport.Synapse, Reported: last, Reports: 4,
			Statistics: map[string]float64{"total_users": 67, "daily_active_users": 3, "timestamp": 1795176000},
			Info:       map[string]string{"server_context": "x", "database_engine": "Sqlite", "database_server_version": "", "log_level": "", "python_version": "", "version": ""},
		})
	}
	if diff := cmp.Diff(want, r.Shown().Homeservers); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// If a report is larger than any real one, only what is known of it is kept.
func TestLargeReportsAreStoredSmall(t *testing.T) {
	folder := t.TempDir()
	r := start(t, folder, nil)
	large := report("a.example", `"total_users":3`, `"server_context":"<ctx>"`, `"pad":"`+strings.Repeat("x", 60_000)+`"`)
	if answer := r.put(http.MethodPut, path, large, nil); answer.Code != http.StatusOK {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	want := r.Shown().Homeservers
	must.Succeed(t, r.Close())
	var bodies []string
	must.Succeed(t, reports.Each(t.Context(), storage.Folder(folder), noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0), func(a reports.Archived) error {
		bodies = append(bodies, string(a.Report))
		return nil
	}))
	if len(bodies) != 1 || len(bodies[0]) > 200 {
		t.Errorf("stored %d reports, %.300q", len(bodies), bodies)
	}
	r = start(t, folder, nil)
	defer func() { must.Succeed(t, r.Close()) }()
	if diff := cmp.Diff(want, r.Shown().Homeservers, cmpopts.EquateApproxTime(time.Millisecond)); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
}

// A store of many large reports, as earlier versions kept them, is read one report at
// a time: neither its size nor that of the batch is ever in memory.
func TestRestartReadsOneReportAtATime(t *testing.T) {
	folder := t.TempDir()
	must.Succeed(t, start(t, folder, nil).Close())
	db, err := storage.Folder(folder).Open("reports.db")
	must.Succeed(t, err)
	const homeservers = 500
	pad := strings.Repeat("x", 60_000)
	for n := range homeservers {
		_, err := db.ExecContext(t.Context(), `INSERT INTO usage_reports (received_at, homeserver, body) VALUES (?, ?, ?)`,
			noon.UnixMilli(), fmt.Sprintf("h%d.example", n), report(fmt.Sprintf("h%d.example", n), `"total_users":1`, `"pad":"`+pad+`"`))
		must.Succeed(t, err)
	}
	must.Succeed(t, db.Close())
	stop, highest := make(chan struct{}), make(chan uint64)
	go func() {
		var peak uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse)
			select {
			case <-stop:
				highest <- peak
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	r := start(t, folder, nil)
	close(stop)
	if grown := int64(<-highest) - int64(before.HeapInuse); grown > homeservers*60_000/2 {
		t.Errorf("%d MiB for %d MiB of reports", grown>>20, homeservers*60_000>>20)
	}
	if n := len(r.Shown().Homeservers) + r.Shown().Overflow; n != homeservers {
		t.Errorf("%d homeservers, want %d", n, homeservers)
	}
	must.Succeed(t, r.Close())
}

// Strangers who use a name cost the homeserver nothing: what is limited is what one
// sender reports for one name.
func TestStrangersCannotSilenceAHomeserver(t *testing.T) {
	r := started(t, nil)
	fakes := 0
	for n := range 2000 {
		remote := http.Header{"Remote": {fmt.Sprintf("203.0.%d.%d:1", n/250, n%250)}}
		if r.put(http.MethodPut, path, report("victim.example"), remote).Code == http.StatusOK {
			fakes++
		}
	}
	if answer := r.put(http.MethodPut, path, report("victim.example"), http.Header{"Remote": {"198.51.100.1:1"}}); answer.Code != http.StatusOK {
		t.Errorf("after %d fakes its own report is refused: %d %s", fakes, answer.Code, answer.Body)
	}
}

// A report that was forwarded here is kept and not forwarded again.
func TestLoopsOfForwardingEnd(t *testing.T) {
	var sent atomic.Int64
	next := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		if request.Header.Get("X-Usage-Report-Forwarded") == "" {
			t.Error("a forwarded report has no mark")
		}
		sent.Add(1)
	}))
	defer next.Close()
	r := start(t, t.TempDir(), func(o *reports.Options) { o.ForwardTo = next.URL })
	for _, header := range []http.Header{nil, {"X-Usage-Report-Forwarded": {"1"}}} {
		if answer := r.put(http.MethodPut, path, report("a.example"), header); answer.Code != http.StatusOK {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
	}
	eventually(t, "the report at the next server", func() bool { return sent.Load() > 0 })
	must.Succeed(t, r.Close())
	if n := sent.Load(); n != 1 {
		t.Errorf("%d reports were sent on, want 1", n)
	}
}

// Paths that people write are understood, and whatever else is asked for is answered
// in JSON and counted.
func TestPathsWithSlashes(t *testing.T) {
	r := started(t, nil)
	for _, p := range []string{"//report-usage-stats/push", "/report-usage-stats/push/", "/report-usage-stats//push", "/push/"} {
		if answer := r.put(http.MethodPut, p, report("a.example"), nil); answer.Code != http.StatusOK {
			t.Errorf("%s: %d %s", p, answer.Code, answer.Body)
		}
	}
	answer := r.put(http.MethodPut, "/nothing", report("a.example"), nil)
	if answer.Code != http.StatusNotFound || answer.Header().Get("Content-Type") != "application/json" || r.Rejected()[reports.Malformed] != 1 {
		t.Errorf("%d %s, rejected %v", answer.Code, answer.Body, r.Rejected())
	}
}

// The store stays below its limit. What goes first are reports of homeservers that
// reported once, which anybody can invent; who has reported before keeps its own.
func TestTheStoreHasALimit(t *testing.T) {
	for name, location := range map[string]string{"a folder": t.TempDir(), "a database": dbtest.PostgreSQL(t)} {
		t.Run(name, func(t *testing.T) {
			const limit = 1 << 20
			r := start(t, location, func(o *reports.Options) { o.MaxStore, o.MaxHomeservers = limit, 1000 })
			defer func() { must.Succeed(t, r.Close()) }()
			for n := range 20 {
				r.set(noon.Add(time.Duration(n) * time.Minute))
				r.put(http.MethodPut, path, report("faithful.example", `"total_users":`+fmt.Sprint(n)), nil)
			}
			pad := `"pad":"` + strings.Repeat("x", 1500) + `"`
			for n := range 2000 {
				if answer := r.put(http.MethodPut, path, report(fmt.Sprintf("invented%d.example", n), pad), nil); answer.Code != http.StatusOK {
					eventually(t, "room again", func() bool { return r.Stored().Bytes < limit })
				}
			}
			eventually(t, "a store below its limit", func() bool { return r.Stored().Bytes <= limit })
			faithful, invented := 0, 0
			must.Succeed(t, reports.Each(t.Context(), at(t, location), noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0), func(a reports.Archived) error {
				if strings.Contains(string(a.Report), "faithful.example") {
					faithful++
				} else {
					invented++
				}
				return nil
			}))
			if faithful != 20 || invented == 0 || invented > limit/1500 {
				t.Errorf("%d reports of the faithful homeserver and %d of invented ones", faithful, invented)
			}
		})
	}
}
