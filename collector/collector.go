package collector

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// A Collector shows the newest Snapshot of each chat server and the newest
// report of each homeserver. It does no I/O and waits for nothing; a scrape
// costs the same while a refresh runs.
type Collector struct {
	statuses func() []Status
	reports  func() *Reports
	families []described
}

type described struct {
	family
	desc *prometheus.Desc
}

// New returns a Collector that asks statuses, at each scrape, for the servers
// there are, whose names must differ, and reports for what has been pushed,
// which is nil while nothing is received.
func New(statuses func() []Status, reports func() *Reports) *Collector {
	c := &Collector{statuses: statuses, reports: reports}
	for _, f := range catalogue() {
		labels := prometheus.UnconstrainedLabels(append(f.whose(), f.labels...))
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
		switch {
		case f.kind == counter:
			kind = "counter"
		case f.histogram != nil:
			kind = "histogram"
		}
		all = append(all, Description{f.name, kind, f.help, append(f.whose(), f.labels...)})
	}
	return all
}

// whose is the first label of a family, if it has one for whom it describes.
func (f family) whose() []string {
	switch {
	case f.homeserver != nil:
		return []string{"homeserver"}
	case f.cluster != nil:
		return []string{"cluster"}
	case f.receiver != nil:
		return nil
	case f.prosody != nil:
		return []string{"host"}
	}
	return []string{"server"}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.families {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	statuses, reports := c.statuses(), c.reports()
	homeservers, clusters := homeservers(statuses, reports), clusters(statuses, reports)
	for _, f := range c.families {
		switch {
		case f.read != nil:
			for _, s := range statuses {
				f.read(s, f.to(ch, s.Server))
			}
		case f.histogram != nil:
			for _, s := range statuses {
				f.histogram(s, func(count uint64, sum float64, buckets map[float64]uint64, labels ...string) {
					ch <- prometheus.MustNewConstHistogram(f.desc, count, sum, buckets, append([]string{s.Server}, labels...)...)
				})
			}
		case f.homeserver != nil:
			for _, h := range homeservers {
				f.homeserver(h, f.to(ch, h.Name))
			}
		case f.cluster != nil:
			for _, c := range clusters {
				f.cluster(c, f.to(ch, c.Name))
			}
		case f.prosody != nil:
			hosts := make(map[string]bool) // that an earlier server has
			for _, s := range statuses {
				if s.Snapshot == nil || !s.Snapshot.OwnNames {
					continue
				}
				f.prosody(s.Snapshot, func(value float64, labels ...string) {
					if series := strings.Join(labels, "\x00"); !hosts[series] {
						hosts[series] = true
						f.to(ch)(value, labels...)
					}
				})
			}
		case reports != nil:
			f.receiver(reports, f.to(ch))
		}
	}
}

// to returns what sends the samples of a family, with the label of whom it
// describes.
func (f described) to(ch chan<- prometheus.Metric, whose ...string) emit {
	return func(value float64, labels ...string) {
		metric, err := prometheus.NewConstMetric(f.desc, f.kind, value, slices.Concat(whose, labels)...)
		if err != nil {
			// A label that is not UTF-8: a defect of a Reader, but not worth
			// the other servers' figures.
			metric = prometheus.NewInvalidMetric(f.desc, err)
		}
		ch <- metric
	}
}
