package reports

import (
	"maps"
	"slices"

	"active_users_exporter/collector/metric"
)

// summary is what the receiver says of itself.
type summary struct {
	accepted uint64
	rejected map[Reason]uint64
	refused  map[Refusal]uint64
	stored   Stored
	// countries are the numbers of homeservers by country, nil if nobody asks.
	countries map[string]int
	overflow  int
	contexts  []Context
}

func (r *Receiver) summary() summary {
	current := r.latest.current(r.options.Now())
	_, overflow := r.clusters.visible(r.options.Now(), r.options.ExpireAfter)
	return summary{
		accepted: r.Accepted(), rejected: r.Rejected(), refused: r.ConnectionsRefused(), stored: r.Stored(),
		countries: r.countries(current),
		overflow:  overflow + len(current) - len(r.latest.visible(current)),
		contexts:  r.latest.contexts(current),
	}
}

// countries counts homeservers by the country that they report from; those for which it
// is not known are counted under "".
func (r *Receiver) countries(current []*homeserverState) map[string]int {
	if r.locations == nil {
		return nil
	}
	all := make(map[string]int)
	for _, h := range current {
		all[h.country]++
	}
	return all
}

// NewCollector returns a collector of what a receiver says of itself. The function
// is asked at each scrape, and returns nil while there is none.
func NewCollector(receiver func() *Receiver) metric.Described {
	return metric.NewCollector(metric.Owner[summary]{}, func() []summary {
		if r := receiver(); r != nil {
			return []summary{r.summary()}
		}
		return nil
	}, families())
}

// families are the families about the receiver of reports.
func families() []metric.Family[summary] { return slices.Concat(outcomes(), senders()) }

// outcomes are the families about what was accepted, refused and stored.
func outcomes() []metric.Family[summary] {
	return []metric.Family[summary]{
		{
			Name: "active_users_exporter_reports_accepted_total", Kind: metric.Counter,
			Help: "Usage reports, and parts of MongooseIM's, that were accepted and stored since the exporter started.",
			Read: func(r summary, emit metric.Emit) { emit(float64(r.accepted)) },
		},
		{
			Name: "active_users_exporter_reports_country_homeservers", Kind: metric.Gauge, Labels: []string{"country"},
			Help: "Homeservers that reported within expire_after, by the code of the country they report from, empty if it is not known; with geoip_database.",
			Read: func(r summary, emit metric.Emit) {
				for _, country := range slices.Sorted(maps.Keys(r.countries)) {
					emit(float64(r.countries[country]), country)
				}
			},
		},
		{
			Name: "active_users_exporter_reports_connections_refused_total", Kind: metric.Counter, Labels: []string{"reason"},
			Help: "Connections to the receiver that were closed at once: one sender had too many (sender), or there were too many in all (total).",
			Read: func(r summary, emit metric.Emit) {
				for _, reason := range Refusals() {
					emit(float64(r.refused[reason]), string(reason))
				}
			},
		},
		{
			Name: "active_users_exporter_reports_store_bytes", Unit: "bytes", Kind: metric.Gauge,
			Help: "Room that stored reports take, as of the last cleaning up and what was written since.",
			Read: func(r summary, emit metric.Emit) { emit(float64(r.stored.Bytes)) },
		},
		{
			Name: "active_users_exporter_reports_store_oldest_timestamp_seconds", Unit: "seconds", Kind: metric.Gauge,
			Help: "Unix time at which the oldest stored report was received.",
			Read: func(r summary, emit metric.Emit) {
				if !r.stored.Oldest.IsZero() {
					emit(metric.Seconds(r.stored.Oldest))
				}
			},
		},
		{
			Name: "active_users_exporter_reports_rejected_total", Kind: metric.Counter, Labels: []string{"reason"},
			Help: "Reports, or parts of reports, that were refused since the exporter started, by reason.",
			Read: func(r summary, emit metric.Emit) {
				for _, reason := range Reasons() {
					emit(float64(r.rejected[reason]), string(reason))
				}
			},
		},
	}
}

// senders are the families about who reports.
func senders() []metric.Family[summary] {
	return []metric.Family[summary]{
		{
			Name: "active_users_exporter_reports_overflow_homeservers", Kind: metric.Gauge,
			Help: "Homeservers and MongooseIM clusters that report but have no series of their own, because there are more than max_homeservers.",
			Read: func(r summary, emit metric.Emit) { emit(float64(r.overflow)) },
		},
		{
			Name: "active_users_exporter_reports_homeservers", Kind: metric.Gauge, Labels: []string{"server_context"},
			Help: "Homeservers that reported within expire_after, by their server_context.",
			Read: func(r summary, emit metric.Emit) {
				for _, c := range r.contexts {
					emit(float64(c.Homeservers), c.Name)
				}
			},
		},
		{
			Name: "active_users_exporter_reports_users", Kind: metric.Gauge, Labels: []string{"server_context", "statistic"},
			Help: "Sums of the newest reports of all homeservers with a server_context, by statistic; homeservers without own series are included.",
			Read: func(r summary, emit metric.Emit) {
				for _, c := range r.contexts {
					for _, statistic := range slices.Sorted(maps.Keys(c.Users)) {
						emit(c.Users[statistic], c.Name, statistic)
					}
				}
			},
		},
	}
}
