// Package prometheus_test tries the examples of scraping in a real Prometheus.
package prometheus_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// Each example finds the exporter, and the rules that stand beside it raise no
// alert. Once the exporter is gone, the alert about that fires: with another name
// of the job it would fire for ever, or never.
func TestScrapeExamples(t *testing.T) {
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		dbtest.Missing(t, "prometheus is not installed")
	}
	program := filepath.Join(t.TempDir(), "exporter")
	if out, err := exec.Command("go", "build", "-o", program, "../..").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	examples := map[string]func(t *testing.T, text, address, folder string) string{
		"scrape.yml": func(t *testing.T, text, address, _ string) string {
			return replace(t, text, "localhost:10052", address)
		},
		"scrape-tls.yml": func(t *testing.T, text, address, folder string) string {
			return replace(t, text, "exporter.example.org:10052", address, "/etc/prometheus/", folder+"/")
		},
		"scrape-files.yml": func(t *testing.T, text, address, folder string) string {
			must.WriteFile(t, filepath.Join(folder, "chat.yml"), "- targets: ['"+address+"']\n")
			return replace(t, text, "/etc/prometheus/active_users/", folder+"/")
		},
		"scrape-kubernetes.yml": func(t *testing.T, text, address, folder string) string {
			return replace(t, text, "kubernetes_sd_configs:\n      - role: endpoints\n", discovered(t, address, folder))
		},
		"../../README.md": func(t *testing.T, text, address, _ string) string {
			return replace(t, scrapeConfigs(t, text), "localhost:10052", address)
		},
		"../../dashboards/provisioning/prometheus.yml": func(t *testing.T, text, address, _ string) string {
			return replace(t, scrapeConfigs(t, text), "exporter:10052", address)
		},
	}
	for _, file := range must.Get(filepath.Glob("*.yml"))(t) {
		if examples[file] == nil {
			t.Errorf("%s is not tried", file)
		}
	}
	for file := range examples {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			exporter, address := startExporter(t, program, folder, file == "scrape-tls.yml")
			text := examples[file](t, must.ReadFile(t, file), address, folder)
			api := startPrometheus(t, prometheus, text)
			eventually(t, "the exporter is up", func() bool { return api.value("up") == "1" })
			eventually(t, "the figures arrive", func() bool { return api.value("chat_server_up") == "1" })
			// Rules without anything to wait for: what is wrong fires at once.
			evaluated := time.Now()
			eventually(t, "every rule is evaluated twice", func() bool { return api.evaluatedSince(evaluated) })
			if alerts := api.alerts(); len(alerts) > 0 {
				t.Errorf("alerts fire, though nothing is wrong: %v", alerts)
			}
			must.Succeed(t, exporter.Process.Kill())
			eventually(t, "ActiveUsersExporterDown fires", func() bool {
				alerts := api.alerts()
				return len(alerts) == 1 && alerts[0] == "ActiveUsersExporterDown"
			})
		})
	}
}

// scrapeConfigs returns the part of a text that begins with the only line
// scrape_configs and is indented like it, or further.
func scrapeConfigs(t *testing.T, text string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^( *)scrape_configs:\n(?: +.*\n)+`).FindAllStringSubmatch(text, -1)
	if len(found) != 1 {
		t.Fatalf("there are %d scrape_configs", len(found))
	}
	part, _, _ := strings.Cut(found[0][0], "```")
	return regexp.MustCompile("(?m)^"+found[0][1]).ReplaceAllString(part, "")
}

