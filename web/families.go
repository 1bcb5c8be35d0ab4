package web

import (
	"active_users_exporter/collector"
	"active_users_exporter/collector/metric"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/systemmetrics"
	"active_users_exporter/collector/usagereport"
)

// Families returns all that collect figures of chat servers and of pushed
// reports, in the order of the documentation. Both functions are asked at each
// scrape; receiver returns nil while nothing is received.
func Families(statuses func() []collector.Status, receiver func() *reports.Receiver) []metric.Described {
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
	return []metric.Described{
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
		prosody.NewCollector(statuses),
	}
}

// Descriptions returns those of all families, for documentation.
func Descriptions() (all []metric.Description) {
	for _, c := range Families(func() []collector.Status { return nil }, func() *reports.Receiver { return nil }) {
		all = append(all, c.Descriptions()...)
	}
	return all
}
