package dashboards_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/metric"
	"active_users_exporter/collector/servers"
	"active_users_exporter/web"
)

// elsewhere are the metrics that dashboards and rules use and that
// metric.Descriptions does not list, with the reason.
var elsewhere = map[string]string{
	"up":                               "Prometheus itself makes it",
	"process_resident_memory_bytes":    "client_golang's collector of the process",
	"process_start_time_seconds":       "client_golang's collector of the process",
	"synapse_admin_mau_max":            "Synapse's own, if the same Prometheus scrapes it",
	"active_users_exporter_build_info": "of the exporter, not of a chat server",
	"active_users_exporter_config_last_reload_successful": "of the exporter, not of a chat server",
}

// unused are the families that neither a dashboard nor a rule uses, with the
// reason.
var unused = map[string]string{}

// overlapping are the families whose values may not be added up over a label.
var overlapping = map[string][]string{
	"active_users_exporter_reports_users": {"statistic"},
	"chat_active_users":                   {"window"},
	"chat_active_rooms":                   {"window", "encrypted"},
	"chat_senders_users":                  {"window"},
	"synapse_rooms":                       {"state"},
	"mas_active_client_users":             {"window", "client_name"},
	"mas_active_users":                    {"window", "kind"},
	"mas_linked_accounts":                 {"provider"},
	"chat_active_client_users":            {"window", "client"},
	"chat_active_type_users":              {"window"},
	"chat_r30v2_client_users":             {"client"},
}

// rule is what the queries are about of one of Prometheus' rules.
type rule struct {
	Record string `yaml:"record"`
	Alert  string `yaml:"alert"`
	Expr   string `yaml:"expr"`
}

func readRules(t *testing.T) (rules []rule) {
	t.Helper()
	content, err := os.ReadFile("../alerts/active_users.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(content, &file); err != nil || len(file.Groups) == 0 {
		t.Fatalf("%d groups of rules, error %v", len(file.Groups), err)
	}
	for _, g := range file.Groups {
		rules = append(rules, g.Rules...)
	}
	return rules
}

func withLabel(d metric.Description, label string) metric.Description {
	d.Labels = append(slices.Clone(d.Labels), label)
	return d
}

// Dashboards and rules name no metric and no label that does not exist, and
// leave none of ours out but those that stand under another server's names. That they are PromQL is the business of
// .ci/dashboards, which has Prometheus execute them: its parser would bring
// the whole of Prometheus into our module.
func TestQueriesUseTheMetrics(t *testing.T) {
	families := make(map[string]metric.Description)
	for _, d := range web.Descriptions(servers.Kinds()) {
		families[d.Name] = d
	}
	recorded := make(map[string]bool)
	queries := make(map[string][]string) // by where they are
	for _, r := range readRules(t) {
		recorded[r.Record] = true
		queries["rule "+r.Record+r.Alert] = []string{r.Expr}
	}
	for path, d := range readDashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				where := path + ", " + p.Title
				queries[where] = append(queries[where], q.Expr)
			}
		}
		for _, a := range d.Annotations.List {
			if a.Expr != "" {
				queries[path+", annotation "+a.Name] = []string{a.Expr}
			}
		}
		for _, v := range d.Templating.List[1:] {
			if v.Type != "query" {
				continue
			}
			expression, _, _ := strings.Cut(strings.TrimPrefix(v.Definition, "label_values("), ",")
			queries[path+", variable "+v.Name] = []string{expression}
		}
	}
	used := make(map[string]bool)
	for _, where := range slices.Sorted(maps.Keys(queries)) {
		for _, query := range queries[where] {
			for _, s := range selectors(query) {
				name := s.metric
				if base := strings.TrimSuffix(name, "_bucket"); families[base].Kind == "histogram" {
					name = base
					families[base] = withLabel(families[base], "le")
				}
				used[name] = true
				family, ours := families[name]
				if !ours && !recorded[s.metric] && elsewhere[s.metric] == "" {
					t.Errorf("%s: nobody exports %q: %s", where, s.metric, query)
				}
				for _, label := range s.labels {
					if ours && !slices.Contains(append(family.Labels, "job", "instance"), label) {
						t.Errorf("%s: %s has no label %q", where, s.metric, label)
					}
				}
				for _, label := range overlapping[s.metric] {
					if strings.Contains(where, ", variable ") {
						continue
					}
					if !slices.Contains(s.labels, label) && !s.keeps(label) {
						t.Errorf("%s: %s is aggregated over %s: %s", where, s.metric, label, query)
					}
				}
			}
		}
	}
	for name := range families {
		shown := !strings.HasPrefix(name, "prosody_") && !strings.HasPrefix(name, "mongooseim_")
		switch {
		case shown && !used[name] && unused[name] == "":
			t.Errorf("neither a dashboard nor a rule uses %s", name)
		case used[name] && unused[name] != "":
			t.Errorf("%s is listed as unused and is used", name)
		}
	}
	for name := range elsewhere {
		if !used[name] {
			t.Errorf("%s is listed and not used", name)
		}
	}
}

