// Package alerts_test checks the rules for Prometheus and their tests.
package alerts_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A ruleFile is one of Prometheus' rules.
type ruleFile struct {
	Groups []struct {
		Name     string `yaml:"name"`
		Interval string `yaml:"interval"`
		Rules    []rule `yaml:"rules"`
	} `yaml:"groups"`
}

type rule struct {
	Record      string            `yaml:"record"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func readRules(t *testing.T) (rules []rule) {
	t.Helper()
	var file ruleFile
	readYAML(t, "active_users.rules.yml", &file)
	for _, g := range file.Groups {
		rules = append(rules, g.Rules...)
	}
	return rules
}

// runbooks is the address of the page of runbooks: that of the external label
// active_users_runbooks, else that at which the package installs it. Both are
// absolute.
const runbooks = "{{ with $externalLabels.active_users_runbooks }}{{ . }}{{ else }}file:///usr/share/doc/active-users-exporter/docs/runbooks.md{{ end }}"

// The variable is documented where it is used, and where somebody looks for it.
func TestTheAddressOfRunbooksIsDocumented(t *testing.T) {
	for _, path := range []string{"active_users.rules.yml", "../docs/runbooks.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), "external label")
		if !strings.Contains(after, "active_users_runbooks") {
			t.Errorf("%s does not explain the external label active_users_runbooks", path)
		}
	}
}

// A number of users, homeservers or reports is whole, and is not shortened to
// "12.35k": Prometheus estimates increases as fractions.
func TestNumbersInTextsAreWhole(t *testing.T) {
	counts := 0
	for _, r := range readRules(t) {
		for name, text := range r.Annotations {
			counts += strings.Count(text, `printf "%.0f"`)
			if strings.Contains(text, "| humanize }}") || strings.Contains(text, "{{ $value }}") {
				t.Errorf("%s: %s shows a number as Prometheus computes it: %s", r.Alert, name, text)
			}
		}
		if strings.Contains(r.Expr, "increase(") && strings.Contains(r.Annotations["summary"], "$value") && !strings.Contains(r.Annotations["summary"], `printf "%.0f" $value`) {
			t.Errorf("%s shows the estimate of increase() as it is: %s", r.Alert, r.Annotations["summary"])
		}
	}
	if counts < 5 {
		t.Errorf("%d whole numbers in all texts; want 5 or more", counts)
	}
}

// Every alert says how bad it is and what to do, has a section in
// docs/runbooks.md, and promtool tests one case in which it fires and one in
// which it does not.
func TestAlerts(t *testing.T) {
	text, err := os.ReadFile("../docs/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "## "); ok {
			sections[name] = true
		}
	}
	fires, quiet := testedAlerts(t)
	for _, r := range readRules(t) {
		if r.Alert == "" {
			continue
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
		}
		for _, name := range []string{"summary", "description"} {
			if text := r.Annotations[name]; !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %s is no sentence: %s", r.Alert, name, text)
			}
		}
		if got, want := r.Annotations["runbook_url"], runbooks+"#"+strings.ToLower(r.Alert); got != want {
			t.Errorf("%s: runbook_url %q, want %q", r.Alert, got, want)
		}
		if !sections[r.Alert] {
			t.Errorf("%s has no runbook", r.Alert)
		}
		delete(sections, r.Alert)
		if !fires[r.Alert] || !quiet[r.Alert] {
			t.Errorf("%s: tested when it fires: %v, when it does not: %v", r.Alert, fires[r.Alert], quiet[r.Alert])
		}
	}
	for name := range sections {
		t.Errorf("docs/runbooks.md tells of %s, which does not exist", name)
	}
}

// What rules record is documented.
func TestRecordedSeriesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/dashboards.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readRules(t) {
		if r.Record != "" && !strings.Contains(string(text), "| `"+r.Record+"` |") {
			t.Errorf("docs/dashboards.md does not say what %s is", r.Record)
		}
	}
}

func testedAlerts(t *testing.T) (fires, quiet map[string]bool) {
	t.Helper()
	fires, quiet = make(map[string]bool), make(map[string]bool)
	paths, err := filepath.Glob("*.tests.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		var file struct {
			Tests []struct {
				Cases []struct {
					Alertname string `yaml:"alertname"`
					Expected  []any  `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			} `yaml:"tests"`
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(content, &file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, test := range file.Tests {
			for _, c := range test.Cases {
				if len(c.Expected) > 0 {
					fires[c.Alertname] = true
				} else {
					quiet[c.Alertname] = true
				}
			}
		}
	}
	return fires, quiet
}
