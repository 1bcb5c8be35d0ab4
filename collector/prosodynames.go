package collector

import "strings"

// prosodysOwn are the families under the names that Prosody itself has for them
// (mod_measure_active_users, mod_measure_modules), so that dashboards made for
// it go on. They are shown for servers that ask for it.
func prosodysOwn() []family {
	var families []family
	for _, window := range []string{"1d", "7d", "30d"} {
		families = append(families, family{
			name: "prosody_mod_measure_active_users__active_users_" + window, kind: gauge,
			help: "The users of chat_active_users{window=\"" + window + "\"} of a virtual host, under Prosody's own name (own_metric_names).",
			prosody: func(s *Snapshot, emit emit) {
				for _, d := range s.Domains {
					for _, a := range d.Active {
						if a.Window.String() == window {
							emit(float64(a.Users), d.Name)
						}
					}
				}
			},
		})
	}
	return append(families, family{
		name: "prosody_module_status", kind: gauge, labels: []string{"module"},
		help: "The states of chat_module_status under Prosody's own name (own_metric_names); global modules have the host :global.",
		prosody: func(s *Snapshot, emit emit) {
			for _, m := range s.Modules {
				if m.Loaded {
					emit(float64(m.Status), strings.Replace(m.Domain, AllDomains, ":global", 1), m.Name)
				}
			}
		},
	})
}
