package web

import (
	"context"
	"encoding/csv"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// visited is a server whose domain has a history: person n came every n days, and
// somebody new comes every second day and stays for three weeks.
type visited struct{ days, people int }

func (c visited) Read(_ context.Context, _, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	domain := []byte("chat.example")
	today := activity.DayOf(now)
	for ago := range c.days {
		date := today - activity.Day(ago)
		for person := 1; person <= c.people; person++ {
			if ago%person == 0 || person%3 == 0 && (ago+person)%7 == 0 {
				rec.Visit(domain, fmt.Append(nil, "person", person), activity.Client(person%4), date)
			}
		}
		for young := int(date) - int(date)%2; young > int(date)-21; young -= 2 {
			rec.Visit(domain, fmt.Append(nil, "newcomer", young), 1, date)
		}
	}
	rec.Seen(domain, []byte("person1"), 1, now)
	return collector.Facts{Version: "1", Complete: true, Domains: []collector.DomainFacts{{
		Name: "chat.example", HasLastSeen: true, KeepsVisits: true, AllVisits: true, Clients: true, LastSeenSince: now.Add(-time.Hour),
		Registered: map[collector.AccountType]int{collector.Native: 1234, collector.Bridged: 7}, Online: collector.Known(3),
	}}}, nil
}

func (visited) Close() error { return nil }

// refreshed is the status of such a server.
func refreshed(tb testing.TB, c visited) collector.Status {
	tb.Helper()
	return refreshedWith(tb, c, 0)
}

// refreshedWith is the same with a minimum of people.
func refreshedWith(tb testing.TB, c visited, minimum activity.Minimum) collector.Status {
	tb.Helper()
	r := collector.NewRefresher(collector.RefresherOptions{
		Server: "a/b", Software: "synapse", Reader: c, Interval: time.Hour, StaleAfter: 3 * time.Hour,
		Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(), Now: clock, Logger: log.NewNopLogger(),
		Minimum: minimum,
	})
	if err := r.Refresh(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return r.Status()
}

const page = "/domain/a%2Fb/chat.example"

// The numbers of the present on the page are those of the metrics.
func TestDomainPageEqualsMetrics(t *testing.T) {
	s := site{statuses: []collector.Status{refreshed(t, visited{400, 300})}, configuration: Configuration{Windows: activity.DefaultWindows()}}
	handler := s.pages(nil)
	_, metrics := get(t, handler, http.MethodGet, "/metrics")
	metric := func(name, labels string) string {
		for line := range strings.Lines(metrics) {
			if strings.HasPrefix(line, name+"{") && strings.Contains(line, labels) {
				return strings.TrimSpace(line[strings.LastIndexByte(line, ' '):])
			}
		}
		return "no metric " + name
	}
	code, body := get(t, handler, http.MethodGet, page)
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	shown := make(map[string]string)
	for _, m := range regexp.MustCompile(`<dt>([^<]+)</dt><dd class="value">([^<]+)</dd>`).FindAllStringSubmatch(body, -1) {
		shown[m[1]] = html.UnescapeString(strings.ReplaceAll(m[2], ",", ""))
	}
	growth := func(state string) int {
		n, err := strconv.Atoi(metric("chat_growth_users", `state="`+state+`"`))
		if err != nil {
			t.Error(err)
		}
		return n
	}
	want := map[string]string{
		"DAU": metric("chat_active_users", `window="1d"`), "WAU": metric("chat_active_users", `window="7d"`), "MAU": metric("chat_active_users", `window="30d"`),
		"Regulars": metric("chat_r30v2_users", ""), "Online": metric("chat_online_users", ""), "Accounts": "1241",
		"Growth": signed(growth("new") + growth("resurrected") - growth("churned")),
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("-metrics +page:\n%s", diff)
	}
	_, landing := get(t, handler, http.MethodGet, "/")
	if !strings.Contains(landing, `href=".`+page+`"`) || !strings.Contains(landing, ">1,241<") {
		t.Errorf("the landing page has no link to the page, or other numbers:\n%s", landing)
	}
}

// With a minimum, no table and no CSV of a page has a group of fewer people, except the
// numbers of visitors, which split nobody.
func TestPagesNameNoFew(t *testing.T) {
	const minimum = 50
	s := site{
		statuses:      []collector.Status{refreshedWith(t, visited{400, 300}, minimum)},
		configuration: Configuration{Windows: activity.DefaultWindows()},
	}
	handler := s.pages(nil)
	few, charts := 0, 0
	for _, id := range []string{"growth", "retention", "habit", "clients", "accounts"} {
		code, body := get(t, handler, http.MethodGet, page+"/data.csv?days=400&chart="+id)
		if code != http.StatusOK {
			t.Logf("%s: %d, nothing that could be shown", id, code)
			continue
		}
		charts++
		rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
		if err != nil || len(rows) < 2 {
			t.Fatalf("%s: %v %v", id, rows, err)
		}
		for _, row := range rows[1:] {
			for i, cell := range row[1:] {
				if id == "retention" && i == 0 { // a number of weeks
					continue
				}
				if n, err := strconv.Atoi(cell); err == nil && n > 0 && n < minimum {
					t.Errorf("%s: %v", id, row)
				}
			}
			if slices.Contains(row, activity.FewName) || strings.HasSuffix(row[0], activity.FewName) {
				few++
			}
		}
	}
	if charts < 3 || few == 0 {
		t.Errorf("%d charts, %d rows of few: nothing was tested", charts, few)
	}
}

// Each chart is there, with a title, a description, its table, and the same numbers
// as CSV.
func TestDomainPageHasNumbersForEachChart(t *testing.T) {
	s := site{statuses: []collector.Status{refreshed(t, visited{400, 300})}}
	handler := s.pages(nil)
	_, body := get(t, handler, http.MethodGet, page+"?days=90")
	sections := regexp.MustCompile(`(?s)<section aria-labelledby="(\w+)">.*?</section>`).FindAllStringSubmatch(body, -1)
	var ids []string
	for _, section := range sections {
		ids = append(ids, section[1])
		link := regexp.MustCompile(`<a href="\./chat\.example(/data\.csv[^"]*)">`).FindStringSubmatch(section[0])
		if link == nil {
			t.Errorf("%s: no CSV", section[1])
			continue
		}
		_, text := get(t, handler, http.MethodGet, page+html.UnescapeString(link[1]))
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(rows) < 2 {
			t.Errorf("%s: %d rows of CSV, error %v", section[1], len(rows), err)
		}
		_, table, _ := strings.Cut(section[0], "<details>")
		var cells []string
		for _, cell := range regexp.MustCompile(`<t[hd][^>]*>([^<]*)</t[hd]>`).FindAllStringSubmatch(table, -1) {
			cells = append(cells, html.UnescapeString(strings.ReplaceAll(cell[1], ",", "")))
		}
		var flat []string
		for _, row := range rows {
			flat = append(flat, row...)
		}
		if diff := cmp.Diff(flat, cells); diff != "" {
			t.Errorf("%s (-CSV +table):\n%s", section[1], diff)
		}
		if drawings := strings.Count(section[0], "<svg class=\"chart"); section[1] != "retention" && (drawings != 2 || strings.Count(section[0], "<desc") != 2 || strings.Count(section[0], "<title") != 2) {
			t.Errorf("%s: %d drawings, want 2, each with title and description", section[1], drawings)
		}
	}
	if diff := cmp.Diff([]string{"visitors", "growth", "retention", "habit", "clients", "accounts"}, ids); diff != "" {
		t.Errorf("charts (-want +got):\n%s", diff)
	}
	visitors := strings.Count(sections[0][0], "<tr>")
	if visitors != 91 {
		t.Errorf("%d rows of visitors, want 90 and the heading", visitors)
	}
}

// Requests that make no sense are answered so, and names stay text.
func TestDomainPageRequests(t *testing.T) {
	status := refreshed(t, visited{30, 9})
	status.Server = "<b>"
	s := site{statuses: []collector.Status{{Server: "new"}, status}}
	handler := s.pages(nil)
	for path, want := range map[string]int{
		"/domain/%3Cb%3E/chat.example":                          200,
		"/domain/%3Cb%3E/chat.example?days=30":                  200,
		"/domain/%3Cb%3E/chat.example?days=31":                  400,
		"/domain/%3Cb%3E/chat.example?days=x":                   400,
		"/domain/%3Cb%3E/other.example":                         404,
		"/domain/new/chat.example":                              404,
		"/domain/%3Cb%3E/chat.example/data.csv":                 200,
		"/domain/%3Cb%3E/chat.example/data.csv?chart=nonsense":  404,
		"/domain/%3Cb%3E/chat.example/data.csv?chart=retention": 404, // 30 days are too few
		"/domain/%3Cb%3E/":                                      404,
	} {
		code, body := get(t, handler, http.MethodGet, path)
		if code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
		if strings.Contains(body, "<b>") {
			t.Errorf("%s: a name is no text", path)
		}
	}
	handler = New(Options{TelemetryPath: "/metrics", NoPages: true, Statuses: func() []collector.Status { return s.statuses }, Configuration: func() Configuration { return Configuration{} }, Clock: clock, Logger: log.NewNopLogger()})
	for path, want := range map[string]int{"/": 404, "/domain/%3Cb%3E/chat.example": 404, "/domain/%3Cb%3E/chat.example/data.csv": 404, "/metrics": 200} {
		if code, _ := get(t, handler, http.MethodGet, path); code != want {
			t.Errorf("without pages: %s: %d, want %d", path, code, want)
		}
	}
}

// A page has no scripts, no style but the one whose checksum the policy names, and
// asks for nothing else.
func TestPagesNeedNothing(t *testing.T) {
	s := site{statuses: []collector.Status{refreshed(t, visited{100, 30})}, configuration: Configuration{Windows: activity.DefaultWindows()}}
	handler := s.pages(nil)
	for _, path := range []string{"/", page} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		body := recorder.Body.String()
		_, css, _ := strings.Cut(body, "<style>")
		css, _, _ = strings.Cut(css, "</style>")
		if css != string(style()) {
			t.Errorf("%s: the style is not as it was written", path)
		}
		if policy := recorder.Header().Get("Content-Security-Policy"); policy != contentSecurityPolicy() || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %s", path, policy)
		}
		for _, forbidden := range []string{"<script", " style=", " onload", "http://", "https://", "<img"} {
			if strings.Contains(body, forbidden) {
				t.Errorf("%s: %q is on the page", path, forbidden)
			}
		}
	}
}

