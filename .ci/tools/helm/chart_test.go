package helm_test

import (
	"io"
	"log"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"sigs.k8s.io/yaml"
)

const chartFolder = "../../../packaging/helm/active-users-exporter"

// Cases are values that people have, and what they must lead to.
var cases = map[string]struct {
	values string
	check  func(*testing.T, objects)
}{
	"nothing is set": {values: `{}`, check: func(t *testing.T, o objects) {
		if len(o.services) != 1 || len(o.claims) != 1 || len(o.policies) != 1 || len(o.ingresses)+len(o.monitors)+len(o.rules)+len(o.secrets) != 0 {
			t.Errorf("services %d, claims %d, network policies %d, others; want 1 of each and nothing else", len(o.services), len(o.claims), len(o.policies))
		}
	}},
	"Synapse with an existing secret, metrics for the operator, dashboards": {values: `
config: {servers: [{name: matrix, software: synapse, from: "postgres://exporter@db/synapse", password_file: /secrets/synapse}]}
existingSecret: chat
serviceMonitor: {enabled: true, labels: {release: prometheus}}
prometheusRule: {enabled: true, labels: {release: prometheus}}
dashboards: {enabled: true, annotations: {grafana_folder: Chat}}
networkPolicy: {metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}
`, check: func(t *testing.T, o objects) {
		if len(o.monitors) != 1 || len(o.rules) != 1 || o.monitors[0].Labels["release"] != "prometheus" || o.rules[0].Labels["release"] != "prometheus" {
			t.Errorf("%d ServiceMonitors, %d PrometheusRules; want 1 each, with their labels", len(o.monitors), len(o.rules))
		}
		o.checkDashboards(t)
		for _, c := range o.configMaps {
			if c.Labels["grafana_dashboard"] != "" && c.Annotations["grafana_folder"] != "Chat" {
				t.Errorf("the dashboard %s has the annotations %v", c.Name, c.Annotations)
			}
		}
		if volumes := o.deployment(t).Spec.Template.Spec.Volumes; volumes[len(volumes)-1].Secret.SecretName != "chat" {
			t.Errorf("the secret is not mounted: %+v", volumes)
		}
		if p := o.policies[0].Spec; len(p.PolicyTypes) != 2 || len(p.Egress) != 2 || len(p.Ingress[0].From) != 1 {
			t.Errorf("the network policy: %+v", p)
		}
	}},
	"a receiver behind an ingress": {values: `
config: {reports: {tokens: [{token_file: /secrets/push}]}}
existingSecret: chat
receiver: {enabled: true, service: {port: 80}, ingress: {enabled: true, className: nginx, hosts: [{host: reports.example.org}], tls: [{hosts: [reports.example.org], secretName: tls}]}}
serviceMonitor: {enabled: true}
`, check: func(t *testing.T, o objects) {
		if len(o.services) != 2 || len(o.ingresses) != 1 {
			t.Fatalf("%d services, %d ingresses; want 2 and 1", len(o.services), len(o.ingresses))
		}
		if args := o.deployment(t).Spec.Template.Spec.Containers[0].Args; !slices.Contains(args, "--reports.listen-address=:10053") {
			t.Errorf("the exporter does not receive: %v", args)
		}
	}},
	"replicas share a database": {values: `
replicas: 3
storage: {kind: postgresql, postgresql: {path: "postgres://exporter@db/active_users", keyFile: /secrets/key}}
existingSecret: chat
receiver: {enabled: true}
`, check: func(t *testing.T, o objects) {
		if d := o.deployment(t); len(o.claims) != 0 || *d.Spec.Replicas != 3 || d.Spec.Strategy.Type != "RollingUpdate" {
			t.Errorf("%d claims, %+v", len(o.claims), d.Spec.Strategy)
		}
		if text := o.configMaps[0].Data["active_users.yml"]; !strings.Contains(text, "key_file: /secrets/key") || !strings.Contains(text, "path: postgres://exporter@db/active_users") {
			t.Errorf("the configuration does not name the database: %s", text)
		}
	}},
	"nothing is stored, and much is of one's own": {values: `
storage: {kind: none}
fullnameOverride: chat-users
podSecurityContext: {supplementalGroups: [103]}
extraArgs: ["--log.format=json"]
extraEnv: [{name: TZ, value: UTC}]
extraVolumes: [{name: prosody, persistentVolumeClaim: {claimName: prosody}}]
extraVolumeMounts: [{name: prosody, mountPath: /var/lib/prosody, readOnly: true}]
serviceAccount: {create: false}
networkPolicy: {enabled: false}
podLabels: {team: chat}
podAnnotations: {a: b}
nodeSelector: {kubernetes.io/arch: arm64}
tolerations: [{operator: Exists}]
imagePullSecrets: [{name: registry}]
priorityClassName: low
`, check: func(t *testing.T, o objects) {
		d := o.deployment(t)
		if d.Name != "chat-users" || len(o.claims)+len(o.policies)+len(o.accounts) != 0 || d.Spec.Template.Spec.SecurityContext.SupplementalGroups[0] != 103 {
			t.Errorf("%s, %d claims, %+v", d.Name, len(o.claims), d.Spec.Template.Spec.SecurityContext)
		}
	}},
	"an existing claim": {values: `{storage: {volume: {existingClaim: old}}}`, check: func(t *testing.T, o objects) {
		if len(o.claims) != 0 {
			t.Error("there is a claim beside the existing one")
		}
	}},
}

