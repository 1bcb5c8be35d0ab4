package collector_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"pgregory.net/rapid"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// splits are the families whose label splits people, with that label. Their sums over it
// are the same with and without a minimum.
var splits = map[string]string{
	"chat_active_client_users": "client", "chat_active_type_users": "type", "chat_r30v2_client_users": "client",
	"chat_r30v2_type_users": "type", "chat_registered_users": "type", "chat_created_users": "type",
	"chat_dormant_users": "age", "chat_growth_users": "state", "chat_lifecycle_users": "state", "chat_cohort_users": "cohort",
}

// outside are the values that are no part of a split: who has gone is no part of those who
// are there.
var outside = map[string]bool{"churned": true, "dormant": true}

// Whatever the figures: with a minimum, no cell of any split is that of a few people,
// and the sums over the cells are what they were.
func TestNoCellOfFewPeople(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minimum := rapid.IntRange(2, 12).Draw(t, "minimum")
		seed := rapid.Int64().Draw(t, "world")
		exact, shown := samplesOf(t, seed, 0), samplesOf(t, seed, minimum)
		for split, cells := range shown {
			sum, before := 0.0, 0.0
			for _, n := range exact[split] {
				before += n
			}
			for value, n := range cells {
				sum += n
				alone := value == activity.FewName && len(cells) == 1 // all who are there
				if n > 0 && n < float64(minimum) && !alone {
					t.Fatalf("%s of %s: %g people, of %v", value, split, n, exact[split])
				}
			}
			if sum != before {
				t.Fatalf("%s: %v add up to %g, not to the %g of %v", split, cells, sum, before, exact[split])
			}
		}
		for split := range exact {
			if shown[split] == nil && !strings.HasPrefix(split, "chat_dormant_users") {
				t.Fatalf("%s is gone", split)
			}
		}
	})
}

// samplesOf returns the cells of all splits of an invented domain, by family and the other
// labels, and then by the value of the label that splits.
func samplesOf(t *rapid.T, seed int64, minimum int) map[string]map[string]float64 {
	status := collector.InventedStatus(seed, activity.Minimum(minimum))
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector.New(func() []collector.Status { return []collector.Status{status} }))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]map[string]float64)
	for _, f := range families {
		label, ok := splits[f.GetName()]
		if !ok {
			continue
		}
		for _, m := range f.GetMetric() {
			addCell(all, f.GetName(), label, m)
		}
	}
	return all
}

func addCell(all map[string]map[string]float64, name, label string, m *dto.Metric) {
	others, value := name, ""
	for _, l := range m.GetLabel() {
		if l.GetName() == label {
			value = l.GetValue()
		} else {
			others += fmt.Sprintf(" %s=%s", l.GetName(), l.GetValue())
		}
	}
	if outside[value] {
		return
	}
	if all[others] == nil {
		all[others] = make(map[string]float64)
	}
	all[others][value] += m.GetGauge().GetValue()
}