// A page of 400 days is small, and is made once for each version.
func TestDomainPageIsKept(t *testing.T) {
	status := refreshed(t, visited{410, 400})
	s := site{statuses: []collector.Status{status}}
	handler := s.pages(nil)
	_, body := get(t, handler, http.MethodGet, page+"?days=400")
	if n := len(body); n > 200<<10 || n < 20<<10 {
		t.Errorf("%d bytes, want at most 200 KB", n)
	}
	_, first := get(t, handler, http.MethodGet, page)
	s.statuses[0].Snapshot = refreshed(t, visited{100, 5}).Snapshot
	if _, same := get(t, handler, http.MethodGet, page); same != first {
		t.Error("the page was made again for the same version")
	}
	s.statuses[0].Version++
	if _, other := get(t, handler, http.MethodGet, page); other == first {
		t.Error("the page was not made again for another version")
	}
}

// 300 requests at a time, each for a page of its own that no client reads, need less than
// 100 MB: what is kept of them, and what making one page after the other takes at most.
func TestManyDomainPagesAtATime(t *testing.T) {
	const requests = 300
	status := refreshed(t, visited{410, 2_000})
	s := site{}
	for n := range requests {
		other := status
		other.Server = strconv.Itoa(n)
		s.statuses = append(s.statuses, other)
	}
	handler := s.pages(nil)
	ask := func(n int, w http.ResponseWriter) {
		path := "/domain/" + strconv.Itoa(n) + "/chat.example?days=400"
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	}
	memory := func() (inUse, total uint64) {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, m.TotalAlloc
	}
	_, total := memory()
	ask(0, httptest.NewRecorder()) // the first one counts the past
	before, after := memory()
	one := after - total

	arrived, leave := make(chan bool), make(chan bool)
	var clients sync.WaitGroup
	for n := range requests {
		clients.Go(func() { ask(n, &slowClient{make(http.Header), arrived, leave}) })
	}
	for range requests {
		<-arrived
	}
	now, _ := memory()
	close(leave)
	clients.Wait()
	if used := int64(now) - int64(before) + int64(one); used > 100_000_000 || used < requests*20_000 {
		t.Errorf("%d bytes for %d requests", used, requests)
	}
}