func values(t *testing.T, text string) map[string]any {
	t.Helper()
	read := make(map[string]any)
	if err := yaml.UnmarshalStrict([]byte(text), &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// render does what helm template does.
func render(set map[string]any) (string, error) {
	log.SetOutput(io.Discard) // it names each link that it follows
	chart, err := loader.LoadDir(chartFolder)
	if err != nil {
		return "", err
	}
	all, err := chartutil.ToRenderValues(chart, set, chartutil.ReleaseOptions{Name: "chat", Namespace: "chat", IsInstall: true}, nil)
	if err != nil {
		return "", err
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".yaml") {
			text.WriteString("---\n" + files[name] + "\n")
		}
	}
	return text.String(), nil
}

func rendered(t *testing.T, set map[string]any) objects {
	t.Helper()
	text, err := render(set)
	if err != nil {
		t.Fatal(err)
	}
	found, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestChartRendersValidObjects(t *testing.T) {
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			found := rendered(t, values(t, c.values))
			found.check(t)
			c.check(t, found)
		})
	}
}

func TestHelmLintFindsNothing(t *testing.T) {
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, message := range lint.All(chartFolder, values(t, c.values), "chat", true).Messages {
				if message.Severity > support.InfoSev {
					t.Error(message)
				}
			}
		})
	}
}

// Values that make no sense are refused, with words that say why.
func TestChartRefusesMistakes(t *testing.T) {
	for text, want := range map[string]string{
		`{replicas: 2}`:                                         "more than one replica needs storage.kind postgresql",
		`{storage: {kind: postgresql}}`:                         "storage.postgresql.path is needed",
		`{storage: {kind: none}, receiver: {enabled: true}}`:    "the receiver stores what it receives",
		`{receiver: {enabled: true, ingress: {enabled: true}}}`: "receiver.ingress.hosts is needed",
		`{storage: {kind: file}}`:                               "kind",
		`{serviceMonitors: {enabled: true}}`:                    "serviceMonitors",
		`{prometheusRule: {runbooksURL: docs/runbooks.md}}`:     "runbooksURL",
	} {
		t.Run(text, func(t *testing.T) {
			if _, err := render(values(t, text)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the error is %v; want one with %q", err, want)
			}
		})
	}
}

// A changed configuration starts the pod again; nothing else does.
func TestChecksumFollowsTheConfiguration(t *testing.T) {
	sum := func(text string) string {
		return rendered(t, values(t, text)).deployment(t).Spec.Template.Annotations["checksum/config"]
	}
	one, other, monitored := sum(`{config: {windows: [1d]}}`), sum(`{config: {windows: [7d]}}`), sum(`{config: {windows: [1d]}, serviceMonitor: {enabled: true}}`)
	if one == "" || one == other || one != monitored {
		t.Errorf("checksums %s, of another configuration %s, with a ServiceMonitor %s", one, other, monitored)
	}
}

// The rules in the chart are those of alerts/, with the address of the runbooks if
// it is given.
func TestChartHasTheRules(t *testing.T) {
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`)
	content, err := os.ReadFile("../../../alerts/active_users.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, m := range alerts.FindAllStringSubmatch(string(content), -1) {
		want = append(want, m[1])
	}
	found := rendered(t, values(t, `{prometheusRule: {enabled: true, runbooksURL: "https://wiki.example.org/runbooks"}}`))
	for _, group := range found.rules[0].Spec.Groups {
		for _, rule := range group.Rules {
			if rule.Alert == "" {
				continue
			}
			got = append(got, rule.Alert)
			if url := rule.Annotations["runbook_url"]; url != "https://wiki.example.org/runbooks#"+strings.ToLower(rule.Alert) {
				t.Errorf("the runbook of %s is at %s", rule.Alert, url)
			}
		}
	}
	if len(want) < 10 || !slices.Equal(got, want) {
		t.Errorf("the chart has the alerts %v; want %v", got, want)
	}
}

// Every example of values in the documentation renders.
func TestDocumentedValuesRender(t *testing.T) {
	content, err := os.ReadFile("../../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(# values.*?)```").FindAllStringSubmatch(string(content), -1)
	if len(examples) < 3 {
		t.Fatalf("docs/kubernetes.md has %d examples of values; want 3 or more", len(examples))
	}
	for _, example := range examples {
		found := rendered(t, values(t, example[1]))
		found.check(t)
	}
}
