package dashboards_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The tests in this file hold the rules of Grafana's dashboard-linter, with
// three exceptions: we want dashboards that can be edited, and neither the
// variables job and instance nor their selectors, since every query takes the
// maximum over job and instance so that replicas count once.

func TestLinterDataSourceIsAVariable(t *testing.T) {
	for path, b := range boards(t) {
		if v := b.Templating.List[0]; v.Name != "datasource" || v.Type != "datasource" || v.Label != "Data source" || string(v.Query) != `"prometheus"` {
			t.Errorf("%s: the first variable is %+v; want a Prometheus data source", path, v)
		}
	}
}

func TestLinterVariablesAreReadAgainWithTheTimeRange(t *testing.T) {
	found := 0
	for path, b := range boards(t) {
		for _, v := range b.Templating.List {
			if v.Type != "query" {
				continue
			}
			found++
			if v.Refresh != 2 || v.Label == "" || !v.Multi || !v.IncludeAll || v.AllValue != ".+" {
				t.Errorf("%s: the variable %+v; want a label, several values, all as .+, read again when the time range changes", path, v)
			}
		}
	}
	if found < 4 {
		t.Errorf("%d variables are queries; want 4 or more", found)
	}
}

func TestLinterPanels(t *testing.T) {
	// The units of Grafana's list that we use; "suffix:" is a unit of one's own.
	units := []string{"locale", "none", "short", "percentunit", "s", "bytes", "suffix: d", "suffix: d", "suffix: h", "suffix: s"}
	eachPanel(t, "", func(t *testing.T, p panel) {
		if p.Title == "" || !strings.HasSuffix(p.Description, ".") || len(p.Targets) == 0 {
			t.Errorf("title %q, description %q, %d queries; want all three, the description a sentence", p.Title, p.Description, len(p.Targets))
		}
		if !slices.Contains(units, p.FieldConfig.Defaults.Unit) {
			t.Errorf("the unit %q is not among %v", p.FieldConfig.Defaults.Unit, units)
		}
	})
}

// rated finds the function around a counter and its range.
var rated = regexp.MustCompile(`(\w*)\(?\(?([a-z0-9_]+_total)\b(\{[^}]*\})?(\[[^\]]+\])?`)

// A counter makes sense only as an increase, and a rate only over Grafana's own
// interval; increases over a fixed time say so in their titles or descriptions.
func TestLinterCountersAreIncreases(t *testing.T) {
	found := 0
	eachPanel(t, "", func(t *testing.T, p panel) {
		for _, target := range p.Targets {
			for _, m := range rated.FindAllStringSubmatch(target.Expr, -1) {
				found++
				if m[1] != "increase" && m[1] != "rate" {
					t.Errorf("the counter %s is not inside increase or rate: %s", m[2], target.Expr)
				}
				if m[1] == "rate" && m[4] != "[$__rate_interval]" {
					t.Errorf("a rate over %s: %s", m[4], target.Expr)
				}
			}
			if strings.Contains(target.Expr, "irate(") {
				t.Errorf("irate: %s", target.Expr)
			}
		}
	})
	if found < 4 {
		t.Errorf("%d counters found; want 4 or more", found)
	}
}
