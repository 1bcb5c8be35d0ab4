package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"active_users_exporter/collector"
	"active_users_exporter/config"
)

// The README's table of metrics is complete, and lists nothing that does not
// exist.
func TestReadmeListsEveryMetric(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for line := range strings.Lines(string(readme)) {
		if name, ok := strings.CutPrefix(line, "| `chat_"); ok {
			name, _, _ = strings.Cut(name, "`")
			listed["chat_"+name] = true
		}
	}
	descriptions := make(chan *prometheus.Desc, 100)
	collector.New(nil).Describe(descriptions)
	close(descriptions)
	for d := range descriptions {
		_, name, _ := strings.Cut(d.String(), `fqName: "`)
		name, _, _ = strings.Cut(name, `"`)
		if !listed[name] {
			t.Errorf("%s is not in the README", name)
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("%s is in the README and does not exist", name)
	}
}

// The README's configuration file works as it stands.
func TestReadmeConfiguration(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, content, _ := strings.Cut(string(readme), "```yaml\nrefresh_interval")
	content, _, _ = strings.Cut(content, "```")
	path := filepath.Join(t.TempDir(), "active_users.yml")
	writeFile(t, path, "refresh_interval"+content)
	c, err := config.Source{File: path, LookupEnv: os.LookupEnv}.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Servers) != 2 || c.Servers[0].Name != "matrix" || c.Servers[1].Prosody.AdminSocket == "" {
		t.Errorf("%+v", c)
	}
}
