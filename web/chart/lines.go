package chart

import (
	"html/template"
	"slices"
	"strings"
)

// line is a drawn Series.
type line struct{ Class, Points string }

// span is a part of the horizontal axis.
type span struct{ X, Width string }

// Lines draws lines over days, from zero. The names are those of the days; those
// that are marked, such as days of a weekend, have a ground of another colour.
func (d *Drawer) Lines(about About, size Size, names []string, marked func(i int) bool, all ...Series) template.HTML {
	most := 0
	for _, s := range all {
		if len(s.Values) > 0 {
			most = max(most, slices.Max(s.Values))
		}
	}
	scale, step := newScale(size, 0, most)
	f := newFrame(about, size, scale, step, names)
	data := struct {
		frame
		Lines  []line
		Marked []span
	}{frame: f}
	for _, s := range all {
		var points []string
		missing := len(names) - len(s.Values)
		for i, v := range s.Values {
			if s.Gap == nil || !s.Gap(i) {
				points = append(points, number(f.center(missing+i, len(names)))+","+number(scale.y(float64(v))))
				if i < len(s.Values)-1 {
					continue
				}
			}
			if len(points) > 0 {
				data.Lines = append(data.Lines, line{s.Class, strings.Join(points, " ")})
				points = nil
			}
		}
	}
	slot := f.slot(len(names))
	for i := 0; i < len(names); i++ {
		first := i
		for i < len(names) && marked(i) {
			i++
		}
		if i > first {
			data.Marked = append(data.Marked, span{number(float64(f.Left) + slot*float64(first)), number(slot * float64(i-first))})
		}
	}
	return d.draw("lines.svg", data)
}
