package docs_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/servers"
	"active_users_exporter/config"
	"active_users_exporter/test/must"
	"active_users_exporter/web"
)

var update = flag.Bool("update", false, "write the generated documentation anew")

// docs/metrics.md is made from the catalogue and from nothing else.
func TestMetricsAreDocumented(t *testing.T) {
	var text strings.Builder
	text.WriteString("# Metrics\n\nMade from the catalogue in `collector/` by `go test ./docs -update`; do not edit.\n\n| Name | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n")
	for _, d := range web.Descriptions(servers.Kinds()) {
		fmt.Fprintf(&text, "| `%s` | %s | %s | %s |\n", d.Name, d.Kind, strings.Join(d.Labels, ", "), d.Help)
	}
	const path = "metrics.md"
	if *update {
		must.WriteFile(t, path, text.String())
	}
	if diff := cmp.Diff(must.ReadFile(t, path), text.String()); diff != "" {
		t.Errorf("%s is not of this catalogue: run go test ./docs -update (-file +catalogue)\n%s", path, diff)
	}
}

// The README lists no metric that does not exist, and every one whose name
// begins with chat_.
func TestReadmeListsTheMetrics(t *testing.T) {
	readme := must.ReadFile(t, "../README.md")
	listed := make(map[string]bool)
	for line := range strings.Lines(readme) {
		if name, ok := strings.CutPrefix(line, "| `"); ok && strings.Contains(line, "` | server") {
			name, _, _ = strings.Cut(name, "`")
			listed[name] = true
		}
	}
	for _, d := range web.Descriptions(servers.Kinds()) {
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
	readme := must.ReadFile(t, "../README.md")
	_, content, _ := strings.Cut(readme, "```yaml\nrefresh_interval")
	content, _, _ = strings.Cut(content, "```")
	path := filepath.Join(t.TempDir(), "active_users.yml")
	must.WriteFile(t, path, "refresh_interval"+content)
	c, err := config.Source{File: path, LookupEnv: os.LookupEnv}.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Servers) != 2 || c.Servers[0].Name != "matrix" || c.Servers[1].Source.(prosody.Options).AdminSocket == "" {
		t.Errorf("%+v", c)
	}
}
