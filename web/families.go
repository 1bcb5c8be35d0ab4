package web

import (
	"active_users_exporter/collector"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/metric"
	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/systemmetrics"
	"active_users_exporter/collector/usagereport"
)

// Families returns all that collect figures of chat servers, of any of the kinds,
// and of pushed reports, in the order of the documentation. Both functions are asked
// at each scrape; receiver returns nil while nothing is received.
func Families(kinds []chatserver.Kind, statuses func() []collector.Status, receiver func() *reports.Receiver) []metric.Described {
	homeservers := func() (all []usagereport.Homeserver) {
		for _, s := range collector.Specials[usagereport.Homeserver](statuses()) {
			all = append(all, s.Value)
		}
		return all
	}
	clusters := func() (all []systemmetrics.Cluster) {
		for _, s := range collector.Specials[systemmetrics.Cluster](statuses()) {
			s.Value.Name = s.Server
			all = append(all, s.Value)
		}
		return all
	}
	all := []metric.Described{
		collector.New(statuses),
		usagereport.NewCollector(homeservers, func() []usagereport.Homeserver {
			if r := receiver(); r != nil {
				return r.Homeservers()
			}
			return nil
		}),
		systemmetrics.NewCollector(clusters, func() []systemmetrics.Cluster {
			if r := receiver(); r != nil {
				return r.Clusters()
			}
			return nil
		}),
		reports.NewCollector(receiver),
	}
	for _, kind := range kinds {
		if kind.Collector != nil {
			all = append(all, kind.Collector(statuses))
		}
	}
	return all
}

// Descriptions returns those of all families, for documentation.
func Descriptions(kinds []chatserver.Kind) (all []metric.Description) {
	for _, c := range Families(kinds, func() []collector.Status { return nil }, func() *reports.Receiver { return nil }) {
		all = append(all, c.Descriptions()...)
	}
	return all
}
