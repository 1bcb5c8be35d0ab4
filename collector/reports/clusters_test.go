package reports_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/systemmetrics"
	"active_users_exporter/test/must"
)

// mongooseRequests are requests as a real MongooseIM sent them, by name: path
// and body.
func mongooseRequests(t *testing.T) map[string][2]string {
	t.Helper()
	archive, err := txtar.ParseFile("../systemmetrics/testdata/requests.txtar")
	must.Succeed(t, err)
	all := make(map[string][2]string)
	for _, file := range archive.Files {
		head, body, found := strings.Cut(strings.ReplaceAll(string(file.Data), "\r\n", "\n"), "\n\n")
		if !found || !strings.HasPrefix(head, "POST ") {
			continue
		}
		all[file.Name] = [2]string{strings.Fields(head)[1], strings.TrimSuffix(body, "\n")}
	}
	return all
}

// whole is a report put together from parts.
func whole(t *testing.T, bodies ...string) systemmetrics.Report {
	t.Helper()
	var r systemmetrics.Report
	for i, body := range bodies {
		p, err := systemmetrics.Parse([]byte(body))
		must.Succeed(t, err)
		if i == 0 {
			r = p.Report
		} else {
			r.Merge(p.Report)
		}
	}
	return r
}

// A report in three parts, sent once for each of two receivers, is one report
// again, also after a restart.
func TestSystemMetricsOfMongooseIM(t *testing.T) {
	requests := mongooseRequests(t)
	folder := t.TempDir()
	r := start(t, folder, nil)
	var bodies []string
	for _, n := range []string{"1", "2", "3", "4", "5", "6"} {
		request := requests["01-first-report-hosts-override-tls-"+n+"of6"]
		if answer := r.put("POST", request[0], request[1], nil); answer.Code != http.StatusNoContent || answer.Body.Len() != 0 {
			t.Fatalf("answer %d %q", answer.Code, answer.Body)
		}
		bodies = append(bodies, request[1])
		if n < "3" && len(r.Shown().Clusters) != 0 {
			t.Error("half a report is shown")
		}
	}
	for _, when := range []string{"at once", "after a restart"} {
		clusters := r.Shown().Clusters
		if len(clusters) != 1 {
			t.Fatalf("%s: %d clusters", when, len(clusters))
		}
		if diff := cmp.Diff(whole(t, bodies[:3]...), clusters[0].Report); diff != "" {
			t.Errorf("%s (-parts +shown):\n%s", when, diff)
		}
		if len(clusters[0].Modules) < 25 || !clusters[0].Hosts.Known {
			t.Errorf("%s: %+v", when, clusters[0])
		}
		must.Succeed(t, r.Close())
		r = start(t, folder, nil)
	}
	must.Succeed(t, r.Close())
}

// A report whose parts are all full has no end mark: it is shown once nothing
// follows. Nodes are distinguished by their address, whatever comes in between.
func TestReportsWithoutAnEnd(t *testing.T) {
	request := mongooseRequests(t)["01-first-report-hosts-override-tls-1of6"]
	r := started(t, nil)
	r.put("POST", request[0], request[1], http.Header{"Remote": {"192.0.2.1:1"}})
	r.put("POST", request[0], strings.Replace(request[1], `"value":2`, `"value":7`, 1), http.Header{"Remote": {"192.0.2.2:1"}})
	if shown := r.Shown().Clusters; len(shown) != 0 {
		t.Errorf("%+v shown at once", shown)
	}
	r.set(noon.Add(10 * time.Second))
	if shown := r.Shown().Clusters; len(shown) != 1 || shown[0].Hosts.Value == 0 {
		t.Errorf("%+v shown ten seconds later", shown)
	}
	r.set(noon.Add(48 * time.Hour))
	if shown := r.Shown().Clusters; len(shown) != 0 {
		t.Errorf("%+v shown two days later", shown)
	}
}

