package systemmetrics_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"active_users_exporter/collector/systemmetrics"
)

const cluster = "0191bffa-af31-4563-b3f7-e9461358b133"

// bodies returns the files of an archive, without the heads of requests.
func bodies(tb testing.TB, path string) map[string]string {
	tb.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	all := make(map[string]string)
	for _, file := range archive.Files {
		body := string(file.Data)
		if strings.HasPrefix(body, "POST ") {
			_, body, _ = strings.Cut(strings.ReplaceAll(body, "\r\n", "\n"), "\n\n")
		}
		all[file.Name] = body
	}
	return all
}

func parse(t *testing.T, body string) systemmetrics.Part {
	t.Helper()
	p, err := systemmetrics.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func known(n int64) systemmetrics.Number { return systemmetrics.Number{Value: n, Known: true} }

// modules are those of the larger of the two configurations.
func modules() []systemmetrics.Module {
	var all []systemmetrics.Module
	for m := range strings.FieldsSeq(`adhoc amp blocking carboncopy csi disco event_pusher:backend:push event_pusher_push:backend:rdbms
		inbox:backend:rdbms last:backend:rdbms mam:backend:rdbms mam_cache_user mam_muc_rdbms_arch mam_pm mam_rdbms_arch
		muc:backend:rdbms muc:online_backend:mnesia muc_light:backend:rdbms offline:backend:rdbms privacy:backend:rdbms
		private:backend:rdbms push_service_mongoosepush:api_version:v3 register roster:backend:rdbms sic stream_management time
		vcard:backend:rdbms version`) {
		parts := append(strings.Split("mod_"+m, ":"), "", "")
		all = append(all, systemmetrics.Module{Name: parts[0], Option: parts[1], Value: parts[2]})
	}
	return all
}

func larger() systemmetrics.Report {
	return systemmetrics.Report{
		Nodes: known(1), Hosts: known(2), Domains: known(2), CustomModules: known(13), ExternalComponents: known(0),
		Version: "6.8.0-38-g475087c6e", ConfigType: "toml", Modules: modules(),
		HTTPHandlers: []string{"mongoose_bosh_handler", "mongoose_graphql_handler", "mongoose_websocket_handler"},
		Transports:   []string{"mongoose_bosh_handler", "mongoose_websocket_handler", "tcp"},
		Pools:        map[string]int{"rdbms": 1},
		Stanzas: map[string]int64{
			"xmppMessageSent": 0, "xmppMessageReceived": 0, "xmppIqSent": 0, "xmppIqReceived": 0, "xmppPresenceSent": 0, "xmppPresenceReceived": 0,
		},
	}
}

func TestFilesOfRealServers(t *testing.T) {
	files := bodies(t, "testdata/files.txtar")
	later := map[string]int64{
		"xmppMessageSent": 1, "xmppMessageReceived": 1, "xmppIqSent": 36, "xmppIqReceived": 36, "xmppPresenceSent": 20, "xmppPresenceReceived": 19,
	}
	for name, change := range map[string]func(*systemmetrics.Report){
		"cluster2-node1": func(r *systemmetrics.Report) { r.Uptime, r.Nodes, r.Stanzas = known(3600+9*60+19), known(2), later },
		"module-stopped-on-one-host_type": func(r *systemmetrics.Report) {
			r.Uptime = known(3*60 + 17)
			// There with the option on one host type, and without on the other.
			r.Modules = append(r.Modules[:6:6], append([]systemmetrics.Module{{Name: "mod_event_pusher"}}, r.Modules[6:]...)...)
		},
	} {
		want := larger()
		change(&want)
		got := parse(t, files[name])
		if diff := cmp.Diff(want, got.Report); diff != "" || got.Events != 69 || !got.First || !got.Last {
			t.Errorf("%s: %d events, %v, %v (-want +got):\n%s", name, got.Events, got.First, got.Last, diff)
		}
	}
	if got := parse(t, files["cluster2-node2"]); got.Nodes != known(2) || got.Events != 69 {
		t.Errorf("%+v", got)
	}
	shipped := parse(t, files["default-modules"])
	if shipped.CustomModules != known(2) || shipped.Hosts != known(1) || len(shipped.Modules) != 13 || shipped.Pools != nil || shipped.Events != 25 {
		t.Errorf("%+v", shipped)
	}
}

// The parts of a report, merged, say what the file does.
func TestRequestsOfRealServers(t *testing.T) {
	requests := bodies(t, "testdata/requests.txtar")
	for _, c := range []struct {
		parts  []string
		uptime int64
		change func(*systemmetrics.Report)
	}{
		{[]string{"01-first-report-hosts-override-tls-1of6", "01-first-report-hosts-override-tls-2of6", "01-first-report-hosts-override-tls-3of6"}, 0, func(*systemmetrics.Report) {}},
		{[]string{"02-periodic-report-runtime-url-plain-4of6", "02-periodic-report-runtime-url-plain-5of6", "02-periodic-report-runtime-url-plain-6of6"}, 9*60 + 18, func(r *systemmetrics.Report) {
			r.ExternalComponents = known(1)
			r.Stanzas = map[string]int64{"xmppMessageSent": 1, "xmppMessageReceived": 1, "xmppIqSent": 36, "xmppIqReceived": 36, "xmppPresenceSent": 20, "xmppPresenceReceived": 19}
		}},
	} {
		var got systemmetrics.Report
		for i, name := range c.parts {
			p := parse(t, requests[name])
			if p.ClientID != cluster || p.First != (i == 0) || p.Last != (i == 2) || p.Events != []int{25, 25, 19}[i] {
				t.Errorf("%s: %q, %d events, first %v, last %v", name, p.ClientID, p.Events, p.First, p.Last)
			}
			got.Merge(p.Report)
		}
		want := larger()
		want.ClientID = cluster
		c.change(&want)
		if c.uptime != 0 && got.Uptime != known(c.uptime) || !got.Uptime.Known {
			t.Errorf("uptime %v", got.Uptime)
		}
		got.Uptime = systemmetrics.Number{}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.parts[0], diff)
		}
	}
	// A report of exactly as many events as fit has no mark of its end.
	if p := parse(t, requests["default-modules"]); !p.First || p.Last || p.Events != 25 || p.ClientID != "ephemeral-2c048ab6-705d-40d5-893e-7e31ba3f6483" {
		t.Errorf("%+v", p)
	}
}