// replace replaces each pair, which must occur.
func replace(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the example does not contain %s", pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// startExporter runs the exporter, with a Prosody in which one account was
// active a minute ago, until the test ends.
func startExporter(t *testing.T, program, folder string, tls bool) (exporter *exec.Cmd, address string) {
	t.Helper()
	records := filepath.Join(t.TempDir(), "example%2eorg")
	for _, store := range []string{"accounts", "lastlog2"} {
		must.Succeed(t, os.MkdirAll(filepath.Join(records, store), 0o700))
	}
	must.WriteFile(t, filepath.Join(records, "accounts/ada.dat"), `return { ["password"] = "secret"; };`)
	must.WriteFile(t, filepath.Join(records, "lastlog2/ada.dat"), fmt.Sprintf(`return { ["login"] = { ["timestamp"] = %d; }; };`, time.Now().Unix()-60))
	address = freeAddress(t)
	arguments := []string{"--server=prosody=" + filepath.Dir(records), "--storage.path=" + t.TempDir(), "--web.listen-address=" + address}
	if tls {
		must.WriteCertificate(t, filepath.Join(folder, "active_users_ca.crt"), filepath.Join(folder, "key.pem"))
		must.WriteFile(t, filepath.Join(folder, "active_users_password"), "secret\n")
		web := filepath.Join(folder, "web.yml")
		must.WriteFile(t, web, "tls_server_config: {cert_file: active_users_ca.crt, key_file: key.pem}\n"+
			"basic_auth_users: {prometheus: $2a$04$cWaO189CnIh/7NzX/LFrcemqSVXfKQO6q3oEkgtnFTVqPTYRUipQe}\n") // secret
		arguments = append(arguments, "--web.config.file="+web)
	}
	return start(t, program, arguments...), address
}

// start runs a program until the test ends; what it said is shown if the test
// fails.
func start(t *testing.T, program string, arguments ...string) *exec.Cmd {
	t.Helper()
	var output bytes.Buffer
	command := exec.Command(program, arguments...)
	command.Stdout, command.Stderr = &output, &output
	must.Succeed(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may have ended
		_ = command.Wait()
		if t.Failed() {
			t.Log(output.String())
		}
	})
	return command
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener := must.Get(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// A prometheus is the API of a running one.
type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus runs Prometheus with the example and the rules, every second,
// and with alerts that fire at once.
func startPrometheus(t *testing.T, program, example string) prometheus {
	t.Helper()
	folder := t.TempDir()
	rules := must.ReadFile(t, "../../alerts/active_users.rules.yml")
	hurried := regexp.MustCompile(`(?m)^( +)(for|interval): .*$`).ReplaceAllString(rules, "${1}${2}: 1s")
	if hurried == rules {
		t.Fatal("the rules wait for nothing")
	}
	must.WriteFile(t, filepath.Join(folder, "rules.yml"), hurried)
	example = regexp.MustCompile(`(?m)^ +scrape_interval: .*$`).ReplaceAllString(example, "    scrape_interval: 1s")
	file := filepath.Join(folder, "prometheus.yml")
	must.WriteFile(t, file, "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\n"+example)
	address := freeAddress(t)
	start(t, program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(folder, "tsdb"), "--web.listen-address="+address)
	return prometheus{t, "http://" + address + "/api/v1/"}
}

// get reads an answer, and reports whether there was one.
func (p prometheus) get(path string, into any) bool {
	request := must.Get(http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+path, nil))(p.t)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode == http.StatusOK && json.NewDecoder(response.Body).Decode(into) == nil
}

// value returns the value of the only series of that name that the job
// active_users has, or nothing.
func (p prometheus) value(name string) string {
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if !p.get(`query?query=`+name+`{job="active_users"}`, &answer) || len(answer.Data.Result) != 1 {
		return ""
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1])
}

// evaluatedSince reports whether every group of rules was evaluated two seconds
// after that moment or later, without an error.
func (p prometheus) evaluatedSince(moment time.Time) bool {
	var answer struct {
		Data struct {
			Groups []struct {
				LastEvaluation time.Time
				Rules          []struct{ Health string }
			}
		}
	}
	if !p.get("rules", &answer) || len(answer.Data.Groups) == 0 {
		return false
	}
	for _, group := range answer.Data.Groups {
		if group.LastEvaluation.Before(moment.Add(2 * time.Second)) {
			return false
		}
		for _, rule := range group.Rules {
			if rule.Health != "ok" {
				return false
			}
		}
	}
	return true
}

// alerts returns the names of the alerts that fire or will fire.
func (p prometheus) alerts() (names []string) {
	var answer struct {
		Data struct {
			Alerts []struct{ Labels map[string]string }
		}
	}
	if !p.get("alerts", &answer) {
		p.t.Error("Prometheus does not answer")
	}
	for _, alert := range answer.Data.Alerts {
		names = append(names, alert.Labels["alertname"])
	}
	return names
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for range 300 {
		if condition() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("it does not come to this: " + what)
}

// discovered writes what Prometheus finds in Kubernetes, where its only service is
// that of packaging/kubernetes and has an endpoint of that address for each port.
// Debian's Prometheus is built without Kubernetes: files give it the same labels.
func discovered(t *testing.T, address, folder string) (sd string) {
	t.Helper()
	var service struct {
		Metadata struct{ Labels, Annotations map[string]string }
		Spec     struct{ Ports []struct{ Name string } }
	}
	must.Succeed(t, yaml.Unmarshal([]byte(must.ReadFile(t, "../kubernetes/service.yaml")), &service))
	var groups []map[string]any
	for _, port := range service.Spec.Ports {
		labels := map[string]string{"__meta_kubernetes_namespace": "chat", "__meta_kubernetes_endpoint_port_name": port.Name}
		name := regexp.MustCompile(`[^a-zA-Z0-9]`)
		for label, value := range service.Metadata.Labels {
			labels["__meta_kubernetes_service_label_"+name.ReplaceAllString(label, "_")] = value
		}
		for annotation, value := range service.Metadata.Annotations {
			labels["__meta_kubernetes_service_annotation_"+name.ReplaceAllString(annotation, "_")] = value
		}
		groups = append(groups, map[string]any{"targets": []string{address}, "labels": labels})
	}
	file := filepath.Join(folder, "discovered.json")
	must.WriteFile(t, file, string(must.Get(json.Marshal(groups))(t)))
	return "file_sd_configs:\n      - files: [" + file + "]\n"
}
