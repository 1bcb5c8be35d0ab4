package usagereport

import (
	"cmp"
	"maps"
	"slices"

	"active_users_exporter/collector/metric"
)

// Owner labels the samples of Families with the name of the homeserver.
func Owner() metric.Owner[Homeserver] {
	return metric.Owner[Homeserver]{Label: "homeserver", Name: func(h Homeserver) string { return h.Name }}
}

// NewCollector returns a collector of Families: of the homeservers whose databases
// were read, and of those that reported. Both are asked at each scrape.
func NewCollector(read, reported func() []Homeserver) metric.Described {
	return metric.NewCollector(Owner(), func() []Homeserver { return Union(read(), reported()) }, Families())
}

// Families are the metric families about what a Matrix homeserver reports of
// itself.
func Families() []metric.Family[Homeserver] {
	var families []metric.Family[Homeserver]
	for _, s := range statistics() {
		families = append(families, metric.Family[Homeserver]{
			Name: "synapse_usage_" + s.name, Kind: metric.Gauge,
			Help: s.help + " Statistic " + s.name + " of Synapse's usage report.",
			Read: func(h Homeserver, emit metric.Emit) {
				if value, known := h.Statistics[s.name]; known {
					emit(value)
				}
			},
		})
	}
	families = append(families,
		metric.Family[Homeserver]{
			Name: "synapse_usage_info", Kind: metric.Gauge, Labels: append([]string{softwareKey}, InfoNames()...),
			Help: "1, with what the homeserver runs and the strings of Synapse's usage report, empty if they are not known.",
			Read: func(h Homeserver, emit metric.Emit) {
				labels := []string{cmp.Or(h.Software, Synapse)}
				for _, name := range InfoNames() {
					labels = append(labels, h.Info[name])
				}
				emit(1, labels...)
			},
		},
		metric.Family[Homeserver]{
			Name: "synapse_limit_mau_users", Kind: metric.Gauge, Labels: []string{"type"},
			Help: "Users in Synapse's table monthly_active_users, by which it limits them, by type; absent if Synapse does not fill the table.",
			Read: byLabel(func(h Homeserver) map[string]int { return h.LimitMAU }),
		},
		metric.Family[Homeserver]{
			Name: "synapse_rooms", Kind: metric.Gauge, Labels: []string{"state"},
			Help: "Rooms of a Synapse by state: known (all that it knows, total_room_count), joined (those of them with at least one of its own users).",
			Read: byLabel(func(h Homeserver) map[string]int { return h.Rooms }),
		},
		metric.Family[Homeserver]{
			Name: "synapse_federation_servers", Kind: metric.Gauge, Labels: []string{"state"},
			Help: "Other servers that a Synapse sends to: reachable, or unreachable (sending has failed and has not succeeded since). They add up to all.",
			Read: byLabel(func(h Homeserver) map[string]int { return h.FederationServers }),
		},
		metric.Family[Homeserver]{
			Name: "synapse_usage_last_report_timestamp_seconds", Unit: "seconds", Kind: metric.Gauge,
			Help: "Unix time, by the receiver's clock, at which the newest usage report of the homeserver was received.",
			Read: func(h Homeserver, emit metric.Emit) {
				if !h.Reported.IsZero() {
					emit(metric.Seconds(h.Reported))
				}
			},
		},
		metric.Family[Homeserver]{
			Name: "synapse_usage_reports_total", Kind: metric.Counter,
			Help: "Usage reports received from the homeserver.",
			Read: func(h Homeserver, emit metric.Emit) {
				if !h.Reported.IsZero() {
					emit(float64(h.Reports))
				}
			},
		},
	)
	return append(families, dendriteFamilies()...)
}

// byLabel reads numbers by the value of a label.
func byLabel(of func(Homeserver) map[string]int) func(Homeserver, metric.Emit) {
	return func(h Homeserver, emit metric.Emit) {
		numbers := of(h)
		for _, value := range slices.Sorted(maps.Keys(numbers)) {
			emit(float64(numbers[value]), value)
		}
	}
}