func TestTheShapesBefore61(t *testing.T) {
	want := systemmetrics.Report{
		Uptime: known(3*3600 + 5*60), Nodes: known(2), Hosts: known(2), Domains: known(2), CustomModules: known(1), ExternalComponents: known(1),
		Version: "6.0.0", ConfigType: "toml",
		Modules:      []systemmetrics.Module{{Name: "mod_adhoc"}, {"mod_last", "backend", "rdbms"}, {"mod_muc", "backend", "mnesia"}, {"mod_vcard", "backend", "rdbms"}},
		HTTPHandlers: []string{"mod_bosh", "mongoose_admin_api"}, Transports: []string{"mod_bosh", "mod_websockets", "tcp"}, Pools: map[string]int{"rdbms": 1},
		Stanzas: map[string]int64{
			"xmppMessageSent": 10, "xmppMessageReceived": 10, "xmppIqSent": 10, "xmppIqReceived": 10, "xmppPresenceSent": 10, "xmppPresenceReceived": 10,
		},
	}
	file := parse(t, bodies(t, "testdata/files.txtar")["6.0"])
	if diff := cmp.Diff(want, file.Report); diff != "" || !file.First || !file.Last {
		t.Errorf("the file (-want +got):\n%s", diff)
	}
	requests := bodies(t, "testdata/requests.txtar")
	first, second := parse(t, requests["6.0-batch-1of2"]), parse(t, requests["6.0-batch-2of2"])
	if !first.First || first.Last || first.Events != 20 || second.First || !second.Last || second.Events != 5 {
		t.Errorf("first %+v, second %+v", first, second)
	}
	first.Merge(second.Report)
	want.ClientID = cluster
	if diff := cmp.Diff(want, first.Report); diff != "" {
		t.Errorf("the requests (-want +got):\n%s", diff)
	}
}

