package metric

import (
	"bytes"
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

// Repetition says how samples of the past are written so that what asks every few minutes
// finds them.
type Repetition struct {
	// Step is the time between two samples of a series, Hold for how long after a
	// moment its value is repeated, unless the series has a later one before. Without
	// them, each moment has one sample.
	Step, Hold time.Duration
	// Until is the moment after which nothing is repeated.
	Until time.Time
	// Labels are added to each sample, as name and value.
	Labels [][2]string
}

// WritePast writes the families at all of the moments, which are in order, as
// OpenMetrics with timestamps. The caller ends the text with
// expfmt.FinalizeOpenMetrics. Families with a Histogram are left out.
func WritePast[T any](w io.Writer, owner Owner[T], families []Family[T], moments []Past[T], repeat Repetition) error {
	for _, f := range families {
		if f.Read == nil {
			continue
		}
		kind := dto.MetricType_GAUGE
		if f.Kind == Counter {
			kind = dto.MetricType_COUNTER
		}
		// One series after the other: with all of their samples, those of a year are many.
		for i, series := range f.timeline(owner, moments) {
			family := &dto.MetricFamily{Name: &f.Name, Help: &f.Help, Type: &kind, Metric: repeat.series(series)}
			var text bytes.Buffer
			if _, err := expfmt.MetricFamilyToOpenMetrics(&text, family); err != nil {
				return fmt.Errorf("write %s: %w", f.Name, err)
			}
			for i > 0 && bytes.HasPrefix(text.Bytes(), []byte("#")) { // the family has been described
				_, _ = text.ReadBytes('\n')
			}
			if _, err := text.WriteTo(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// series returns the samples of a series with those that are repeated.
func (r Repetition) series(samples []*dto.Metric) (all []*dto.Metric) {
	for i, m := range samples {
		for _, label := range r.Labels {
			m.Label = append(m.Label, &dto.LabelPair{Name: &label[0], Value: &label[1]})
		}
		all = append(all, m)
		if r.Step == 0 {
			continue
		}
		end := min(m.GetTimestampMs()+r.Hold.Milliseconds(), r.Until.UnixMilli()+1)
		if i+1 < len(samples) {
			end = min(end, samples[i+1].GetTimestampMs())
		}
		for at := m.GetTimestampMs() + r.Step.Milliseconds(); at < end; at += r.Step.Milliseconds() {
			all = append(all, &dto.Metric{Label: m.Label, Gauge: m.Gauge, Counter: m.Counter, TimestampMs: &at})
		}
	}
	return all
}

// timeline returns the samples of all moments of each series.
func (f Family[T]) timeline(owner Owner[T], moments []Past[T]) (all [][]*dto.Metric) {
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
		all = append(all, series[key])
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
