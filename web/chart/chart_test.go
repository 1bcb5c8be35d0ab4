package chart_test

import (
	"encoding/xml"
	"errors"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"active_users_exporter/web/chart"
)

// element is a part of a drawing.
type element struct {
	name string
	attr map[string]string
}

// number returns an attribute that is a coordinate.
func (e element) number(t *testing.T, attr string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(e.attr[attr], 64)
	if err != nil {
		t.Fatalf("%s: %s=%q", e.name, attr, e.attr[attr])
	}
	return v
}

// elements reads a drawing, which must be XML.
func elements(t *testing.T, drawing template.HTML) (all []element) {
	t.Helper()
	for decoder := xml.NewDecoder(strings.NewReader(string(drawing))); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in %s", err, drawing)
		}
		if start, ok := token.(xml.StartElement); ok {
			e := element{start.Name.Local, make(map[string]string)}
			for _, a := range start.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			all = append(all, e)
		}
	}
}

func named(all []element, name, class string) (found []element) {
	for _, e := range all {
		if e.name == name && (class == "" || e.attr["class"] == class) {
			found = append(found, e)
		}
	}
	return found
}

func never(int) bool { return false }

func about() chart.About { return chart.About{ID: "x", Title: "<T>", Desc: "D & d"} }

// A drawing has a title and a description, which its label names, in one size for
// each kind of screen; it has no scripts and no style of its own.
func TestDrawingsAreAccessible(t *testing.T) {
	d := chart.NewDrawer()
	for _, size := range []chart.Size{chart.Wide(), chart.Narrow()} {
		for name, drawing := range map[string]template.HTML{
			"lines":   d.Lines(about(), size, []string{"a", "b"}, never, chart.Series{Class: "c", Values: []int{1, 2}}),
			"bars":    d.Bars(about(), size, []string{"a", "b"}, chart.Series{Class: "c", Values: []int{1, -2}}),
			"nothing": d.Bars(about(), size, nil),
			"zeros":   d.Lines(about(), size, []string{"a", "b"}, never, chart.Series{Class: "c", Values: []int{0, 0}}),
		} {
			all := elements(t, drawing)
			svg := all[0]
			if svg.attr["role"] != "img" || svg.attr["aria-labelledby"] != "x-"+size.Name+"-title x-"+size.Name+"-desc" {
				t.Errorf("%s: %v", name, svg)
			}
			if all[1].name != "title" || all[2].name != "desc" || !strings.Contains(string(drawing), "&lt;T&gt;") || !strings.Contains(string(drawing), "D &amp; d") {
				t.Errorf("%s: no title, or no description: %s", name, drawing)
			}
			if strings.Contains(string(drawing), "style") || strings.Contains(string(drawing), "NaN") {
				t.Errorf("%s: %s", name, drawing)
			}
		}
	}
}

// A line begins with the first value that is known, goes from 0 to a round number,
// and has a gap where a value is not known.
func TestLines(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f"}
	drawing := chart.NewDrawer().Lines(about(), chart.Wide(), names, func(i int) bool { return i == 1 || i == 2 || i == 5 },
		chart.Series{Class: "young", Values: []int{0, 80}},
		chart.Series{Class: "gaps", Values: []int{1, 0, 2, 3, 0, 4}, Gap: func(i int) bool { return i == 1 || i == 4 }})
	all := elements(t, drawing)
	young := named(all, "polyline", "young")
	if len(young) != 1 || len(strings.Fields(young[0].attr["points"])) != 2 {
		t.Errorf("a series that begins late: %v", young)
	}
	from, _, _ := strings.Cut(young[0].attr["points"], ",")
	if x, err := strconv.ParseFloat(from, 64); err != nil || x < 700 {
		t.Errorf("it begins at %s, and belongs to the right", from)
	}
	var lengths []int
	for _, part := range named(all, "polyline", "gaps") {
		lengths = append(lengths, len(strings.Fields(part.attr["points"])))
	}
	if !slices.Equal(lengths, []int{1, 2, 1}) {
		t.Errorf("parts of %v points, want 1, 2 and 1", lengths)
	}
	marked := named(all, "rect", "marked")
	if len(marked) != 2 || marked[0].number(t, "width") < 1.9*marked[1].number(t, "width") {
		t.Errorf("marked: %v", marked)
	}
	for _, part := range []string{">0<", ">80<", ">f<"} {
		if !strings.Contains(string(drawing), part) {
			t.Errorf("no text %s on the axes", part)
		}
	}
}

// Bars stand on one another, and on the line of zero; those below zero hang from it.
func TestBars(t *testing.T) {
	all := elements(t, chart.NewDrawer().Bars(about(), chart.Wide(), []string{"a", "b"},
		chart.Series{Class: "one", Values: []int{10, 0}}, chart.Series{Class: "two", Values: []int{30, 5}}, chart.Series{Class: "less", Values: []int{-20, -5}}))
	base := named(all, "line", "base")[0].number(t, "y1")
	one, two, less := named(all, "rect", "one"), named(all, "rect", "two"), named(all, "rect", "less")
	if len(one) != 1 || len(two) != 2 || len(less) != 2 {
		t.Fatalf("%d, %d and %d bars, want 1, 2 and 2", len(one), len(two), len(less))
	}
	bottom := func(e element) float64 { return e.number(t, "y") + e.number(t, "height") }
	near := func(a, b float64) bool { return a-b < 0.2 && b-a < 0.2 }
	switch {
	case !near(bottom(one[0]), base), !near(bottom(two[0]), one[0].number(t, "y")), !near(less[0].number(t, "y"), base), !near(bottom(two[1]), base):
		t.Errorf("bars do not stand where they should: base %g, %v %v %v", base, one, two, less)
	case !near(two[0].number(t, "height"), 3*one[0].number(t, "height")), !near(less[0].number(t, "height"), 2*one[0].number(t, "height")):
		t.Errorf("bars are not as high as their values: %v %v %v", one, two, less)
	}
}

// A year of days with three lines takes less than 25 KB.
func TestDrawingsAreSmall(t *testing.T) {
	names, values := make([]string, 400), make([]int, 400)
	for i := range values {
		names[i], values[i] = "2 Jan", 1000+i*i%977
	}
	drawing := chart.NewDrawer().Lines(about(), chart.Wide(), names, never, chart.Series{Values: values}, chart.Series{Values: values}, chart.Series{Values: values})
	if len(drawing) > 25_000 || len(drawing) < 5000 {
		t.Errorf("%d bytes", len(drawing))
	}
}

// Names below the axis do not run into each other.
func TestNamesHaveRoom(t *testing.T) {
	names := []string{"native", "bridged", "deactivated"}
	if wide, narrow := chart.Wide().Names(names), chart.Narrow().Names(names); wide < 10 || narrow != 4 {
		t.Errorf("room for %d and %d names of eleven letters, want at least 10, and 4", wide, narrow)
	}
}
