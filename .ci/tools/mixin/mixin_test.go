// Package mixin_test checks packaging/mixin with Jsonnet itself.
package mixin_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-jsonnet"
	"sigs.k8s.io/yaml"
)

type ruleGroups struct {
	Groups []struct {
		Name     string           `json:"name"`
		Interval string           `json:"interval,omitempty"`
		Rules    []map[string]any `json:"rules"`
	} `json:"groups"`
}

type mixin struct {
	Alerts, Rules ruleGroups
	Dashboards    map[string]any
}

// evaluate returns what the mixin gives with such a configuration.
func evaluate(t *testing.T, config string) (m mixin) {
	t.Helper()
	vm := jsonnet.MakeVM()
	vm.Importer(&jsonnet.FileImporter{JPaths: []string{"../../../packaging/mixin"}})
	text, err := vm.EvaluateAnonymousSnippet("test", `
		local m = (import "mixin.libsonnet") + {_config+:: `+config+`};
		{alerts: m.prometheusAlerts, rules: m.prometheusRules, dashboards: m.grafanaDashboards}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// Without a configuration, the mixin has every rule and every dashboard as they
// are in alerts/ and dashboards/.
func TestMixinIsWhatTheFilesAre(t *testing.T) {
	content, err := os.ReadFile("../../../alerts/active_users.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var want ruleGroups
	if err := yaml.Unmarshal(content, &want); err != nil {
		t.Fatal(err)
	}
	m := evaluate(t, "{}")
	found := make(map[string][]map[string]any)
	for _, group := range append(m.Rules.Groups, m.Alerts.Groups...) {
		found[group.Name] = append(found[group.Name], group.Rules...)
	}
	if len(want.Groups) < 3 || len(found) != len(want.Groups) {
		t.Fatalf("%d groups of rules; want %d", len(found), len(want.Groups))
	}
	for _, group := range want.Groups {
		if !reflect.DeepEqual(found[group.Name], group.Rules) {
			t.Errorf("the group %s differs from alerts/", group.Name)
		}
	}
	paths, err := filepath.Glob("../../../dashboards/*.json")
	if err != nil || len(paths) < 4 || len(m.Dashboards) != len(paths) {
		t.Fatalf("%d dashboards in the mixin, %v in the folder, %v", len(m.Dashboards), paths, err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var want any
		if err := json.Unmarshal(content, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(m.Dashboards["active-users-"+filepath.Base(path)], want) {
			t.Errorf("%s differs in the mixin", path)
		}
	}
}

// Each key of the configuration does what it says.
func TestMixinIsConfigurable(t *testing.T) {
	m := evaluate(t, `{exporterSelector: 'job="chat",cluster="a"', runbooksURL: 'https://wiki.example.org/runbooks', alertLabels: {team: 'chat'}, dashboardTags: ['chat'], dashboardTimezone: 'utc'}`)
	alerts := 0
	for _, group := range m.Alerts.Groups {
		for _, rule := range group.Rules {
			alerts++
			name := rule["alert"].(string)
			labels, annotations := rule["labels"].(map[string]any), rule["annotations"].(map[string]any)
			if labels["team"] != "chat" || labels["severity"] == nil {
				t.Errorf("%s has the labels %v", name, labels)
			}
			if want := "https://wiki.example.org/runbooks#" + strings.ToLower(name); annotations["runbook_url"] != want {
				t.Errorf("the runbook of %s is at %v; want %s", name, annotations["runbook_url"], want)
			}
			if name == "ActiveUsersExporterDown" && strings.Count(rule["expr"].(string), `{job="chat",cluster="a"}`) != 2 {
				t.Errorf("%s asks for %s", name, rule["expr"])
			}
		}
	}
	if alerts < 15 {
		t.Errorf("%d alerts; want 15 or more", alerts)
	}
	for name, d := range m.Dashboards {
		d := d.(map[string]any)
		link := d["links"].([]any)[0].(map[string]any)
		if d["timezone"] != "utc" || !reflect.DeepEqual(d["tags"], []any{"chat"}) || !reflect.DeepEqual(link["tags"], []any{"chat"}) {
			t.Errorf("%s: time zone %v, tags %v, tags of the links %v", name, d["timezone"], d["tags"], link["tags"])
		}
	}
}

// Prometheus accepts the rules as they come out.
func TestPromtoolAcceptsTheMixin(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("ACTIVE_USERS_TEST_REQUIRE") != "" {
			t.Fatal("promtool is required here")
		}
		t.Skip("promtool is not installed")
	}
	m := evaluate(t, `{exporterSelector: 'job="chat"'}`)
	for name, groups := range map[string]ruleGroups{"alerts": m.Alerts, "rules": m.Rules} {
		content, err := yaml.Marshal(groups)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), name+".yaml")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(promtool, "check", "rules", "--lint=all", "--lint-fatal", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}
