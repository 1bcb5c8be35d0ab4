// Package chart draws SVG charts that need no scripts: colours come from CSS
// classes, so that they follow the page's theme and a strict Content-Security-Policy
// allows them, and a title and a description say what they show.
package chart

import (
	"embed"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

//go:embed *.svg
var files embed.FS

// A Drawer draws charts.
type Drawer struct{ templates *template.Template }

// NewDrawer returns a Drawer, which any goroutine may use.
func NewDrawer() *Drawer {
	return &Drawer{template.Must(template.New("").ParseFS(files, "*.svg"))}
}

// A Size is the size of a drawing, in the units of its text: 12 of them are a line
// of text.
type Size struct {
	Name          string // ends the IDs of the drawing's parts
	Width, Height int
	// Ticks is how many names stand below the horizontal axis, at most.
	Ticks int
}

// Wide is for screens and paper.
func Wide() Size { return Size{"wide", 1056, 280, 10} }

// Narrow is for phones.
func Narrow() Size { return Size{"narrow", 400, 240, 4} }

// Names returns how many of these names have room below the axis.
func (s Size) Names(names []string) int {
	const letter, gap = 6.5, 6
	longest := 1
	for _, name := range names {
		longest = max(longest, len(name))
	}
	return max(1, int(float64(s.Width-left-right)/(letter*float64(longest)+gap)))
}

// The room around the plot, for the names of the axes.
const (
	left, right, top, bottom = 48, 8, 8, 24
)

// About is what a drawing says to those who do not see it.
type About struct {
	ID          string // unique on the page
	Title, Desc string
}

// A Series is a row of values, one for each place on the horizontal axis, and
// aligned at its right end: what is missing at the left is not known.
type Series struct {
	Class  string // of CSS
	Values []int
	// Gap says which values are not known; nil if all are.
	Gap func(i int) bool
}

// tick is a line of the grid with its number, or a name below the axis.
type tick struct {
	At     string
	Name   string
	Anchor string
}

// frame is what all drawings have.
type frame struct {
	About
	Size
	Left, Right, Top, Bottom int // of the plot
	Base                     string
	YTicks, XTicks           []tick
}

// scale maps values to heights.
type scale struct {
	least, most float64
	size        Size
}

// newScale returns a scale with round ends that holds the values and 0.
func newScale(size Size, least, most int) (s scale, step float64) {
	step = roundStep(float64(most-least) / 4)
	return scale{
		least: math.Floor(float64(least)/step) * step,
		most:  max(step, math.Ceil(float64(most)/step)*step),
		size:  size,
	}, step
}

// roundStep returns the next of 1, 2, 5, 10, 20 and so on.
func roundStep(atLeast float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(max(1, atLeast))))
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= atLeast {
			return factor * power
		}
	}
	return 10 * power
}

func (s scale) y(value float64) float64 {
	height := float64(s.size.Height - top - bottom)
	return top + height*(1-(value-s.least)/(s.most-s.least))
}

// newFrame draws the axes; names has one for each place.
func newFrame(about About, size Size, s scale, step float64, names []string) frame {
	f := frame{
		About: about, Size: size,
		Left: left, Right: size.Width - right, Top: top, Bottom: size.Height - bottom,
		Base: number(s.y(0)),
	}
	f.ID += "-" + size.Name
	for value := s.least; value <= s.most; value += step {
		f.YTicks = append(f.YTicks, tick{At: number(s.y(value)), Name: humanize.Comma(int64(value))})
	}
	every := (len(names) + size.Ticks - 1) / size.Ticks
	for i := len(names) - 1; i >= 0; i -= max(1, every) {
		anchor := "middle"
		if i == len(names)-1 && len(names) > size.Ticks {
			anchor = "end"
		}
		f.XTicks = append(f.XTicks, tick{At: number(f.center(i, len(names))), Name: names[i], Anchor: anchor})
	}
	return f
}

// center returns the middle of one of n places.
func (f frame) center(i, n int) float64 {
	return float64(f.Left) + f.slot(n)*(float64(i)+0.5)
}

// PlotHeight is the height of the plot.
func (f frame) PlotHeight() int { return f.Bottom - f.Top }

func (f frame) slot(n int) float64 { return float64(f.Right-f.Left) / float64(max(1, n)) }

// number writes a coordinate with one digit after the point, at most.
func number(v float64) string {
	return strconv.FormatFloat(math.Round(10*v)/10, 'f', -1, 64)
}

// draw fills a template.
func (d *Drawer) draw(name string, data any) template.HTML {
	var text strings.Builder
	if err := d.templates.ExecuteTemplate(&text, name, data); err != nil {
		panic(fmt.Sprintf("draw %s: %v", name, err)) // the templates are ours, and a Builder does not fail
	}
	return template.HTML(text.String()) //nolint:gosec // html/template has escaped it
}
