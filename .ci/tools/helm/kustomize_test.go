package helm_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// build does what kubectl kustomize does, with an overlay of the base and the
// components.
func build(t *testing.T, components ...string) objects {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "overlay")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	relative := func(path string) string {
		found, err := filepath.Rel(folder, filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	overlay := "resources: [" + relative("packaging/kubernetes") + "]\n"
	if len(components) > 0 {
		overlay += "components:\n"
	}
	for _, component := range components {
		overlay += "  - " + relative(component) + "\n"
	}
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(overlay), 0o600); err != nil {
		t.Fatal(err)
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	found, err := decode(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestKustomizeBase(t *testing.T) {
	found := build(t)
	found.check(t)
	if len(found.services) != 1 || len(found.claims) != 1 || len(found.policies) != 1 || len(found.secrets) != 1 {
		t.Errorf("%d services, %d claims, %d network policies, %d secrets; want 1 each", len(found.services), len(found.claims), len(found.policies), len(found.secrets))
	}
	// The name has a checksum, so that a change starts the pod again.
	if name := found.configMaps[0].Name; !strings.HasPrefix(name, "active-users-exporter-") {
		t.Errorf("the ConfigMap is called %s", name)
	}
}

func TestKustomizeComponents(t *testing.T) {
	found := build(t, "packaging/kubernetes/components/receiver", "packaging/kubernetes/components/prometheus-operator", "dashboards")
	found.check(t)
	if len(found.services) != 2 || len(found.ingresses) != 1 || len(found.monitors) != 1 || len(found.rules) != 1 {
		t.Errorf("%d services, %d ingresses, %d ServiceMonitors, %d PrometheusRules; want 2, 1, 1 and 1", len(found.services), len(found.ingresses), len(found.monitors), len(found.rules))
	}
	if args := found.deployment(t).Spec.Template.Spec.Containers[0].Args; !slices.Contains(args, "--reports.listen-address=:10053") {
		t.Errorf("the exporter does not receive: %v", args)
	}
	found.checkDashboards(t)
}

// The PrometheusRule for kustomize is made of alerts/. After a change there, run
// UPDATE_RULES=1 go test -C .ci/tools/helm -run PrometheusRule .
func TestPrometheusRuleIsThatOfTheRules(t *testing.T) {
	const path = "../../../packaging/kubernetes/components/prometheus-operator/prometheusrule.yaml"
	rules, err := os.ReadFile("../../../alerts/active_users.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE_RULES") != "" {
		indented := strings.ReplaceAll("  "+strings.TrimRight(string(rules), "\n"), "\n", "\n  ")
		indented = strings.ReplaceAll(indented, "\n  \n", "\n\n")
		head := "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: active-users-exporter\n  labels: {app.kubernetes.io/name: active-users-exporter}\nspec:\n"
		if err := os.WriteFile(path, []byte(head+indented+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var want, got monitoringv1.PrometheusRule
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(content, &got); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(rules, &want.Spec); err != nil {
		t.Fatal(err)
	}
	if len(want.Spec.Groups) == 0 || !reflect.DeepEqual(want.Spec, got.Spec) {
		t.Errorf("%s differs from alerts/active_users.rules.yml; UPDATE_RULES=1 writes it", path)
	}
}

// The checks find mistakes, or the tests above would prove nothing.
func TestMistakesAreFound(t *testing.T) {
	good := "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports: [{name: metrics, port: 80}]\n"
	if _, err := decode(good); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{{"ports", "portz"}, {"80", `"eighty"`}, {"v1", "v9"}, {"name: a", "name: A_b"}, {"spec:", "spec: {}\nspec:"}} {
		if _, err := decode(strings.Replace(good, change[0], change[1], 1)); err == nil {
			t.Errorf("%s in place of %s is accepted", change[1], change[0])
		}
	}
}
