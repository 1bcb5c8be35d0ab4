package dashboards_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// A board is what these tests read of a dashboard.
type board struct {
	Editable    bool
	Timezone    string
	Annotations struct{ List []annotation }
	Templating  struct{ List []variable }
	Panels      []panel
}

type annotation struct {
	BuiltIn                       int
	Name, Expr, Step, TitleFormat string
	Enable, Hide, UseValueForTime bool
	Datasource                    struct{ Type, UID string }
}

type variable struct {
	Name, Label, Type, AllValue string
	Query                       json.RawMessage
	Refresh                     int
	Multi, IncludeAll           bool
	Current                     struct{ Text, Value any }
}

type panel struct {
	Type, Title, Description string
	GridPos                  struct{ W, H int }
	FieldConfig              struct {
		Defaults  fieldDefaults
		Overrides []override
	}
	Options struct {
		Legend struct {
			DisplayMode, Placement string
			Calcs                  []string
		}
	}
	Transformations []struct {
		ID      string
		Options json.RawMessage
	}
	Targets []struct{ Expr, LegendFormat string }
}

type fieldDefaults struct {
	Unit, NoValue string
	Min           *float64
	Decimals      *int
	Color         struct{ Mode, FixedColor string }
	Thresholds    struct{ Steps []struct{ Value *float64 } }
	Mappings      []struct {
		Type    string
		Options json.RawMessage
	}
	Custom struct {
		Filterable bool
		MinWidth   int
		ShowPoints string
	}
}

type override struct {
	Matcher    struct{ ID, Options string }
	Properties []struct {
		ID    string
		Value any
	}
}

// property returns what the panel sets for the column of that name, or nil.
func (p panel) property(column, id string) any {
	for _, o := range p.FieldConfig.Overrides {
		for _, property := range o.Properties {
			if o.Matcher.ID == "byName" && o.Matcher.Options == column && property.ID == id {
				return property.Value
			}
		}
	}
	return nil
}

// boards returns the dashboards by the names of their files.
func boards(t *testing.T) map[string]board {
	t.Helper()
	paths, err := filepath.Glob("*.json")
	if err != nil || len(paths) != 5 {
		t.Fatalf("found the dashboards %v, %v; want 5", paths, err)
	}
	all := make(map[string]board)
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var b board
		if err := json.Unmarshal(content, &b); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[path] = b
	}
	return all
}

// eachPanel runs the check for every panel of the kind on every dashboard; there
// must be at least one such panel.
func eachPanel(t *testing.T, kind string, check func(*testing.T, panel)) {
	t.Helper()
	found := 0
	for path, b := range boards(t) {
		for _, p := range b.Panels {
			if p.Type == "row" || (kind != "" && p.Type != kind) {
				continue
			}
			found++
			t.Run(path+"/"+p.Title, func(t *testing.T) { check(t, p) })
		}
	}
	if found == 0 {
		t.Fatalf("no dashboard has a panel of the kind %q", kind)
	}
}

// panelTitled returns the only panel of that title in the file.
func panelTitled(t *testing.T, path, title string) panel {
	t.Helper()
	var found []panel
	for _, p := range boards(t)[path].Panels {
		if p.Title == title {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d panels titled %q; want 1", path, len(found), title)
	}
	return found[0]
}
