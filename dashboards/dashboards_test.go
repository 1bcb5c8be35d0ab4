package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// elsewhere are the metrics that dashboards and rules use and that
// collector.Descriptions does not list, with the reason.
var elsewhere = map[string]string{
	"up":                               "Prometheus itself makes it",
	"process_resident_memory_bytes":    "client_golang's collector of the process",
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
	"chat_active_client_users":            {"window", "client"},
	"chat_r30v2_client_users":             {"client"},
}

// A grafanaDashboard is what we use of Grafana's classic schema; an unknown
// key is a mistake.
type grafanaDashboard struct {
	Annotations          json.RawMessage `json:"annotations"`
	Description          string          `json:"description"`
	Editable             bool            `json:"editable"`
	FiscalYearStartMonth int             `json:"fiscalYearStartMonth"`
	GraphTooltip         int             `json:"graphTooltip"`
	ID                   *int            `json:"id"`
	Links                []struct {
		Title, Type, Icon, Tooltip, URL string
		Tags                            []string
		AsDropdown, IncludeVars         bool
		KeepTime, TargetBlank           bool
	} `json:"links"`
	Panels        []grafanaPanel `json:"panels"`
	Refresh       string         `json:"refresh"`
	SchemaVersion int            `json:"schemaVersion"`
	Tags          []string       `json:"tags"`
	Templating    struct {
		List []grafanaVariable `json:"list"`
	} `json:"templating"`
	Time struct {
		From, To string
	} `json:"time"`
	Timepicker struct{} `json:"timepicker"`
	Timezone   string   `json:"timezone"`
	Title      string   `json:"title"`
	UID        string   `json:"uid"`
	Version    int      `json:"version"`
	WeekStart  string   `json:"weekStart"`
}

type grafanaDatasource struct{ Type, UID string }

type grafanaVariable struct {
	Name, Label, Type, Definition, Regex, AllValue string
	Datasource                                     grafanaDatasource
	Query                                          json.RawMessage
	Refresh, Sort, Hide                            int
	Multi, IncludeAll, SkipURLSync                 bool
	Options, Current                               json.RawMessage
}

type grafanaPanel struct {
	ID          int
	Type        string
	Title       string
	Description string
	Collapsed   bool
	Panels      []grafanaPanel
	Datasource  grafanaDatasource
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct {
		Defaults struct {
			Unit, NoValue     string
			Color, Thresholds json.RawMessage
			Custom            json.RawMessage
			Mappings          []json.RawMessage
			Decimals          *int
			Max               *float64
		}
		Overrides []grafanaOverride
	}
	Options         json.RawMessage
	Transformations []json.RawMessage
	Targets         []struct {
		RefID, Expr, EditorMode, LegendFormat, Format string
		Datasource                                    grafanaDatasource
		Range, Instant                                bool
	}
}

// A grafanaOverride sets properties of the series or columns that it matches.
type grafanaOverride struct {
	Matcher    struct{ ID, Options string }
	Properties []struct {
		ID    string
		Value json.RawMessage
	}
}

// sets tells whether the override sets the property of every column.
func (o grafanaOverride) sets(property string) bool {
	return o.Matcher.ID == "byRegexp" && o.Matcher.Options == "/.*/" && o.Properties[0].ID == property
}

func readDashboards(t *testing.T) map[string]grafanaDashboard {
	t.Helper()
	paths, err := filepath.Glob("dashboards/*.json")
	if err != nil || len(paths) < 4 {
		t.Fatal("dashboards are missing", paths, err)
	}
	all := make(map[string]grafanaDashboard)
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var d grafanaDashboard
		decoder := json.NewDecoder(bytes.NewReader(content))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if _, err := decoder.Token(); err != io.EOF {
			t.Errorf("%s: something follows", path)
		}
		all[path] = d
	}
	return all
}