func TestSystemMetricsRefused(t *testing.T) {
	request := mongooseRequests(t)["default-modules"]
	r := started(t, func(o *reports.Options) {
		o.Tokens = []reports.Token{{Secret: "ours"}, {Secret: "theirs", Homeservers: []string{"*.example.org"}}}
	})
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", request[0], request[1], 401}, // the predefined secret is everybody's
		{"POST", "/mp/collect?api_secret=ours&measurement_id=G-1", request[1], 204},
		{"POST", "/mp/collect?api_secret=ours", "{}", 400},
		{"POST", "/mp/collect?api_secret=ours", `{"client_id":"` + strings.Repeat("x", 70_000) + `"}`, 413},
		{"GET", "/mp/collect?api_secret=ours", "", 405},
		{"POST", "/mp/collect?api_secret=ours", `{"client_id":"1.2","events":[{"name":"page_view","params":{"page_title":"Shop"}}]}`, 400}, // of a web page
		{"POST", "/batch?api_secret=ours", "v=1&tid=UA-1-1&t=event&cid=1.2&ec=shop&ea=buy&el=1", 400},
		{"POST", "/mp/collect?api_secret=theirs", request[1], 403}, // which is for homeservers
		{"POST", "/mp/collect?api_secret=ours", modules("c", 26), 400},
	} {
		if answer := r.put(c.method, c.path, c.body, nil); answer.Code != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, answer.Code, answer.Body, c.status)
		}
	}
}

// modules is a request about a cluster with modules of invented names.
func modules(client string, n int) string {
	var events []string
	for i := range n {
		events = append(events, fmt.Sprintf(`{"name":"module_with_opt","params":{"module":"mod_%s_%d"}}`, client, i))
	}
	return `{"client_id":"` + client + `","events":[` + strings.Join(events, ",") + `]}`
}

// Anybody can invent clusters and modules. They take neither memory without
// bounds nor the place of those that are known.
func TestInventedClusters(t *testing.T) {
	request := mongooseRequests(t)["default-modules"]
	r := started(t, nil)
	r.put("POST", request[0], request[1], nil)
	r.set(noon.Add(10 * time.Second))
	known := r.Shown().Clusters[0]
	refused := 0
	for n := range 300 {
		for part := range 12 {
			body := strings.ReplaceAll(modules(fmt.Sprintf("%03d", n), 25), "mod_", fmt.Sprintf("mod_%d_", part))
			if r.put("POST", request[0], body, nil).Code == http.StatusTooManyRequests {
				refused++
			}
		}
		r.put("POST", request[0], modules(fmt.Sprintf("%03d", n), 1), nil)
	}
	shown := r.Shown()
	names := 0
	for _, c := range shown.Clusters {
		names += c.Names()
	}
	if names > 5000 || len(shown.Clusters) > 100 || shown.Overflow == 0 || refused == 0 {
		t.Errorf("%d names of %d clusters, overflow %d, %d refused", names, len(shown.Clusters), shown.Overflow, refused)
	}
	if answer := r.put("POST", request[0], request[1], nil); answer.Code != http.StatusNoContent {
		t.Errorf("the known cluster is answered %d", answer.Code)
	}
	if !slices.ContainsFunc(r.Shown().Clusters, func(c systemmetrics.Cluster) bool { return c.ClientID == known.ClientID }) {
		t.Error("the known cluster is not shown")
	}
}

// A part whose beginning was lost adds to what is known, and takes nothing of
// it, not even if the receiver is restarted before the rest.
func TestPartWithoutABeginning(t *testing.T) {
	requests := mongooseRequests(t)
	part := func(n int) [2]string { return requests[fmt.Sprintf("01-first-report-hosts-override-tls-%dof6", n)] }
	folder := t.TempDir()
	r := start(t, folder, nil)
	for n := 1; n <= 3; n++ {
		r.put("POST", part(n)[0], part(n)[1], nil)
	}
	want := r.Shown().Clusters[0].Report
	for _, n := range []int{3, 1} { // the rest of the second report never comes
		r.set(r.now().Add(3 * time.Hour))
		r.put("POST", part(n)[0], part(n)[1], nil)
		if diff := cmp.Diff(want, r.Shown().Clusters[0].Report); diff != "" {
			t.Errorf("after part %d alone (-whole +shown):\n%s", n, diff)
		}
		at := r.now()
		must.Succeed(t, r.Close())
		r = start(t, folder, nil)
		r.set(at)
		if diff := cmp.Diff(want, r.Shown().Clusters[0].Report); diff != "" {
			t.Errorf("after part %d and a restart (-whole +shown):\n%s", n, diff)
		}
	}
	must.Succeed(t, r.Close())
}
