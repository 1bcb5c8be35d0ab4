package metric

import (
	"fmt"
	"io"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// A Past is what was true of subjects at one moment of the past.
type Past[T any] struct {
	At       time.Time
	Subjects []T
}

// WritePast writes the families at all of the moments, which are in order, as
// OpenMetrics with timestamps. The caller ends the text with
// expfmt.FinalizeOpenMetrics. Families with a Histogram are left out.
func WritePast[T any](w io.Writer, owner Owner[T], families []Family[T], moments []Past[T]) error {
	for _, f := range families {
		if f.Read == nil {
			continue
		}
		kind := dto.MetricType_GAUGE
		if f.Kind == Counter {
			kind = dto.MetricType_COUNTER
		}
		family := &dto.MetricFamily{Name: &f.Name, Help: &f.Help, Type: &kind, Metric: f.timeline(owner, moments)}
		if len(family.Metric) == 0 {
			continue
		}
		if _, err := expfmt.MetricFamilyToOpenMetrics(w, family); err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
	}
	return nil
}

// timeline returns the samples of all moments, series by series.
func (f Family[T]) timeline(owner Owner[T], moments []Past[T]) (all []*dto.Metric) {
	series := make(map[string][]*dto.Metric)
	var order []string
	names := append(owner.label(), f.Labels...)
	for _, m := range moments {
		for _, subject := range m.Subjects {
			f.Read(subject, func(value float64, labels ...string) {
				values := append(owner.name(subject), labels...)
				key := strings.Join(values, "\x00")
				if series[key] == nil {
					order = append(order, key)
				}
				series[key] = append(series[key], f.sample(m.At, value, names, values))
			})
		}
	}
	for _, key := range order {
		all = append(all, series[key]...)
	}
	return all
}

func (f Family[T]) sample(at time.Time, value float64, names, values []string) *dto.Metric {
	milli := at.UnixMilli()
	m := &dto.Metric{TimestampMs: &milli}
	for i := range names {
		m.Label = append(m.Label, &dto.LabelPair{Name: &names[i], Value: &values[i]})
	}
	if f.Kind == Counter {
		m.Counter = &dto.Counter{Value: &value}
	} else {
		m.Gauge = &dto.Gauge{Value: &value}
	}
	return m
}
