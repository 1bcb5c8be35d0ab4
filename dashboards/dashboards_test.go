// Package dashboards_test checks the dashboards, and the queries of dashboards and
// rules.
package dashboards_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"active_users_exporter/collector/activity"
)

// A grafanaDashboard is what we use of Grafana's classic schema; an unknown
// key is a mistake.
type grafanaDashboard struct {
	Annotations struct {
		List []struct {
			Name, Expr, Type, IconColor, Step, TitleFormat, TextFormat, TagKeys string
			Datasource                                                          grafanaDatasource
			BuiltIn                                                             int
			Enable, Hide, UseValueForTime                                       bool
		}
	} `json:"annotations"`
	Description          string `json:"description"`
	Editable             bool   `json:"editable"`
	FiscalYearStartMonth int    `json:"fiscalYearStartMonth"`
	GraphTooltip         int    `json:"graphTooltip"`
	ID                   *int   `json:"id"`
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
			Min, Max          *float64
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

// sets reports whether the override sets the property of every column.
func (o grafanaOverride) sets(property string) bool {
	return o.Matcher.ID == "byRegexp" && o.Matcher.Options == "/.*/" && o.Properties[0].ID == property
}

func readDashboards(t *testing.T) map[string]grafanaDashboard {
	t.Helper()
	paths, err := filepath.Glob("*.json")
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
		if d.SchemaVersion != 39 || d.ID != nil || d.Title == "" || d.Description == "" || d.Timezone != "browser" {
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
