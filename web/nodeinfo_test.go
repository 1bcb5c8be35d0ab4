package web

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
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
		got := rounded(c.users, NodeInfo{Minimum: c.minimum, RoundTo: c.roundTo})
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
			published{collector.Domain{Active: month, Registered: accounts, Natives: collector.Known(512), HalfYear: collector.Known(307)}, "prosody", "xmpp", "13.0.1"},
			`{"version":"2.1","software":{"name":"prosody","version":"13.0.1"},"protocols":["xmpp"],"services":{"inbound":[],"outbound":[]},` +
				`"openRegistrations":false,"usage":{"users":{"total":510,"activeMonth":200,"activeHalfyear":310}},"metadata":{}}`,
		},
		"a young history, no version": {
			published{collector.Domain{Active: month, Registered: accounts, Natives: collector.Known(512)}, "synapse", "matrix", ""},
			`{"version":"2.1","software":{"name":"synapse","version":"unknown"},"protocols":["matrix"],"services":{"inbound":[],"outbound":[]},` +
				`"openRegistrations":false,"usage":{"users":{"total":510,"activeMonth":200}},"metadata":{}}`,
		},
		"nothing is known": {
			published{collector.Domain{}, "ejabberd", "xmpp", "26.7"},
			`{"version":"2.1","software":{"name":"ejabberd","version":"26.7"},"protocols":["xmpp"],"services":{"inbound":[],"outbound":[]},` +
				`"openRegistrations":false,"usage":{"users":{}},"metadata":{}}`,
		},
		"guests and bridged users are active, too": {
			published{collector.Domain{Active: month, Registered: accounts, Natives: collector.Known(512), Month: collector.Known(160), HalfYear: collector.Known(170)}, "synapse", "matrix", "1.160"},
			`{"version":"2.1","software":{"name":"synapse","version":"1.160"},"protocols":["matrix"],"services":{"inbound":[],"outbound":[]},` +
				`"openRegistrations":false,"usage":{"users":{"total":510,"activeMonth":160,"activeHalfyear":170}},"metadata":{}}`,
		},
		"members have deactivated their accounts": {
			published{collector.Domain{Registered: accounts, Natives: collector.Known(512), Month: collector.Known(600), HalfYear: collector.Known(700)}, "synapse", "matrix", "1.160"},
			`{"version":"2.1","software":{"name":"synapse","version":"1.160"},"protocols":["matrix"],"services":{"inbound":[],"outbound":[]},` +
				`"openRegistrations":false,"usage":{"users":{"total":510,"activeMonth":510,"activeHalfyear":510}},"metadata":{}}`,
		},
		"the server itself has counted more": {
			published{collector.Domain{Active: month, Registered: accounts, Natives: collector.Known(512), HalfYear: collector.Known(150)}, "prosody", "xmpp", "13.0.1"},
			`{"version":"2.1","software":{"name":"prosody","version":"13.0.1"},"protocols":["xmpp"],"services":{"inbound":[],"outbound":[]},` +
				`"openRegistrations":false,"usage":{"users":{"total":510,"activeMonth":200,"activeHalfyear":200}},"metadata":{}}`,
		},
		"a few people": {
			published{collector.Domain{Registered: []collector.Accounts{{Type: collector.Native, Users: 12}}, HalfYear: collector.Known(3)}, "mongooseim", "xmpp", "6.8.0"},
			`{"version":"2.1","software":{"name":"mongooseim","version":"6.8.0"},"protocols":["xmpp"],"services":{"inbound":[],"outbound":[]},` +
				`"openRegistrations":false,"usage":{"users":{}},"metadata":{}}`,
		},
	} {
		got, err := json.Marshal(nodeInfoOf(c.domain, NodeInfo{Minimum: 50, RoundTo: 10}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestNodeInfoPages(t *testing.T) {
	domain := func(name string) collector.Status {
		return collector.Status{Server: name, Software: "synapse", Attempted: clock(), Snapshot: &collector.Snapshot{At: clock(), Domains: []collector.Domain{{
			Name: name, Active: []collector.ActiveUsers{{Window: activity.Monthly(), Users: 39}},
		}}}}
	}
	one, two := domain("sqlite.lab.test"), domain("xmpp.example")
	var s site
	handler := s.pages(nil)
	type page struct {
		path, host string
		header     http.Header
		tls        bool
		code       int
		says       string
	}
	check := func(name string, p page) {
		t.Helper()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, p.path, nil)
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

	s.statuses = []collector.Status{one}
	check("off", page{path: "/nodeinfo/2.1?domain=sqlite.lab.test", code: 404, says: "NodeInfo is off"})
	check("off, the links", page{path: "/.well-known/nodeinfo", code: 404, says: "NodeInfo is off"})

	s.configuration.NodeInfo = NodeInfo{Enabled: true, Minimum: 30, RoundTo: 10}
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

	// Several domains, and the request names none of them.
	s.statuses = nil
	check("no servers at all", page{path: "/nodeinfo/2.1", code: 404, says: "no such domain"})
	s.statuses = []collector.Status{one, two}
	check("which one?", page{path: "/nodeinfo/2.1", code: 400, says: "which domain?"})
	check("links to all", page{path: "/.well-known/nodeinfo", code: 200, says: `domain=sqlite.lab.test"},` + rel})
	check("a link by host", page{path: "/.well-known/nodeinfo", host: "sqlite.lab.test", code: 200, says: `{"links":[` + rel + `http://sqlite.lab.test/nodeinfo/2.1?domain=sqlite.lab.test"}]}`})

	s.statuses = []collector.Status{{Server: "new", Software: "synapse"}}
	check("before the first refresh", page{path: "/nodeinfo/2.1?domain=sqlite.lab.test", code: 503, says: "the first refresh is running"})
}
