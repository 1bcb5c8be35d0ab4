package docs_test

import (
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/servers"
	"active_users_exporter/test/must"
	"active_users_exporter/web"
)

var update = flag.Bool("update", false, "write the generated documentation")

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

// docs/definitions.md lists no metric that does not exist, and every one whose name
// begins with chat_.
func TestDefinitionsListTheMetrics(t *testing.T) {
	definitions := must.ReadFile(t, "definitions.md")
	listed := make(map[string]bool)
	for line := range strings.Lines(definitions) {
		if name, ok := strings.CutPrefix(line, "| `"); ok && strings.Contains(line, "` | server") {
			name, _, _ = strings.Cut(name, "`")
			listed[name] = true
		}
	}
	for _, d := range web.Descriptions(servers.Kinds()) {
		if strings.HasPrefix(d.Name, "chat_") && !listed[d.Name] {
			t.Errorf("%s is not in docs/definitions.md", d.Name)
		}
		delete(listed, d.Name)
	}
	for name := range listed {
		t.Errorf("%s is in docs/definitions.md and does not exist", name)
	}
}

// What the README shows exists, and its samples have the labels of the metric.
func TestReadmeShowsMetricsThatExist(t *testing.T) {
	labels := make(map[string][]string)
	for _, d := range web.Descriptions(servers.Kinds()) {
		labels[d.Name] = d.Labels
	}
	readme := must.ReadFile(t, "../README.md")
	for _, name := range regexp.MustCompile(`\bchat_[a-z0-9_]+`).FindAllString(readme, -1) {
		if _, exists := labels[name]; !exists {
			t.Errorf("%s is in the README and does not exist", name)
		}
	}
	samples := regexp.MustCompile(`(?m)^(chat_\w+)\{(.*)\} [0-9.]+$`).FindAllStringSubmatch(readme, -1)
	for _, sample := range samples {
		for _, label := range regexp.MustCompile(`(\w+)=`).FindAllStringSubmatch(sample[2], -1) {
			if !slices.Contains(labels[sample[1]], label[1]) {
				t.Errorf("%s has no label %s", sample[1], label[1])
			}
		}
	}
	if len(samples) < 5 {
		t.Errorf("the README shows %d samples; want 5 or more", len(samples))
	}
}

// The versions that the README calls tested are those that were compared last.
func TestReadmeNamesTheTestedVersions(t *testing.T) {
	_, supported, _ := strings.Cut(must.ReadFile(t, "../README.md"), "## Supported servers")
	_, live, _ := strings.Cut(must.ReadFile(t, "reliability.md"), "<!-- live: begin -->")
	live, _, _ = strings.Cut(live, "<!-- live: end -->")
	compared := 0
	for _, row := range regexp.MustCompile(`(?m)^\| ([A-Za-z]+)(?: of Debian \d+)? \| ([\d.]+) \|`).FindAllStringSubmatch(live, -1) {
		software, version := row[1], row[2]
		listed := regexp.MustCompile(`(?m)^\| (?:Matrix )?` + software + ` \|.*$`).FindString(supported)
		if software == "Prometheus" {
			continue
		}
		compared++
		if !regexp.MustCompile(`[ |]` + regexp.QuoteMeta(version) + `[ ,]`).MatchString(listed) {
			t.Errorf("docs/reliability.md has %s %s; the README's row is %q", software, version, listed)
		}
	}
	if compared < 5 {
		t.Errorf("only %d rows of real servers were found", compared)
	}
}

// The first release fixes, improves and changes nothing that anybody has used.
func TestFirstReleaseHasOnlyFeatures(t *testing.T) {
	changelog := must.ReadFile(t, "../CHANGELOG.md")
	releases := regexp.MustCompile(`(?m)^## \d+\.\d+\.\d+ / .*$`).FindAllStringIndex(changelog, -1)
	if len(releases) == 0 {
		t.Fatal("CHANGELOG.md has no release")
	}
	first := changelog[releases[len(releases)-1][0]:]
	if entries := regexp.MustCompile(`(?m)^\* \[(CHANGE|ENHANCEMENT|BUGFIX)\].*$`).FindAllString(first, -1); len(entries) > 0 {
		t.Errorf("the first release has %q: write what there is as [FEATURE], or change the line of the feature", entries)
	}
	if !strings.Contains(first, "\n* [FEATURE] ") {
		t.Error("the first release has no feature")
	}
}
