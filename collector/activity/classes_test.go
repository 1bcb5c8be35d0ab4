package activity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/activity"
)

func TestConfiguredClassesGoBeforeSynapses(t *testing.T) {
	classes, err := activity.NewClasses([]activity.Rule{
		{Name: "element_x", Any: []string{"Element X", "ElementX"}},
		{Name: "fluffychat", All: []string{"fluffychat"}},
		{Name: "android", Any: []string{"schildi", "dalvik"}, All: []string{"android"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"unknown", "electron", "android", "ios", "web", "element_x", "fluffychat"}, classes.Names()); diff != "" {
		t.Fatalf("names (-want +got):\n%s", diff)
	}
	today := activity.DayOf(noon)
	for agent, want := range map[string]struct{ ours, synapses string }{
		"Element X/1.2 (Android 14)":         {"element_x", "android"},
		"elementx/1 CFNetwork Darwin":        {"element_x", "unknown"},
		"FluffyChat Mozilla":                 {"fluffychat", "web"},
		"SchildiChat/1 (Android)":            {"android", "unknown"},
		"Dalvik":                             {"unknown", "unknown"},
		"Element/1 (Linux; Android 9) Riot":  {"android", "android"},
		"Mozilla/5.0 Element/1 Electron/2":   {"electron", "electron"},
		"":                                   {"unknown", "unknown"},
		strings.Repeat("x", 600) + "Mozilla": {"web", "web"},
	} {
		cal := activity.NewCalendar(activity.Key{}, classes)
		client := classes.Of([]byte(agent))
		cached := classes.Classifier()
		for range 2 { // the second time from memory
			if cached.Of([]byte(agent)) != client {
				t.Errorf("%q: the classifier is of another mind", agent)
			}
		}
		cal.Seen([]byte("d"), []byte("u"), client, noon)
		cal.Visit([]byte("d"), []byte("u"), client, today-40)
		cal.Visit([]byte("d"), []byte("u"), client, today)
		r := cal.Retention("d", noon)
		active := cal.ActiveAfter("d", activity.Daily().Since(noon), time.Time{})
		for class, name := range classes.Names() {
			if got, expected := active.Clients[class] == 1, name == want.ours; got != expected {
				t.Errorf("%q: active as %s: %v", agent, name, got)
			}
			if got, expected := r.Clients[class] == 1, name == want.ours; got != expected {
				t.Errorf("%q: retained as %s: %v", agent, name, got)
			}
		}
		for class, name := range activity.SynapseNames() {
			if got, expected := r.Synapse[class] == 1, name == want.synapses; got != expected {
				t.Errorf("%q: retained for Synapse as %s: %v", agent, name, got)
			}
		}
	}
}

func TestAUserOfTwoClassesOfOneName(t *testing.T) {
	classes, err := activity.NewClasses([]activity.Rule{{Name: "any", Any: []string{"e"}}})
	if err != nil {
		t.Fatal(err)
	}
	cal := activity.NewCalendar(activity.Key{}, classes)
	for _, agent := range []string{"Element Android", "Element iOS"} {
		cal.Seen([]byte("d"), []byte("u"), classes.Of([]byte(agent)), noon)
	}
	active := cal.ActiveAfter("d", activity.Daily().Since(noon), time.Time{})
	if diff := cmp.Diff(activity.Active{Users: 1, Clients: []int{0, 0, 0, 0, 0, 1}}, active); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRulesWithMistakes(t *testing.T) {
	for want, rules := range map[string][]activity.Rule{
		"no name for a class": {{Name: "Element X", Any: []string{"x"}}},
		"name at least one":   {{Name: "x"}},
		"no empty one":        {{Name: "x", All: []string{"y", ""}}},
		"more than the 40":    make([]activity.Rule, 41),
	} {
		if _, err := activity.NewClasses(rules); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
