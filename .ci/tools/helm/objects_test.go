// Package helm_test checks what the Helm chart and the kustomize base give to
// Kubernetes, with the libraries of Helm and kustomize and with the Go types of
// Kubernetes and the Prometheus Operator.
package helm_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
)

// objects are what one rendering gives to Kubernetes, by kind.
type objects struct {
	deployments []*appsv1.Deployment
	services    []*corev1.Service
	configMaps  []*corev1.ConfigMap
	secrets     []*corev1.Secret
	claims      []*corev1.PersistentVolumeClaim
	accounts    []*corev1.ServiceAccount
	ingresses   []*networkingv1.Ingress
	policies    []*networkingv1.NetworkPolicy
	monitors    []*monitoringv1.ServiceMonitor
	rules       []*monitoringv1.PrometheusRule
	others      []runtime.Object
}

var separator = regexp.MustCompile(`(?m)^---$`)

// decode reads the documents strictly: a key that the type of the object does
// not have, a key that is there twice and a value of the wrong type are errors.
func decode(text string) (found objects, err error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, monitoringv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return found, err
		}
	}
	reader := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	names := make(map[string]bool)
	for _, document := range separator.Split(text, -1) {
		if strings.TrimSpace(regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(document, "")) == "" {
			continue
		}
		object, kind, err := reader.Decode([]byte(document), nil, nil)
		if err != nil {
			return found, fmt.Errorf("%w in:\n%s", err, document)
		}
		about, err := meta.Accessor(object)
		if err != nil {
			return found, err
		}
		name := kind.Kind + "/" + about.GetName()
		if problems := validation.IsDNS1123Subdomain(about.GetName()); len(problems) > 0 || names[name] {
			return found, fmt.Errorf("the name of %s is not valid, or there twice: %v", name, problems)
		}
		names[name] = true
		for label, value := range about.GetLabels() {
			if problems := append(validation.IsQualifiedName(label), validation.IsValidLabelValue(value)...); len(problems) > 0 {
				return found, fmt.Errorf("the label %s=%s of %s: %v", label, value, name, problems)
			}
		}
		found.add(object)
	}
	return found, nil
}

func (o *objects) add(object runtime.Object) {
	switch object := object.(type) {
	case *appsv1.Deployment:
		o.deployments = append(o.deployments, object)
	case *corev1.Service:
		o.services = append(o.services, object)
	case *corev1.ConfigMap:
		o.configMaps = append(o.configMaps, object)
	case *corev1.Secret:
		o.secrets = append(o.secrets, object)
	case *corev1.PersistentVolumeClaim:
		o.claims = append(o.claims, object)
	case *corev1.ServiceAccount:
		o.accounts = append(o.accounts, object)
	case *networkingv1.Ingress:
		o.ingresses = append(o.ingresses, object)
	case *networkingv1.NetworkPolicy:
		o.policies = append(o.policies, object)
	case *monitoringv1.ServiceMonitor:
		o.monitors = append(o.monitors, object)
	case *monitoringv1.PrometheusRule:
		o.rules = append(o.rules, object)
	default:
		o.others = append(o.others, object)
	}
}

func (o objects) deployment(t *testing.T) *appsv1.Deployment {
	t.Helper()
	if len(o.deployments) != 1 || len(o.deployments[0].Spec.Template.Spec.Containers) != 1 {
		t.Fatalf("%d deployments; want 1 with one container", len(o.deployments))
	}
	return o.deployments[0]
}

// selects reports whether the labels have everything that is selected.
func selects(selector, labels map[string]string) bool {
	for name, value := range selector {
		if labels[name] != value {
			return false
		}
	}
	return len(selector) > 0
}

// check checks what holds for every way of installing the exporter.
func (o objects) check(t *testing.T) {
	t.Helper()
	if len(o.others) > 0 {
		t.Errorf("objects that nobody checks: %v", o.others)
	}
	d := o.deployment(t)
	o.checkHardened(t, d)
	o.checkVolumes(t, d)
	ports := make(map[string]bool)
	for _, port := range d.Spec.Template.Spec.Containers[0].Ports {
		ports[port.Name] = true
	}
	labels := d.Spec.Template.Labels
	if !selects(d.Spec.Selector.MatchLabels, labels) {
		t.Errorf("the deployment selects %v, and its pods have %v", d.Spec.Selector.MatchLabels, labels)
	}
	served := make(map[string]bool) // names of ports of services
	for _, service := range o.services {
		if !selects(service.Spec.Selector, labels) {
			t.Errorf("the service %s selects %v, and the pods have %v", service.Name, service.Spec.Selector, labels)
		}
		for _, port := range service.Spec.Ports {
			served[service.Name+":"+port.Name] = true
			if port.TargetPort.Type != intstr.String || !ports[port.TargetPort.StrVal] {
				t.Errorf("the service %s leads to the port %s, which the container does not have: %v", service.Name, port.TargetPort.String(), ports)
			}
		}
	}
	for _, policy := range o.policies {
		open := make(map[string]bool)
		for _, rule := range policy.Spec.Ingress {
			for _, port := range rule.Ports {
				open[port.Port.StrVal] = true
			}
		}
		if !selects(policy.Spec.PodSelector.MatchLabels, labels) || !maps.Equal(open, ports) {
			t.Errorf("the network policy of %v opens the ports %v; want those of the pod, %v", policy.Spec.PodSelector.MatchLabels, open, ports)
		}
	}
	for _, ingress := range o.ingresses {
		for _, rule := range ingress.Spec.Rules {
			for _, path := range rule.HTTP.Paths {
				if backend := path.Backend.Service; !served[backend.Name+":"+backend.Port.Name] {
					t.Errorf("the ingress leads to the service %s, port %s, which is not there: %v", backend.Name, backend.Port.Name, served)
				}
			}
		}
	}
	o.checkMonitoring(t)
}

