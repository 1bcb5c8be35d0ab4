package metric

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// A Described is a collector that can also say what its families are.
type Described interface {
	prometheus.Collector
	// Descriptions returns those of all families, in their documented order.
	Descriptions() []Description
}

// A Collector collects the families of all subjects. It does no I/O and waits
// for nothing.
type Collector[T any] struct {
	owner    Owner[T]
	subjects func() []T
	families []described[T]
}

type described[T any] struct {
	Family[T]
	desc *prometheus.Desc
}

// NewCollector returns a Collector that asks subjects, at each scrape, whom
// there are samples of. Their owner's names must differ.
func NewCollector[T any](owner Owner[T], subjects func() []T, families []Family[T]) *Collector[T] {
	c := &Collector[T]{owner: owner, subjects: subjects}
	for _, f := range families {
		labels := prometheus.UnconstrainedLabels(append(owner.label(), f.Labels...))
		var options []prometheus.DescOpt
		if f.Unit != "" {
			options = append(options, prometheus.WithUnit(f.Unit))
		}
		c.families = append(c.families, described[T]{f, prometheus.V2.NewDesc(f.Name, f.Help, labels, nil, options...)})
	}
	return c
}

// Descriptions implements Described.
func (c *Collector[T]) Descriptions() (all []Description) {
	for _, f := range c.families {
		all = append(all, f.describe(c.owner))
	}
	return all
}

// Describe implements prometheus.Collector.
func (c *Collector[T]) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.families {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector[T]) Collect(ch chan<- prometheus.Metric) {
	subjects := c.subjects()
	for _, f := range c.families {
		for _, subject := range subjects {
			owner := c.owner.name(subject)
			if f.Histogram != nil {
				f.Histogram(subject, f.histograms(ch, owner))
			} else {
				f.Read(subject, f.samples(ch, owner))
			}
		}
	}
}

// samples returns what sends the samples of a family about one owner.
func (f described[T]) samples(ch chan<- prometheus.Metric, owner []string) Emit {
	return func(value float64, labels ...string) {
		metric, err := prometheus.NewConstMetric(f.desc, f.Kind, value, slices.Concat(owner, labels)...)
		ch <- validOr(metric, f.desc, err)
	}
}

func (f described[T]) histograms(ch chan<- prometheus.Metric, owner []string) Observe {
	return func(count uint64, sum float64, buckets map[float64]uint64, labels ...string) {
		metric, err := prometheus.NewConstHistogram(f.desc, count, sum, buckets, slices.Concat(owner, labels)...)
		ch <- validOr(metric, f.desc, err)
	}
}

// validOr replaces a metric that could not be made, such as one with a label that
// is not UTF-8: that is a defect of a reader, but not worth the other figures.
func validOr(metric prometheus.Metric, desc *prometheus.Desc, err error) prometheus.Metric {
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return metric
}
