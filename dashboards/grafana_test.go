package dashboards_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The tests in this file hold what was seen when the dashboards were opened in
// Grafana 12.2 with a real Prometheus, and mended.

// With a colour by threshold, Grafana's legend says "< 1, 1+, 2+" and the
// tooltip "3+" in place of the texts of the mappings. A null is a state, too.
func TestTimelinesShowTheNamesOfStates(t *testing.T) {
	eachPanel(t, "state-timeline", func(t *testing.T, p panel) {
		if c := p.FieldConfig.Defaults.Color; c.Mode != "fixed" || c.FixedColor != "text" {
			t.Errorf("the colour is %+v; want the fixed colour of text, so that the mappings' names and colours show", c)
		}
		var names []string
		noFigure := false
		for _, m := range p.FieldConfig.Defaults.Mappings {
			switch m.Type {
			case "value":
				var options map[string]struct{ Text, Color string }
				if err := json.Unmarshal(m.Options, &options); err != nil {
					t.Fatal(err)
				}
				for _, o := range options {
					if o.Text == "" || o.Color == "" {
						t.Errorf("a state has no name or no colour: %s", m.Options)
					}
					names = append(names, o.Text)
				}
			case "special":
				var options struct {
					Match  string
					Result struct{ Text, Color string }
				}
				if err := json.Unmarshal(m.Options, &options); err != nil {
					t.Fatal(err)
				}
				noFigure = options.Match == "null" && options.Result.Text == "no figure" && options.Result.Color == "transparent"
			}
		}
		if len(names) < 2 || !noFigure {
			t.Errorf("states %v, null is mapped: %v; want at least two states, and null as \"no figure\"", names, noFigure)
		}
	})
}

// Without data, Grafana complains that "Data does not have a time field" unless
// there is a transformation that leaves no frame.
func TestTimelinesSayTheirTextWithoutData(t *testing.T) {
	eachPanel(t, "state-timeline", func(t *testing.T, p panel) {
		if len(p.Transformations) != 1 || p.Transformations[0].ID != "filterFieldsByName" || !strings.Contains(string(p.Transformations[0].Options), `".*"`) {
			t.Errorf("transformations %+v; want filterFieldsByName for all names", p.Transformations)
		}
	})
}

// With {} Grafana chooses the data source that comes first in the alphabet.
func TestTheDefaultDataSourceIsChosen(t *testing.T) {
	for path, b := range boards(t) {
		if v := b.Templating.List[0]; v.Name != "datasource" || v.Current.Value != "default" || v.Current.Text != "default" {
			t.Errorf("%s: the data source at first is %+v; want default", path, v.Current)
		}
	}
}

// Without a minimum, bars begin at the smallest value, which is then empty.
func TestBarsBeginAtZero(t *testing.T) {
	eachPanel(t, "bargauge", func(t *testing.T, p panel) {
		if m := p.FieldConfig.Defaults.Min; m == nil || *m != 0 {
			t.Error("bars do not begin at 0")
		}
	})
}

// A label le is "1.0" where Prometheus scrapes OpenMetrics and "1" where it
// scrapes the text format: no legend may show it as it is.
func TestBucketsAreShownAsWholeNumbers(t *testing.T) {
	found := 0
	eachPanel(t, "", func(t *testing.T, p panel) {
		for _, target := range p.Targets {
			if !strings.Contains(target.Expr, "_bucket") {
				continue
			}
			found++
			if strings.Contains(target.LegendFormat, "{{le}}") || !strings.Contains(target.Expr, `"le", "([0-9]+)([.]0)?")`) {
				t.Errorf("the legend %q shows le as it is scraped, of %s", target.LegendFormat, target.Expr)
			}
		}
	})
	if found == 0 {
		t.Error("no panel shows buckets")
	}
}

// The width of a dashboard's column of 24 on a screen of 1366 pixels with
// Grafana's menu open, in pixels, and of one letter of a panel's title.
const (
	columnWidth = 43.0
	letterWidth = 7.3
)

// Tables fit the narrowest screen: the last column is not cut, and headers
// spend no room on filters.
func TestTablesFit(t *testing.T) {
	eachPanel(t, "table", func(t *testing.T, p panel) {
		if p.FieldConfig.Defaults.Custom.Filterable {
			t.Error("headers have filters, which hide their text")
		}
		columns := 0
		for _, transformation := range p.Transformations {
			var organize struct{ IndexByName map[string]int }
			if err := json.Unmarshal(transformation.Options, &organize); err != nil {
				t.Fatal(err)
			}
			columns = max(columns, len(organize.IndexByName))
		}
		if columns < 2 {
			t.Fatalf("%d columns; want 2 or more", columns)
		}
		taken := 0.0
		for _, o := range p.FieldConfig.Overrides {
			for _, property := range o.Properties {
				switch property.ID {
				case "custom.minWidth":
					t.Errorf("the column %q has a minimal width, with which Grafana cuts the last column; want custom.width", o.Matcher.Options)
				case "custom.width":
					taken += property.Value.(float64)
					columns--
				}
			}
		}
		taken += float64(columns * p.FieldConfig.Defaults.Custom.MinWidth)
		if room := columnWidth * float64(p.GridPos.W); taken > room {
			t.Errorf("the columns take %.0f of %.0f pixels", taken, room)
		}
	})
}