// Modules are those of the domain and of the whole server.
func TestDomainPageShowsModules(t *testing.T) {
	status := refreshed(t, visited{40, 9})
	snapshot := *status.Snapshot
	snapshot.Modules = []collector.Module{
		{Domain: collector.AllDomains, Name: "tls", Loaded: true},
		{Domain: "chat.example", Name: "mam", Loaded: true, Status: collector.ModuleError},
		{Domain: "other.example", Name: "roster", Loaded: true},
	}
	snapshot.ModuleChanges = []collector.ModuleChange{
		{At: clock().Add(-48 * time.Hour), Domain: "chat.example", Name: "mam", From: "error", To: "ok"},
		{At: clock().Add(-time.Hour), Domain: "chat.example", Name: "mam", From: "ok", To: "error"},
		{At: clock().Add(-time.Hour), Domain: "other.example", Name: "roster", From: "error", To: "ok"},
	}
	status.Snapshot = &snapshot
	handler := (&site{statuses: []collector.Status{status}}).pages(nil)
	_, body := get(t, handler, http.MethodGet, page)
	if !strings.Contains(body, "Of 2 modules, 1 in trouble: mam (error). In the last 14 days, as far as the exporter ran, states changed 2 times.") {
		t.Errorf("modules are not on the page:\n%s", body)
	}
	_, text := get(t, handler, http.MethodGet, page+"/data.csv?chart=modules")
	want := "Module,Of,State,Since\ntls,the whole server,ok,before the exporter was started\nmam,chat.example,error,\"9 November 2026, 14:05 UTC, before: ok\"\n"
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// slowClient says when an answer begins to arrive, and takes it when it may.
type slowClient struct {
	header         http.Header
	arrived, leave chan bool
}

func (c *slowClient) Header() http.Header { return c.header }

func (c *slowClient) WriteHeader(int) {}

func (c *slowClient) Write(b []byte) (int, error) {
	c.arrived <- true
	<-c.leave
	return len(b), nil
}

// What is said of changes.
func TestCompared(t *testing.T) {
	for _, c := range []struct {
		now, before int
		want        string
	}{
		{108, 100, "8 % more than"},
		{92, 100, "8 % fewer than"},
		{100, 100, "as many as"},
		{1003, 1000, "3 more than"},
		{997, 1000, "3 fewer than"},
		{5, 0, "5 more than"},
		{0, 0, "as many as"},
		{0, 5, "100 % fewer than"},
		{1994, 1000, "99 % more than"},
		{3000, 200, "1,400 % more than"},
	} {
		if got := compared(c.now, c.before); got != c.want {
			t.Errorf("%d after %d: %q, want %q", c.now, c.before, got, c.want)
		}
	}
}