// The panel of unusual days is red where the alerts on them fire.
func TestUnusualDaysAreRedWhereAlertsFire(t *testing.T) {
	const deviation = "server_domain:chat_active_users_1d:same_weekday_deviation"
	p := panelTitled(t, "overview.json", "Deviation from the same weekdays")
	if len(p.Targets) != 1 || !strings.Contains(p.Targets[0].Expr, deviation+"{") {
		t.Fatalf("it shows %v, want %s", p.Targets, deviation)
	}
	var shown, fire []string
	for _, step := range p.FieldConfig.Defaults.Thresholds.Steps {
		if step.Value != nil {
			shown = append(shown, strconv.FormatFloat(*step.Value, 'f', -1, 64))
		}
	}
	bound := regexp.MustCompile(deviation + ` [<>] (-?[0-9.]+)`)
	for _, r := range readRules(t) {
		if found := bound.FindStringSubmatch(r.Expr); r.Alert != "" && found != nil {
			fire = append(fire, found[1])
		}
	}
	if len(fire) != 2 || !slices.Equal(shown, fire) {
		t.Errorf("red beyond %v, alerts fire beyond %v", shown, fire)
	}
}

// A selector is a metric in a query, with the labels it selects by and the
// labels that each aggregation around it keeps, as far as these stand directly
// before it.
type selector struct {
	metric string
	labels []string
	kept   [][]string
}

func (s selector) keeps(label string) bool {
	for _, labels := range s.kept {
		if !slices.Contains(labels, label) {
			return false
		}
	}
	return len(s.kept) > 0
}

var (
	quoted     = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	word       = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`)
	identifier = regexp.MustCompile(`\b(?:by|on|ignoring|group_left|group_right|without) *\([^)]*\)|\[[^\]]*\]|offset +[0-9a-z]+|[0-9][0-9a-z.]*|@ *(?:end|start) *\(\)|([a-zA-Z_:][a-zA-Z0-9_:]*) *(\(|\{[^}]*\})?`)
	around     = regexp.MustCompile(`([a-z_]+) by \(([^)]*)\) \((?:[a-z_]+\()?$`)
)

// selectors finds the metrics of a query by the look of words: enough for
// queries that are known to be PromQL.
func selectors(query string) (found []selector) {
	query = quoted.ReplaceAllString(query, "")
	for _, m := range identifier.FindAllStringSubmatchIndex(query, -1) {
		if m[2] < 0 {
			continue // no word that could be a metric
		}
		name, after := query[m[2]:m[3]], ""
		if m[4] >= 0 {
			after = query[m[4]:m[5]]
		}
		if after == "(" || slices.Contains([]string{"and", "or", "unless", "bool", "sum", "max", "min", "count", "quantile"}, name) {
			continue
		}
		s := selector{metric: name, labels: word.FindAllString(after, -1)}
		for before := query[:m[2]]; ; {
			a := around.FindStringSubmatchIndex(before)
			if a == nil {
				break
			}
			s.kept = append(s.kept, word.FindAllString(before[a[4]:a[5]], -1))
			before = before[:a[0]]
		}
		found = append(found, s)
	}
	return found
}

func TestSelectors(t *testing.T) {
	got := selectors(`sum by (a) (max by (a, b) (last_over_time(m_1{x="y{",z=~"or"}[2h] offset 7d))) > bool 3e4 and on (q) other unless time() - third:x:y > 1`)
	if len(got) != 3 || got[0].metric != "m_1" || got[1].metric != "other" || got[2].metric != "third:x:y" {
		t.Fatalf("%+v", got)
	}
	if !slices.Equal(got[0].labels, []string{"x", "z"}) || !got[0].keeps("a") || got[0].keeps("b") || got[1].keeps("a") {
		t.Errorf("%+v", got)
	}
}