func TestDashboards(t *testing.T) {
	uids := make(map[string]string)
	for path, d := range readDashboards(t) {
		if other := uids[d.UID]; other != "" || d.UID == "" {
			t.Errorf("%s: uid %q is also that of %q", path, d.UID, other)
		}
		uids[d.UID] = path
		if d.SchemaVersion != 39 || d.ID != nil || d.Title == "" || d.Description == "" || d.Timezone != "utc" {
			t.Errorf("%s: schema version, id, title, description or time zone", path)
		}
		if !slices.Contains(d.Tags, "active_users") || len(d.Links) != 1 || !slices.Contains(d.Links[0].Tags, "active_users") || !d.Links[0].IncludeVars {
			t.Errorf("%s: no links to the other dashboards", path)
		}
		if first := d.Templating.List[0]; first.Type != "datasource" || first.Name != "datasource" {
			t.Errorf("%s: the first variable is %+v", path, first)
		}
		ids := make(map[int]bool)
		var taken [24][]bool
		for _, p := range d.Panels {
			if ids[p.ID] {
				t.Errorf("%s: two panels have the id %d", path, p.ID)
			}
			ids[p.ID] = true
			checkPanel(t, path, p)
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for len(taken[x]) < p.GridPos.Y+p.GridPos.H {
					taken[x] = append(taken[x], false)
				}
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if taken[x][y] {
						t.Fatalf("%s, %s: lies on another panel", path, p.Title)
					}
					taken[x][y] = true
				}
			}
		}
	}
}

func checkPanel(t *testing.T, path string, p grafanaPanel) {
	t.Helper()
	if p.Type == "row" {
		if p.Title == "" || len(p.Panels) != 0 {
			t.Errorf("%s: the row %q", path, p.Title)
		}
		return
	}
	defaults := p.FieldConfig.Defaults
	if p.Title == "" || p.Description == "" || defaults.Unit == "" || defaults.NoValue == "" {
		t.Errorf("%s, %s: title, description, unit or text without data is missing", path, p.Title)
	}
	if p.Type == "table" && !slices.ContainsFunc(p.FieldConfig.Overrides, func(o grafanaOverride) bool { return o.sets("noValue") }) {
		t.Errorf("%s, %s: shows the text without data in each empty cell", path, p.Title)
	}
	for _, o := range p.FieldConfig.Overrides {
		// Grafana reads an expression without slashes as one of the whole name.
		if o.Matcher.ID == "byRegexp" && !strings.HasPrefix(o.Matcher.Options, "/") {
			t.Errorf("%s, %s: the override of %q is not between slashes", path, p.Title, o.Matcher.Options)
		}
	}
	if len(p.Targets) == 0 {
		t.Errorf("%s, %s: no queries", path, p.Title)
	}
	refs := make(map[string]bool)
	for _, q := range p.Targets {
		if q.Expr == "" || refs[q.RefID] || q.Range == q.Instant {
			t.Errorf("%s, %s: query %q", path, p.Title, q.RefID)
		}
		refs[q.RefID] = true
		// The last step of a graph is up to one step old, and would not agree
		// with the tables.
		if p.Type == "stat" && !q.Instant {
			t.Errorf("%s, %s: says what is now by a query that is not instant", path, p.Title)
		}
		if source := (grafanaDatasource{"prometheus", "${datasource}"}); q.Datasource != source || p.Datasource != source {
			t.Errorf("%s, %s: a data source that is not the variable", path, p.Title)
		}
	}
}

// What has a colour of its own, such as a class of client, has the same on
// every panel.
func TestColours(t *testing.T) {
	colours := make(map[string]string)
	for path, d := range readDashboards(t) {
		for _, p := range d.Panels {
			for _, o := range p.FieldConfig.Overrides {
				for _, property := range o.Properties {
					name, colour := o.Matcher.Options, string(property.Value)
					if o.Matcher.ID != "byName" || property.ID != "color" {
						continue
					}
					if other := colours[name]; other != "" && other != colour {
						t.Errorf("%s, %s: %s has the colour %s, elsewhere %s", path, p.Title, name, colour, other)
					}
					colours[name] = colour
				}
			}
		}
	}
	for _, client := range activity.SynapseNames() {
		if colours[client] == "" {
			t.Errorf("the class of client %s has no colour", client)
		}
	}
}

