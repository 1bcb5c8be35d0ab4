package collector

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"active_users_exporter/collector/activity"
)

// Past is what was true at one moment of the past.
type Past struct {
	At          time.Time
	Statuses    []Status
	Homeservers []Homeserver
}

// PastDomain returns what daily visits tell of a domain at the end of a UTC
// day: windows of whole days, where those of the present slide, then retention
// and growth as the present ones. Of days before the first visit they tell
// nothing.
func PastDomain(date activity.Day, f DomainFacts, cal *activity.Calendar, windows []activity.Window, classes *activity.Classes) Domain {
	d := Domain{Name: f.Name}
	// The first moment of the day has the same 60 days of visits as its last,
	// but for those of the next day, which did not exist then.
	d.addHistory(date.Start(), f, cal, classes)
	if d.History.Number == 0 { // the server kept no visits yet
		return Domain{Name: f.Name}
	}
	for _, w := range windows {
		const day = 24 * time.Hour
		days := int(w.Duration() / day)
		if w.Duration()%day != 0 || d.History.Number < days {
			continue
		}
		visitors := cal.Visitors(f.Name, date, days)
		users := ActiveUsers{Window: w, Users: visitors.Users}
		if f.KeepsVisits || f.Clients {
			users.Clients = named(visitors.Clients, classes)
		}
		d.Active = append(d.Active, users)
	}
	return d
}

// WritePast writes the families about users and the statistics of homeservers
// at all of the moments, which are in order, as OpenMetrics with timestamps,
// ready for promtool tsdb create-blocks-from openmetrics.
func WritePast(w io.Writer, moments []Past) error {
	for _, f := range slices.Concat(activeUsers(), returningUsers(), usage()) {
		family := &dto.MetricFamily{Name: &f.name, Help: &f.help, Type: dto.MetricType_GAUGE.Enum()}
		if f.kind == counter {
			family.Type = dto.MetricType_COUNTER.Enum()
		}
		series := make(map[string][]*dto.Metric)
		var order []string
		for _, m := range moments {
			add := func(whose string) emit {
				return func(value float64, labels ...string) {
					values := append([]string{whose}, labels...)
					key := strings.Join(values, "\x00")
					if series[key] == nil {
						order = append(order, key)
					}
					series[key] = append(series[key], pastSample(f, m.At, value, values))
				}
			}
			for _, s := range m.Statuses {
				if f.read != nil {
					f.read(s, add(s.Server))
				}
			}
			for _, h := range m.Homeservers {
				if f.homeserver != nil {
					f.homeserver(h, add(h.Name))
				}
			}
		}
		for _, key := range order {
			family.Metric = append(family.Metric, series[key]...)
		}
		if len(family.Metric) == 0 {
			continue
		}
		if _, err := expfmt.MetricFamilyToOpenMetrics(w, family); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	_, err := expfmt.FinalizeOpenMetrics(w)
	return err
}

func pastSample(f family, at time.Time, value float64, labels []string) *dto.Metric {
	milli := at.UnixMilli()
	m := &dto.Metric{TimestampMs: &milli}
	for i, name := range append(f.whose(), f.labels...) {
		m.Label = append(m.Label, &dto.LabelPair{Name: &name, Value: &labels[i]})
	}
	if f.kind == prometheus.CounterValue {
		m.Counter = &dto.Counter{Value: &value}
	} else {
		m.Gauge = &dto.Gauge{Value: &value}
	}
	return m
}
