package collector

import (
	"github.com/prometheus/client_golang/prometheus"
)

// A Collector shows the newest Snapshot of each chat server. It does no I/O
// and waits for nothing; a scrape costs the same while a refresh runs.
type Collector struct {
	statuses func() []Status
	families []described
}

type described struct {
	family
	desc *prometheus.Desc
}

// New returns a Collector that asks statuses, at each scrape, for the servers
// there are. Their names must differ.
func New(statuses func() []Status) *Collector {
	c := &Collector{statuses: statuses}
	for _, f := range catalogue() {
		labels := prometheus.UnconstrainedLabels(append([]string{f.whose()}, f.labels...))
		var options []prometheus.DescOpt
		if f.unit != "" {
			options = append(options, prometheus.WithUnit(f.unit))
		}
		c.families = append(c.families, described{f, prometheus.V2.NewDesc(f.name, f.help, labels, nil, options...)})
	}
	return c
}

// A Description says what a metric family is, for documentation.
type Description struct {
	Name, Kind, Help string
	Labels           []string
}

// Descriptions returns those of all families, in the order of the catalogue.
func Descriptions() (all []Description) {
	for _, f := range catalogue() {
		kind := "gauge"
		if f.kind == counter {
			kind = "counter"
		}
		all = append(all, Description{f.name, kind, f.help, append([]string{f.whose()}, f.labels...)})
	}
	return all
}

// whose is the first label of a family.
func (f family) whose() string {
	if f.homeserver {
		return "homeserver"
	}
	return "server"
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.families {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	homeservers := make(map[string]bool)
	for _, status := range c.statuses() {
		for _, f := range c.families {
			f.read(status, func(value float64, labels ...string) {
				switch {
				case !f.homeserver:
					labels = append([]string{status.Server}, labels...)
				case homeservers[labels[0]]:
					return // two of our servers are one homeserver: the first speaks for it
				}
				metric, err := prometheus.NewConstMetric(f.desc, f.kind, value, labels...)
				if err != nil {
					// A label that is not UTF-8: a defect of a Reader, but not
					// worth the other servers' figures.
					metric = prometheus.NewInvalidMetric(f.desc, err)
				}
				ch <- metric
			})
		}
		for _, name := range status.homeservers() {
			homeservers[name] = true
		}
	}
}

// homeservers are the names of the Matrix homeservers that the status tells of.
func (s Status) homeservers() (names []string) {
	if s.Snapshot != nil {
		for _, d := range s.Snapshot.Domains {
			if d.Usage != nil {
				names = append(names, d.Name)
			}
		}
	}
	return names
}
