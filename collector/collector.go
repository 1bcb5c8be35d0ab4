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
		labels := prometheus.UnconstrainedLabels(append([]string{"server"}, f.labels...))
		var options []prometheus.DescOpt
		if f.unit != "" {
			options = append(options, prometheus.WithUnit(f.unit))
		}
		c.families = append(c.families, described{f, prometheus.V2.NewDesc(f.name, f.help, labels, nil, options...)})
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.families {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, status := range c.statuses() {
		for _, f := range c.families {
			f.read(status, func(value float64, labels ...string) {
				metric, err := prometheus.NewConstMetric(f.desc, f.kind, value, append([]string{status.Server}, labels...)...)
				if err != nil {
					// A label that is not UTF-8: a defect of a Reader, but not
					// worth the other servers' figures.
					metric = prometheus.NewInvalidMetric(f.desc, err)
				}
				ch <- metric
			})
		}
	}
}
