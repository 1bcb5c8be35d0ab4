package packaging_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/test/must"
)

// A compose is what compose.yaml has; an unknown key is a mistake.
type compose struct {
	Services map[string]composeService `yaml:"services"`
	Volumes  map[string]any            `yaml:"volumes"`
}

type composeService struct {
	Build       string            `yaml:"build"`
	Image       string            `yaml:"image"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	Volumes     []string          `yaml:"volumes"`
	DependsOn   []string          `yaml:"depends_on"`
}

// readCompose reads compose.yaml, in whose folder the test then is.
func readCompose(t *testing.T) (c compose) {
	t.Helper()
	t.Chdir("..")
	decoder := yaml.NewDecoder(strings.NewReader(must.ReadFile(t, "compose.yaml")))
	decoder.KnownFields(true)
	must.Succeed(t, decoder.Decode(&c))
	return c
}

// readPart reads of another program's file what into has keys for.
func readPart(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(must.ReadFile(t, path)), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// outside returns the file or folder of ours that the service sees at a path,
// or nothing; mounts that lie deeper win.
func (s composeService) outside(inside string) (found string) {
	deepest := -1
	for _, volume := range s.Volumes {
		source, rest, _ := strings.Cut(volume, ":")
		target, _, _ := strings.Cut(rest, ":")
		below, ok := strings.CutPrefix(inside, target)
		if ok && (below == "" || below[0] == '/') && len(target) > deepest {
			deepest, found = len(target), source+below
		}
	}
	return found
}

// What compose.yaml mounts is there, read-only, and nothing is open to the
// network.
func TestCompose(t *testing.T) {
	c := readCompose(t)
	pinned := regexp.MustCompile(`^[a-z]+/[a-z]+:v?[0-9]+\.[0-9]+\.[0-9]+$`)
	for name, service := range c.Services {
		if service.Build == "" && !pinned.MatchString(service.Image) {
			t.Errorf("%s: the image %q has no version", name, service.Image)
		}
		for _, port := range service.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s is open to the network: %s", name, port)
			}
		}
		for _, other := range service.DependsOn {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("%s depends on %s, which is not there", name, other)
			}
		}
		for _, volume := range service.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, named := c.Volumes[source]; named {
				continue
			}
			if _, err := os.Stat(source); err != nil || !strings.HasSuffix(volume, ":ro") {
				t.Errorf("%s: %s is not there, or not read-only", name, volume)
			}
		}
	}
}

// What is asked listens, where it is asked.
func TestComposeAddresses(t *testing.T) {
	listens := make(map[string]bool)
	for name, service := range readCompose(t).Services {
		for _, port := range service.Ports {
			listens[name+port[strings.LastIndex(port, ":"):]] = true
		}
	}
	for _, file := range []string{"dashboards/provisioning/prometheus.yml", "dashboards/provisioning/datasources/prometheus.yaml"} {
		asked := regexp.MustCompile(`\b(exporter|alertmanager|prometheus):[0-9]+`).FindAllString(must.ReadFile(t, file), -1)
		if len(asked) == 0 {
			t.Errorf("%s asks nobody", file)
		}
		for _, address := range asked {
			if !listens[address] {
				t.Errorf("%s asks %s, which compose.yaml does not have", file, address)
			}
		}
	}
}

// Every path inside a container that a command, a variable or a mounted file
// names is a mounted file of ours.
func TestComposePaths(t *testing.T) {
	c := readCompose(t)
	present := func(service, inside, pattern string) {
		t.Helper()
		outside := c.Services[service].outside(inside)
		if found, err := filepath.Glob(filepath.Join(outside, pattern)); outside == "" || err != nil || len(found) == 0 {
			t.Errorf("%s looks for %s, where compose.yaml mounts nothing like it", service, path.Join(inside, pattern))
		}
	}
	for name, service := range c.Services {
		for _, argument := range service.Command {
			if file, ok := strings.CutPrefix(argument, "--config.file="); ok {
				present(name, file, "")
			}
		}
	}
	present("grafana", c.Services["grafana"].Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"], "")
	present("grafana", "/etc/grafana/provisioning/datasources", "*.yaml")
	present("grafana", "/etc/grafana/provisioning/dashboards", "*.yaml")

	var provisioning struct {
		Providers []struct {
			Options struct {
				Path string `yaml:"path"`
			} `yaml:"options"`
		} `yaml:"providers"`
	}
	readPart(t, "dashboards/provisioning/dashboards/active_users.yaml", &provisioning)
	for _, provider := range provisioning.Providers {
		present("grafana", provider.Options.Path, "*.json")
	}
	var prometheus struct {
		RuleFiles []string `yaml:"rule_files"`
	}
	readPart(t, "dashboards/provisioning/prometheus.yml", &prometheus)
	for _, rules := range prometheus.RuleFiles {
		present("prometheus", path.Dir(rules), path.Base(rules))
	}
	if len(provisioning.Providers) != 1 || len(prometheus.RuleFiles) != 1 {
		t.Errorf("%d providers of dashboards, %d files of rules", len(provisioning.Providers), len(prometheus.RuleFiles))
	}
}