// A variable of the type query is empty for a server without clients and comes
// back as 1d; its values are in the order of the alphabet: 1d, 30d, 7d.
func TestWindowsAreAFixedList(t *testing.T) {
	found := 0
	for path, b := range boards(t) {
		for _, v := range b.Templating.List {
			if v.Name != "window" {
				continue
			}
			found++
			if v.Type != "custom" || string(v.Query) != `"1d,7d,30d"` || v.Current.Value != "30d" {
				t.Errorf("%s: the window is %s %s, at first %v; want the fixed list 1d,7d,30d and 30d", path, v.Type, v.Query, v.Current.Value)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d dashboards choose a window; want 2", found)
	}
}

// Grafana shrinks the text of a stat panel until it fits: a sentence becomes
// four pixels high. It stands in the description.
func TestStatsSayShortlyThatThereIsNoData(t *testing.T) {
	eachPanel(t, "stat", func(t *testing.T, p panel) {
		if p.FieldConfig.Defaults.NoValue != "no data" {
			t.Errorf("without data it says %q; want \"no data\"", p.FieldConfig.Defaults.NoValue)
		}
		if !strings.Contains(p.Description, " Without data: ") {
			t.Errorf("the description does not say why there may be no data: %s", p.Description)
		}
	})
}

func TestTitlesOfStatsFit(t *testing.T) {
	eachPanel(t, "stat", func(t *testing.T, p panel) {
		// 16 pixels of padding, 8 between panels, 32 for the description's icon.
		room := columnWidth*float64(p.GridPos.W) - 56
		if width := letterWidth * float64(len([]rune(p.Title))); width > room {
			t.Errorf("the title takes about %.0f of %.0f pixels", width, room)
		}
	})
}

// What increase() estimates is 9.01 reports: a number of things is whole.
func TestNumbersOfReportsAreWhole(t *testing.T) {
	if got := panelTitled(t, "reports.json", "Homeservers").property("Reports per day", "decimals"); got != 0.0 {
		t.Errorf("the column Reports per day has %v decimals; want 0", got)
	}
	eachPanel(t, "stat", func(t *testing.T, p panel) {
		if strings.Contains(p.Targets[0].Expr, "increase(") && (p.FieldConfig.Defaults.Decimals == nil || *p.FieldConfig.Defaults.Decimals != 0) {
			t.Error("a number from increase() is shown with decimals")
		}
	})
}

// A legend below a small panel has room for two lines; eight homeservers are
// three.
func TestClocksHaveTheirLegendAtTheRight(t *testing.T) {
	if legend := panelTitled(t, "reports.json", "Clocks of homeservers").Options.Legend; legend.DisplayMode != "table" || legend.Placement != "right" {
		t.Errorf("the legend is %+v; want a table at the right", legend)
	}
}

// In a small panel, a legend with a figure beside each domain or homeserver shows
// three of them.
func TestLegendsOfSmallPanelsAreShort(t *testing.T) {
	found := 0
	eachPanel(t, "timeseries", func(t *testing.T, p panel) {
		for _, target := range p.Targets {
			if p.GridPos.W > 8 || !strings.Contains(target.LegendFormat, "{{domain}}") && !strings.Contains(target.LegendFormat, "{{homeserver}}") {
				continue
			}
			found++
			if len(p.Options.Legend.Calcs) > 0 {
				t.Errorf("the legend shows %v of each series; want names alone", p.Options.Legend.Calcs)
			}
		}
	})
	if found < 3 {
		t.Errorf("%d small panels by domain or homeserver; want 3 or more", found)
	}
}

// A text without data must be true whatever the reason: nothing scraped,
// nothing configured, nothing wrong, not enough history.
func TestTextsWithoutDataAreTrueWhenNothingIsKnown(t *testing.T) {
	careful := regexp.MustCompile(`^No figures\b|^No .*\b(known|reports)\b`)
	clients := regexp.MustCompile(`chat_[a-z0-9_]*client_users`)
	eachPanel(t, "", func(t *testing.T, p panel) {
		text := p.FieldConfig.Defaults.NoValue
		if p.Type == "stat" {
			_, text, _ = strings.Cut(p.Description, " Without data: ")
			text = strings.ToUpper(text[:1]) + text[1:]
		}
		if !careful.MatchString(text) || !strings.HasSuffix(text, ".") {
			t.Errorf("without data it says %q; want a sentence that says only that nothing is known", text)
		}
		if clients.MatchString(p.Targets[0].Expr) && !strings.Contains(text, "only Synapse records clients") {
			t.Errorf("without data it says %q, where other servers record no clients", text)
		}
		merged := slices.ContainsFunc(p.Transformations, func(x struct {
			ID      string
			Options json.RawMessage
		},
		) bool {
			return x.ID == "merge"
		})
		// Grafana shows the bare headers of a merged table.
		if merged && !strings.Contains(p.Description, " An empty table: ") {
			t.Error("the description of the merged table does not say what it means when it is empty")
		}
	})
}

// Grafana's form of import asks for no data source, as each dashboard has a
// drop-down of its own.
func TestTheDocumentationSaysWhereTheDataSourceIsChosen(t *testing.T) {
	content, err := os.ReadFile("../docs/dashboards.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(content)), " ")
	if strings.Contains(text, "choose the data source. To provision") || !strings.Contains(text, "drop-down *Data source*") {
		t.Error("docs/dashboards.md does not say that the data source is chosen in the dashboard's own drop-down")
	}
}

// Grafana divides an axis in seconds into steps of 1000: "16.7 mins", "2.78
// hours". A suffix leaves round numbers.
func TestTimeAxesHaveRoundNumbers(t *testing.T) {
	eachPanel(t, "timeseries", func(t *testing.T, p panel) {
		if slices.Contains([]string{"s", "m", "h", "ms", "dtdurations", "dthms"}, p.FieldConfig.Defaults.Unit) {
			t.Errorf("the unit of the axis is %q; want a suffix", p.FieldConfig.Defaults.Unit)
		}
	})
}

// A saw-tooth that is looked at once an hour is a flat line: ages show the
// greatest value since the point before.
func TestAgesDoNotAlias(t *testing.T) {
	found := 0
	eachPanel(t, "timeseries", func(t *testing.T, p panel) {
		for _, target := range p.Targets {
			if !strings.Contains(target.Expr, "time() -") || strings.Contains(target.Expr, " bool ") {
				continue
			}
			found++
			if !strings.HasPrefix(target.Expr, "max_over_time(") || !strings.HasSuffix(target.Expr, "[$__rate_interval:1m])") {
				t.Errorf("an age is not the greatest since the point before: %s", target.Expr)
			}
		}
	})
	if found < 3 {
		t.Errorf("%d panels show ages; want 3 or more", found)
	}
}

func TestCohortsAreNotMostlyEmpty(t *testing.T) {
	if h := panelTitled(t, "retention.json", "Newcomers who return, by week").GridPos.H; h > 9 {
		t.Errorf("the table is %d rows high, and more than half of it empty with five weeks", h)
	}
}

// Backfilled samples may be far from one another: single points are drawn.
func TestSinglePointsAreDrawn(t *testing.T) {
	eachPanel(t, "timeseries", func(t *testing.T, p panel) {
		if p.FieldConfig.Defaults.Custom.ShowPoints == "never" {
			t.Error("a point without neighbours is not drawn")
		}
	})
}

func TestDashboardsCanBeChangedAndFollowTheViewersClock(t *testing.T) {
	for path, b := range boards(t) {
		if !b.Editable || b.Timezone != "browser" {
			t.Errorf("%s: editable %v, time zone %q; want true and browser", path, b.Editable, b.Timezone)
		}
	}
}

// A change of a figure is often a restart or a new version: these are marked.
func TestRestartsAndVersionsAreMarked(t *testing.T) {
	for path, b := range boards(t) {
		names := make(map[string]annotation)
		for _, a := range b.Annotations.List {
			names[a.Name] = a
			if a.BuiltIn == 0 && (!a.Enable || a.Hide || a.Datasource.UID != "${datasource}" || a.TitleFormat == "") {
				t.Errorf("%s: the annotation %+v is off, hidden, without a title or of a fixed data source", path, a)
			}
		}
		started := names["Exporter started"]
		if !strings.Contains(started.Expr, "process_start_time_seconds") || !strings.Contains(started.TitleFormat, "{{version}}") || !started.UseValueForTime {
			t.Errorf("%s: starts of the exporter are not marked with its version at their own time: %+v", path, started)
		}
		if version := names["Server version changed"]; path != "reports.json" && !strings.Contains(version.Expr, "chat_server_info") {
			t.Errorf("%s: new versions of chat servers are not marked: %+v", path, version)
		}
	}
}
