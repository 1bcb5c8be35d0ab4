package dendrite

import (
	"active_users_exporter/collector"
	"active_users_exporter/collector/metric"
	"active_users_exporter/collector/usagereport"
)

// A homeserver is what a Dendrite knows of its usage under one server name.
type homeserver struct {
	usagereport.Homeserver
	today today
}

// today are the figures of the current UTC day of a homeserver, by column of
// userapi_daily_stats; none if there are none.
type today struct {
	homeserver string
	figures    map[string]float64
}

// NewCollector returns a collector of the figures of a day that a Dendrite keeps in its
// database.
func NewCollector(statuses func() []collector.Status) metric.Described {
	owner := metric.Owner[today]{Label: "homeserver", Name: func(t today) string { return t.homeserver }}
	return metric.NewCollector(owner, func() (all []today) {
		for _, s := range collector.Specials[today](statuses()) {
			all = append(all, s.Value)
		}
		return all
	}, families())
}

// daily are the columns of userapi_daily_stats, and what they count
// (userapi/consumers/roomserver.go, 0.15.2).
func daily() []struct{ column, help string } {
	return []struct{ column, help string }{
		{"messages", "Unencrypted messages since 00:00 UTC, from all senders, by Dendrite's own count."},
		{"sent_messages", "Unencrypted messages since 00:00 UTC that a user of the homeserver sent, by Dendrite's own count."},
		{"e2ee_messages", "Encrypted messages since 00:00 UTC, from all senders, by Dendrite's own count."},
		{"sent_e2ee_messages", "Encrypted messages since 00:00 UTC that a user of the homeserver sent, by Dendrite's own count."},
		{"active_rooms", "Largest number of rooms since 00:00 UTC whose last message was unencrypted; a restart of Dendrite counts from 0 again."},
		{"active_e2ee_rooms", "Largest number of rooms since 00:00 UTC whose last message was encrypted; a restart of Dendrite counts from 0 again."},
	}
}

func families() (all []metric.Family[today]) {
	for _, d := range daily() {
		all = append(all, metric.Family[today]{
			Name: "dendrite_daily_" + d.column, Kind: metric.Gauge, Help: d.help,
			Read: func(t today, emit metric.Emit) {
				if value, known := t.figures[d.column]; known {
					emit(value)
				}
			},
		})
	}
	return all
}
