// Package metric describes metric families: a family is one row that says its
// name, its definition and how its samples are read from a subject, which may be
// a chat server, a homeserver or anything else. The package knows none of them.
package metric

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A Family is one metric family of subjects of type T. Everything about the
// metric stands in its row: its name stands here and nowhere else.
type Family[T any] struct {
	// Name and Help are as Prometheus wants them; Help is the definition.
	Name, Help string
	// Unit is OpenMetrics' unit, "" for none. It must be the end of Name.
	Unit string
	// Kind is Gauge or Counter; a family with a Histogram needs none.
	Kind prometheus.ValueType
	// Labels are those after the owner's label; see Owner.
	Labels []string
	// Read emits the samples of one subject. A value that is not known is not
	// emitted.
	Read func(T, Emit)
	// Histogram replaces Read where the samples are histograms.
	Histogram func(T, Observe)
}

// Emit takes one sample, with the values of the family's labels in their order.
type Emit func(value float64, labels ...string)

// Observe takes one histogram: the number of observations, their sum, and how
// many are at most each upper bound.
type Observe func(count uint64, sum float64, buckets map[float64]uint64, labels ...string)

// The kinds of families.
const (
	Gauge   = prometheus.GaugeValue
	Counter = prometheus.CounterValue
)

// An Owner says whom the samples of a family describe: the first label of each
// sample. The zero Owner adds no label.
type Owner[T any] struct {
	Label string
	Name  func(T) string
}

func (o Owner[T]) label() []string {
	if o.Label == "" {
		return nil
	}
	return []string{o.Label}
}

func (o Owner[T]) name(subject T) []string {
	if o.Label == "" {
		return nil
	}
	return []string{o.Name(subject)}
}

// A Description says what a metric family is, for documentation.
type Description struct {
	Name, Kind, Help string
	Labels           []string
}

func (f Family[T]) describe(owner Owner[T]) Description {
	kind := "gauge"
	switch {
	case f.Histogram != nil:
		kind = "histogram"
	case f.Kind == Counter:
		kind = "counter"
	}
	return Description{f.Name, kind, f.Help, append(owner.label(), f.Labels...)}
}

// Seconds returns a moment as Unix time in seconds, to the millisecond.
func Seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// Bool returns 1 for true and 0 for false.
func Bool(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