func TestWhatIsStrange(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want systemmetrics.Report
	}{
		"an unknown event":  {`[{"name":"new","params":{"value":1}},{"name":"host_count","params":{"value":3,"more":true}}]`, systemmetrics.Report{Hosts: known(3)}},
		"no parameters":     {`[{"name":"host_count"}]`, systemmetrics.Report{}},
		"text for a number": {`[{"name":"host_count","params":{"value":"many"}},{"name":"domain_count","params":{"value":"7"}}]`, systemmetrics.Report{Domains: known(7)}},
		"negative, too big": {`[{"name":"host_count","params":{"value":-1}},{"name":"domain_count","params":{"value":1e300}}]`, systemmetrics.Report{}},
		"another uptime":    {`[{"name":"cluster","params":{"uptime":"3 days","node_number":[1],"version":"7"}}]`, systemmetrics.Report{Version: "7"}},
		"long uptime":       {`[{"name":"cluster","params":{"uptime":"12345-01:00:01"}}]`, systemmetrics.Report{Uptime: known(12345*86400 + 3601)}},
		"two pools":         {`[{"name":"outgoing_pool","params":{"value":"rdbms"}},{"name":"outgoing_pool","params":{"value":"rdbms"}},{"name":"outgoing_pool","params":{"value":"redis"}}]`, systemmetrics.Report{Pools: map[string]int{"rdbms": 2, "redis": 1}}},
		"disabled":          {`[{"name":"http_api","params":{"a":"disabled","b":"enabled"}}]`, systemmetrics.Report{HTTPHandlers: []string{"b"}}},
		"a long name":       {`[{"name":"module_with_opt","params":{"module":"` + strings.Repeat("ü", 100) + `"}}]`, systemmetrics.Report{Modules: []systemmetrics.Module{{Name: strings.Repeat("ü", 64)}}}},
	} {
		if diff := cmp.Diff(c.want, parse(t, c.body).Report); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, body := range map[string]string{
		"nothing": "", "HTML": "<html>", "a number": "5", "no events": `{"client_id":"x","events":[]}`, "an empty list": `[]`,
		"half a file": `[{"name":"host_count","params":{"val`, "another list": `[1,2]`, "two values": `[{"name":"a"}] []`, "no lines": "v=1&t=pageview",
	} {
		if _, err := systemmetrics.Parse([]byte(body)); !errors.Is(err, systemmetrics.ErrShape) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// Whatever the bytes, what comes out is bounded and fit to be shown.
func FuzzParse(f *testing.F) {
	for _, path := range []string{"testdata/files.txtar", "testdata/requests.txtar"} {
		for _, body := range bodies(f, path) {
			f.Add([]byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := systemmetrics.Parse(body)
		if err != nil {
			return
		}
		names := append([]string{p.ClientID, p.Version, p.ConfigType}, append(p.HTTPHandlers, p.Transports...)...)
		for _, m := range p.Modules {
			names = append(names, m.Name, m.Option, m.Value)
		}
		for name := range p.Pools {
			names = append(names, name)
		}
		for name := range p.Stanzas {
			names = append(names, name)
		}
		for _, name := range names {
			if len(name) > 128 || !utf8.ValidString(name) {
				t.Errorf("the name %q", name)
			}
		}
		if len(names) > 3+2000+3000+2000 || p.Events < 1 || p.Uptime.Value < 0 || p.Nodes.Value < 0 {
			t.Errorf("%d names, %+v", len(names), p)
		}
		// To merge a report with itself changes nothing but adds up its pools.
		again := p.Report
		again.Merge(systemmetrics.Report{})
		if diff := cmp.Diff(p.Report, again); diff != "" {
			t.Error(diff)
		}
	})
}
