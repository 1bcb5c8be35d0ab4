package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/config"
)

func TestNodeInfoNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		users, minimum, roundTo int
		want                    int // 0: left out
	}{
		"below the minimum":      {49, 50, 10, 0},
		"at the minimum":         {50, 50, 10, 50},
		"down":                   {54, 50, 10, 50},
		"up":                     {55, 50, 10, 60},
		"exact":                  {51, 1, 1, 51},
		"odd steps":              {53, 1, 5, 55},
		"nobody":                 {0, 1, 1, 0},
		"somebody, but not none": {4, 1, 10, 0},
	} {
		got := rounded(c.users, config.NodeInfo{Minimum: c.minimum, RoundTo: c.roundTo})
		if c.want == 0 && got != nil || c.want != 0 && (got == nil || *got != c.want) {
			t.Errorf("%s: %v, want %d", name, got, c.want)
		}
	}
}

func TestNodeInfoDocument(t *testing.T) {
	month := []collector.ActiveUsers{{Window: activity.Daily(), Users: 90}, {Window: activity.Monthly(), Users: 203}}
	accounts := []collector.Accounts{{Type: collector.Bridged, Users: 900}, {Type: collector.Guest, Users: 80}, {Type: collector.Native, Users: 512}}
	for name, c := range map[string]struct {
		domain published
		want   string
	}{
		"everything is known": {
			published{collector.Domain{Active: month, Registered: accounts, HalfYear: collector.Known(307)}, config.Prosody, "13.0.1"},
			`{"version":"2.1","software":{"name":"prosody","version":"13.0.1"},"protocols":["xmpp"],"services":{"inbound":[],"outbound":[]},` +
				`"openRegistrations":false,"usage":{"users":{"total":510,"activeMonth":200,"activeHalfyear":310}},"metadata":{}}`,
		},
		"a young history, no version": {
			published{collector.Domain{Active: month, Registered: accounts}, config.Synapse, ""},
			`{"version":"2.1","software":{"name":"synapse","version":"unknown"},"protocols":["matrix"],"services":{"inbound":[],"outbound":[]},` +
				`"openRegistrations":false,"usage":{"users":{"total":510,"activeMonth":200}},"metadata":{}}`,
		},
		"nothing is known": {
			published{collector.Domain{}, config.Ejabberd, "26.7"},
			`{"version":"2.1","software":{"name":"ejabberd","version":"26.7"},"protocols":["xmpp"],"services":{"inbound":[],"outbound":[]},` +
				`"openRegistrations":false,"usage":{"users":{}},"metadata":{}}`,
		},
		"a few people": {
			published{collector.Domain{Registered: []collector.Accounts{{Type: collector.Native, Users: 12}}, HalfYear: collector.Known(3)}, config.MongooseIM, "6.8.0"},
			`{"version":"2.1","software":{"name":"mongooseim","version":"6.8.0"},"protocols":["xmpp"],"services":{"inbound":[],"outbound":[]},` +
				`"openRegistrations":false,"usage":{"users":{}},"metadata":{}}`,
		},
	} {
		got, err := json.Marshal(nodeInfoOf(c.domain, config.NodeInfo{Minimum: 50, RoundTo: 10}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestNodeInfoPages(t *testing.T) {
	directory := samples(t)
	one := "  - {name: matrix, software: synapse, from: sqlite:" + directory + "/homeserver.db}\n"
	exporter, path := newTestExporter(t, "servers:\n"+one)
	handler := exporter.Routes(routeOptions{telemetryPath: "/metrics"})
	ctx, stop := context.WithCancel(t.Context())
	reload := func(content string) {
		t.Helper()
		writeFile(t, path, content)
		if err := exporter.Reload(ctx); err != nil {
			t.Fatal(err)
		}
		waitUntil(t, exporter.Ready)
	}
	type page struct {
		path, host string
		header     http.Header
		tls        bool
		code       int
		says       string
	}
	check := func(name string, p page) {
		t.Helper()
		request := httptest.NewRequestWithContext(ctx, http.MethodGet, p.path, nil)
		if request.Host = "exporter.example:10052"; p.host != "" {
			request.Host = p.host
		}
		if p.header != nil {
			request.Header = p.header
		}
		request.TLS = nil
		if p.tls {
			request.TLS = new(tls.ConnectionState)
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		contentType := "application/json"
		if p.code == http.StatusOK && strings.HasPrefix(p.path, "/nodeinfo/") {
			contentType = `application/json; profile="http://nodeinfo.diaspora.software/ns/schema/2.1#"`
		}
		body := recorder.Body.String()
		if recorder.Code != p.code || !strings.Contains(body, p.says) || recorder.Header().Get("Content-Type") != contentType || !json.Valid([]byte(body)) {
			t.Errorf("%s: %d %v %s", name, recorder.Code, recorder.Header(), body)
		}
	}

	reload("servers:\n" + one)
	check("off", page{path: "/nodeinfo/2.1?domain=sqlite.lab.test", code: 404, says: "NodeInfo is off"})
	check("off, the links", page{path: "/.well-known/nodeinfo", code: 404, says: "NodeInfo is off"})

	reload("nodeinfo: {enabled: true, minimum: 30}\nservers:\n" + one)
	const rel = `{"rel":"http://nodeinfo.diaspora.software/ns/schema/2.1","href":"`
	for name, p := range map[string]page{
		"by name":        {path: "/nodeinfo/2.1?domain=sqlite.lab.test", code: 200, says: `"activeMonth":40}`},
		"in capitals":    {path: "/nodeinfo/2.1?domain=SQLITE.lab.test", code: 200, says: `"name":"synapse"`},
		"by host":        {path: "/nodeinfo/2.1", host: "sqlite.lab.test:8448", code: 200, says: `"protocols":["matrix"]`},
		"the only one":   {path: "/nodeinfo/2.1", code: 200, says: `"openRegistrations":false`},
		"unknown":        {path: "/nodeinfo/2.1?domain=elsewhere.example", code: 404, says: `{"error":"no such domain`},
		"unknown, asked": {path: "/nodeinfo/2.1?domain=elsewhere.example", host: "sqlite.lab.test", code: 404, says: `{"error":"no such domain`},
		"links":          {path: "/.well-known/nodeinfo", code: 200, says: `{"links":[` + rel + `http://exporter.example:10052/nodeinfo/2.1?domain=sqlite.lab.test"}]}`},
		"links, TLS":     {path: "/.well-known/nodeinfo", tls: true, code: 200, says: rel + `https://exporter.example:10052/`},
		"links, a proxy": {path: "/.well-known/nodeinfo", host: "sqlite.lab.test", header: http.Header{"X-Forwarded-Proto": {"https"}}, code: 200, says: rel + `https://sqlite.lab.test/nodeinfo/2.1?domain=sqlite.lab.test"`},
		"links, hostile": {path: "/.well-known/nodeinfo", host: `a"},{"x`, header: http.Header{"X-Forwarded-Proto": {"javascript"}}, code: 200, says: rel + "http://a"},
	} {
		check(name, p)
	}

	// Several domains, of which the request names none.
	running := exporter.servers.Swap(&[]*server{})
	check("no servers at all", page{path: "/nodeinfo/2.1", code: 404, says: "no such domain"})
	exporter.servers.Store(running)
	reload("nodeinfo: {enabled: true}\nservers:\n" + one + "  - {name: xmpp, software: prosody, from: " + directory + "/prosody}\n")
	check("which one?", page{path: "/nodeinfo/2.1", code: 400, says: "which domain?"})
	check("links to all", page{path: "/.well-known/nodeinfo", code: 200, says: `domain=sqlite.lab.test"},` + rel})
	check("a link by host", page{path: "/.well-known/nodeinfo", host: "sqlite.lab.test", code: 200, says: `{"links":[` + rel + `http://sqlite.lab.test/nodeinfo/2.1?domain=sqlite.lab.test"}]}`})

	built, err := exporter.build(settings{Server: config.Server{Name: "new", Software: config.Synapse}})
	if err != nil {
		t.Fatal(err)
	}
	running = exporter.servers.Swap(&[]*server{built})
	check("before the first refresh", page{path: "/nodeinfo/2.1?domain=sqlite.lab.test", code: 503, says: "the first refresh is running"})
	exporter.servers.Store(running)
	stop()
	exporter.Wait(10 * time.Second)
}
