package prosody

import (
	"strings"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/metric"
)

// ServerNames is the special value of a Prosody whose figures are to be shown under
// the names that Prosody itself has for them as well (own_metric_names).
type ServerNames struct{}

func withServerNames(*activity.Calendar) []any { return []any{ServerNames{}} }

// namedHost is what is shown of one host, under Prosody's own names.
type namedHost struct {
	name    string
	active  []collector.ActiveUsers
	modules []collector.Module
}

// NewCollector returns a collector of the families under the names that Prosody
// itself has for them (mod_measure_active_users, mod_measure_modules), so that
// dashboards made for it go on. They are shown for servers that ask for it.
func NewCollector(statuses func() []collector.Status) metric.Described {
	owner := metric.Owner[namedHost]{Label: "host", Name: func(h namedHost) string { return h.name }}
	return metric.NewCollector(owner, func() []namedHost { return namedHosts(statuses()) }, namedFamilies())
}

// namedHosts returns each host once, with each of its modules once: the samples have
// no label for the server, so the first server that has one wins.
func namedHosts(statuses []collector.Status) (all []namedHost) {
	type module struct{ host, name string }
	index, seen := make(map[string]int), make(map[module]bool)
	host := func(name string) *namedHost {
		if _, there := index[name]; !there {
			index[name] = len(all)
			all = append(all, namedHost{name: name})
		}
		return &all[index[name]]
	}
	asked := make(map[string]bool)
	for _, s := range collector.Specials[ServerNames](statuses) {
		asked[s.Server] = true
	}
	for _, s := range statuses {
		if !asked[s.Server] {
			continue
		}
		for _, d := range s.Snapshot.Domains {
			if h := host(d.Name); h.active == nil {
				h.active = d.Active
			}
		}
		for _, m := range s.Snapshot.Modules {
			h := host(strings.Replace(m.Domain, collector.AllDomains, ":global", 1))
			if m.Loaded && !seen[module{h.name, m.Name}] {
				seen[module{h.name, m.Name}] = true
				h.modules = append(h.modules, m)
			}
		}
	}
	return all
}

func namedFamilies() (families []metric.Family[namedHost]) {
	for _, window := range []string{"1d", "7d", "30d"} {
		families = append(families, metric.Family[namedHost]{
			Name: "prosody_mod_measure_active_users__active_users_" + window, Kind: metric.Gauge,
			Help: "Users of chat_active_users{window=\"" + window + "\"} of a virtual host, under Prosody's own name (own_metric_names).",
			Read: func(h namedHost, emit metric.Emit) {
				for _, a := range h.active {
					if a.Window.String() == window {
						emit(float64(a.Users))
					}
				}
			},
		})
	}
	return append(families, metric.Family[namedHost]{
		Name: "prosody_module_status", Kind: metric.Gauge, Labels: []string{"module"},
		Help: "State of chat_module_status under Prosody's own name (own_metric_names). Global modules have the host :global.",
		Read: func(h namedHost, emit metric.Emit) {
			for _, m := range h.modules {
				emit(float64(m.Status), m.Name)
			}
		},
	})
}
