package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/config"
)

var update = flag.Bool("update", false, "write the generated documentation anew")

// docs/metrics.md is made from the catalogue and from nothing else.
func TestMetricsAreDocumented(t *testing.T) {
	var text strings.Builder
	text.WriteString("# Metrics\n\nMade from the catalogue in `collector/` by `go test . -update`; do not edit.\n\n| Name | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n")
	for _, d := range collector.Descriptions() {
		fmt.Fprintf(&text, "| `%s` | %s | %s | %s |\n", d.Name, d.Kind, strings.Join(d.Labels, ", "), d.Help)
	}
	const path = "docs/metrics.md"
	if *update {
		writeFile(t, path, text.String())
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(content), text.String()); diff != "" {
		t.Errorf("%s is not of this catalogue: run go test . -update (-file +catalogue)\n%s", path, diff)
	}
}

// The README lists no metric that does not exist, and every one whose name
// begins with chat_.
func TestReadmeListsTheMetrics(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for line := range strings.Lines(string(readme)) {
		if name, ok := strings.CutPrefix(line, "| `"); ok && strings.Contains(line, "` | server") {
			name, _, _ = strings.Cut(name, "`")
			listed[name] = true
		}
	}
	for _, d := range collector.Descriptions() {
		if strings.HasPrefix(d.Name, "chat_") && !listed[d.Name] {
			t.Errorf("%s is not in the README", d.Name)
		}
		delete(listed, d.Name)
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
