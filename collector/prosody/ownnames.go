package prosody

import (
	"strings"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/metric"
)

// OwnNames is the special value of a Prosody whose figures are to be shown under
// the names that Prosody itself has for them as well (own_metric_names).
type OwnNames struct{}

func withOwnNames(*activity.Calendar) any { return OwnNames{} }

// ownHost is what is shown of one host, under Prosody's own names.
type ownHost struct {
	name    string
	active  []collector.ActiveUsers
	modules []collector.Module
}

// NewCollector returns a collector of the families under the names that Prosody
// itself has for them (mod_measure_active_users, mod_measure_modules), so that
// dashboards made for it go on. They are shown for servers that ask for it.
func NewCollector(statuses func() []collector.Status) metric.Described {
	owner := metric.Owner[ownHost]{Label: "host", Name: func(h ownHost) string { return h.name }}
	return metric.NewCollector(owner, func() []ownHost { return ownHosts(statuses()) }, ownFamilies())
}

// ownHosts returns each host once, with each of its modules once: the samples have
// no label for the server, so the first server that has one wins.
func ownHosts(statuses []collector.Status) (all []ownHost) {
	type module struct{ host, name string }
	index, seen := make(map[string]int), make(map[module]bool)
	host := func(name string) *ownHost {
		if _, there := index[name]; !there {
			index[name] = len(all)
			all = append(all, ownHost{name: name})
		}
		return &all[index[name]]
	}
	for _, s := range statuses {
		if s.Snapshot == nil {
			continue
		}
		if _, asked := s.Snapshot.Special.(OwnNames); !asked {
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

func ownFamilies() (families []metric.Family[ownHost]) {
	for _, window := range []string{"1d", "7d", "30d"} {
		families = append(families, metric.Family[ownHost]{
			Name: "prosody_mod_measure_active_users__active_users_" + window, Kind: metric.Gauge,
			Help: "Users of chat_active_users{window=\"" + window + "\"} of a virtual host, under Prosody's own name (own_metric_names).",
			Read: func(h ownHost, emit metric.Emit) {
				for _, a := range h.active {
					if a.Window.String() == window {
						emit(float64(a.Users))
					}
				}
			},
		})
	}
	return append(families, metric.Family[ownHost]{
		Name: "prosody_module_status", Kind: metric.Gauge, Labels: []string{"module"},
		Help: "State of chat_module_status under Prosody's own name (own_metric_names). Global modules have the host :global.",
		Read: func(h ownHost, emit metric.Emit) {
			for _, m := range h.modules {
				emit(float64(m.Status), m.Name)
			}
		},
	})
}
