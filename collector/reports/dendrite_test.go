package reports_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/usagereport"
	"active_users_exporter/test/must"
)

// What a real Dendrite sent, byte for byte, beside a Synapse: what it counts otherwise
// than Synapse is under no name of Synapse's and in no sum.
func TestRealReportsOfDendrite(t *testing.T) {
	for _, name := range []string{"phone-home-sqlite.json", "phone-home-pg.json"} {
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile("../dendrite/testdata/" + name)
			must.Succeed(t, err)
			var p struct {
				Method, Path, Body string
				Headers            [][2]string
			}
			must.Succeed(t, json.Unmarshal(content, &p))
			header := make(http.Header)
			for _, h := range p.Headers {
				header.Set(h[0], h[1])
			}
			var sent map[string]any
			must.Succeed(t, json.Unmarshal([]byte(p.Body), &sent))

			folder := t.TempDir()
			r := start(t, folder, nil)
			if answer := r.put(p.Method, p.Path, p.Body, header); answer.Code != http.StatusOK || answer.Body.String() != "{}" {
				t.Fatalf("answer %d %q", answer.Code, answer.Body)
			}
			synapse := synapseWithoutContext(t)
			body, err := json.Marshal(synapse)
			must.Succeed(t, err)
			if answer := r.put(http.MethodPut, path, string(body), nil); answer.Code != http.StatusOK {
				t.Fatalf("answer %d %q", answer.Code, answer.Body)
			}
			for _, when := range []string{"at once", "after a restart"} {
				t.Run(when, func(t *testing.T) {
					if diff := cmp.Diff(wantOf(sent), samples(t, r, "garden.example")); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
					for _, c := range r.Shown().Contexts {
						checkSums(t, c, synapse, sent)
					}
				})
				must.Succeed(t, r.Close())
				r = start(t, folder, nil)
			}
			must.Succeed(t, r.Close())
		})
	}
}

// wantOf are the series of the homeserver that a report of Dendrite makes.
func wantOf(sent map[string]any) map[string]float64 {
	want := map[string]float64{
		"synapse_usage_last_report_timestamp_seconds": float64(noon.Unix()), "synapse_usage_reports_total": 1,
		`synapse_usage_info{database_engine="` + sent["database_engine"].(string) + `",database_server_version="` + sent["database_server_version"].(string) +
			`",log_level="info",python_version="",server_context="",software="dendrite",version="0.15.2"}`: 1,
		`dendrite_usage_info{federation_disabled="true",go_arch="amd64",go_os="linux",go_version="go1.26.8",nats_embedded="true",nats_in_memory="false",software="dendrite",version="0.15.2"}`: 1,
	}
	for key, value := range sent {
		number, ok := value.(float64)
		switch {
		case !ok || key == "total_room_count": // which Dendrite does not count
		case strings.HasPrefix(key, "daily_") && key != "daily_active_users", key == "r30v2_users_all", key == "r30_users_all",
			key == "cpu_average", key == "num_cpu", key == "num_go_routine":
			want["dendrite_usage_"+key] = number
		default:
			want["synapse_usage_"+key] = number
		}
	}
	return want
}

// samples are the series of a homeserver, by name and labels.
func samples(t *testing.T, r *receiver, homeserver string) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	must.Succeed(t, registry.Register(usagereport.NewCollector(func() []usagereport.Homeserver { return nil }, r.Homeservers)))
	families, err := registry.Gather()
	must.Succeed(t, err)
	all := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			of := ""
			for _, l := range m.GetLabel() {
				if l.GetName() == "homeserver" {
					of = l.GetValue()
				} else {
					labels = append(labels, l.GetName()+`="`+l.GetValue()+`"`)
				}
			}
			name := f.GetName()
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			if of == homeserver {
				all[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return all
}

// synapseWithoutContext is what a real Synapse reported, in the context that all
// Dendrites are in.
func synapseWithoutContext(t *testing.T) (sent map[string]any) {
	t.Helper()
	must.Succeed(t, json.Unmarshal([]byte(captured(t, "phone-home-sqlite-day69.json").Body), &sent))
	sent["server_context"] = nil
	return sent
}

// checkSums wants a context to hold both homeservers, and to add up what means the
// same of both.
func checkSums(t *testing.T, c reports.Context, synapse, dendrite map[string]any) {
	t.Helper()
	if c.Homeservers != 2 {
		t.Fatalf("context %q has %d homeservers, want both", c.Name, c.Homeservers)
	}
	want := map[string]float64{"r30v2_users_all": synapse["r30v2_users_all"].(float64)}
	for _, statistic := range []string{"total_users", "total_nonbridged_users", "daily_active_users", "monthly_active_users"} {
		want[statistic] = synapse[statistic].(float64) + dendrite[statistic].(float64)
	}
	if diff := cmp.Diff(want, c.Users); diff != "" {
		t.Errorf("sums (-want +got):\n%s", diff)
	}
}