// checkHardened checks that the pod may do nothing that it does not need.
func (o objects) checkHardened(t *testing.T, d *appsv1.Deployment) {
	t.Helper()
	pod := d.Spec.Template.Spec
	c := pod.Containers[0]
	if s := pod.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser == 0 || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the pod's security context: %+v", s)
	}
	if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
		t.Errorf("the container's security context: %+v", s)
	}
	if a := pod.AutomountServiceAccountToken; a == nil || *a {
		t.Error("the pod has a token for Kubernetes' API")
	}
	if c.ReadinessProbe == nil || c.LivenessProbe == nil || c.ReadinessProbe.HTTPGet.Path != "/-/ready" || c.LivenessProbe.HTTPGet.Path != "/-/healthy" {
		t.Error("the probes are missing, or ask for other pages")
	}
	if c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
		t.Error("the container has no request or no limit of memory")
	}
	account := pod.ServiceAccountName
	if account != "default" && !slices.ContainsFunc(o.accounts, func(a *corev1.ServiceAccount) bool { return a.Name == account }) {
		t.Errorf("the service account %q is not there", account)
	}
}

// checkVolumes checks that each mount has its volume, and each volume its object.
func (o objects) checkVolumes(t *testing.T, d *appsv1.Deployment) {
	t.Helper()
	volumes := make(map[string]corev1.Volume)
	for _, volume := range d.Spec.Template.Spec.Volumes {
		volumes[volume.Name] = volume
	}
	mounts := make(map[string]string)
	for _, mount := range d.Spec.Template.Spec.Containers[0].VolumeMounts {
		mounts[mount.MountPath] = mount.Name
		if _, ok := volumes[mount.Name]; !ok {
			t.Errorf("%s is mounted from the volume %s, which is not there", mount.MountPath, mount.Name)
		}
	}
	file := volumes[mounts["/etc/active_users_exporter"]].ConfigMap
	if file == nil || !slices.ContainsFunc(o.configMaps, func(c *corev1.ConfigMap) bool { return c.Name == file.Name && c.Data["active_users.yml"] != "" }) {
		t.Errorf("the configuration is not in a ConfigMap that is there: %+v", file)
	}
	for _, argument := range d.Spec.Template.Spec.Containers[0].Args {
		if folder, ok := strings.CutPrefix(argument, "--storage.path="); ok && folder != "" && volumes[mounts[folder]].PersistentVolumeClaim == nil {
			t.Errorf("%s: no claim is mounted there", argument)
		}
	}
}

// checkMonitoring checks that the Prometheus Operator finds the metrics under the
// job that the rules expect.
func (o objects) checkMonitoring(t *testing.T) {
	t.Helper()
	for _, monitor := range o.monitors {
		var found []string
		for _, service := range o.services {
			if selects(monitor.Spec.Selector.MatchLabels, service.Labels) {
				found = append(found, service.Spec.Ports[0].Name)
			}
		}
		if endpoints := monitor.Spec.Endpoints; len(endpoints) != 1 || !slices.Equal(found, []string{endpoints[0].Port}) {
			t.Errorf("the ServiceMonitor asks for the ports of %+v, and selects services with the ports %v", endpoints, found)
		}
		if r := monitor.Spec.Endpoints[0].RelabelConfigs; len(r) != 1 || r[0].TargetLabel != "job" || r[0].Replacement == nil || *r[0].Replacement != "active_users" {
			t.Errorf("the ServiceMonitor does not call the job active_users: %+v", r)
		}
	}
}

// checkDashboards checks that there is a ConfigMap for each dashboard, as Grafana's
// sidecar looks for it.
func (o objects) checkDashboards(t *testing.T) {
	t.Helper()
	paths, err := filepath.Glob("../../../dashboards/*.json")
	if err != nil || len(paths) < 4 {
		t.Fatalf("the dashboards are %v, %v", paths, err)
	}
	found := make(map[string]string)
	for _, c := range o.configMaps {
		if c.Labels["grafana_dashboard"] == "1" {
			maps.Copy(found, c.Data)
		}
	}
	for _, path := range paths {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := found["active-users-"+filepath.Base(path)]; strings.TrimSpace(got) != strings.TrimSpace(string(want)) {
			t.Errorf("the dashboard %s is not in a ConfigMap, or is another one", path)
		}
	}
	if len(found) != len(paths) {
		t.Errorf("%d dashboards in ConfigMaps; want %d", len(found), len(paths))
	}
}