// A ruleFile is one of Prometheus' rules.
type ruleFile struct {
	Groups []struct {
		Name     string `yaml:"name"`
		Interval string `yaml:"interval"`
		Rules    []rule `yaml:"rules"`
	} `yaml:"groups"`
}

type rule struct {
	Record      string            `yaml:"record"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func readRules(t *testing.T) (rules []rule) {
	t.Helper()
	var file ruleFile
	readYAML(t, "alerts/active_users.rules.yml", &file)
	for _, g := range file.Groups {
		rules = append(rules, g.Rules...)
	}
	return rules
}

// Every alert says how bad it is and what to do, has a section in
// docs/runbooks.md, and promtool tests one case in which it fires and one in
// which it does not.
func TestAlerts(t *testing.T) {
	runbooks, err := os.ReadFile("docs/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]bool)
	for line := range strings.Lines(string(runbooks)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "## "); ok {
			sections[name] = true
		}
	}
	fires, quiet := testedAlerts(t)
	for _, r := range readRules(t) {
		if r.Alert == "" {
			continue
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
		}
		for _, name := range []string{"summary", "description"} {
			if text := r.Annotations[name]; !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %s is no sentence: %s", r.Alert, name, text)
			}
		}
		if got, want := r.Annotations["runbook_url"], "docs/runbooks.md#"+strings.ToLower(r.Alert); got != want {
			t.Errorf("%s: runbook_url %q, want %q", r.Alert, got, want)
		}
		if !sections[r.Alert] {
			t.Errorf("%s has no runbook", r.Alert)
		}
		delete(sections, r.Alert)
		if !fires[r.Alert] || !quiet[r.Alert] {
			t.Errorf("%s: tested when it fires: %v, when it does not: %v", r.Alert, fires[r.Alert], quiet[r.Alert])
		}
	}
	for name := range sections {
		t.Errorf("docs/runbooks.md tells of %s, which does not exist", name)
	}
}

// What rules record is told of.
func TestRecordedSeriesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("docs/dashboards.md")
	must(t, err)
	for _, r := range readRules(t) {
		if r.Record != "" && !strings.Contains(string(text), "| `"+r.Record+"` |") {
			t.Errorf("docs/dashboards.md does not say what %s is", r.Record)
		}
	}
}

func testedAlerts(t *testing.T) (fires, quiet map[string]bool) {
	t.Helper()
	fires, quiet = make(map[string]bool), make(map[string]bool)
	paths, err := filepath.Glob("alerts/*.tests.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		var file struct {
			Tests []struct {
				Cases []struct {
					Alertname string `yaml:"alertname"`
					Expected  []any  `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			} `yaml:"tests"`
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(content, &file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, test := range file.Tests {
			for _, c := range test.Cases {
				if len(c.Expected) > 0 {
					fires[c.Alertname] = true
				} else {
					quiet[c.Alertname] = true
				}
			}
		}
	}
	return fires, quiet
}

func withLabel(d collector.Description, label string) collector.Description {
	d.Labels = append(slices.Clone(d.Labels), label)
	return d
}

// Dashboards and rules name no metric and no label that does not exist, and
// leave none of ours out but those that stand under another server's names. That they are PromQL is the business of
// .ci/dashboards, which has Prometheus execute them: its parser would bring
// the whole of Prometheus into our module.
func TestQueriesUseTheMetrics(t *testing.T) {
	families := make(map[string]collector.Description)
	for _, d := range collector.Descriptions() {
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
		for _, v := range d.Templating.List[1:] {
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
					if strings.HasPrefix(where, "dashboards/") && strings.Contains(where, ", variable ") {
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
		if after == "(" || slices.Contains([]string{"and", "or", "unless", "bool", "sum", "max", "min", "count"}, name) {
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
