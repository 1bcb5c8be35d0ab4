package chart

import "html/template"

// bar is a drawn value.
type bar struct{ Class, X, Y, Width, Height string }

// Bars draws bars, for each name one on top of the other in the order of the
// series. Values below zero hang from the axis.
func (d *Drawer) Bars(about About, size Size, names []string, all ...Series) template.HTML {
	highest, lowest := 0, 0
	for i := range names {
		up, down := 0, 0
		for _, s := range all {
			up += max(0, s.at(i, len(names)))
			down += min(0, s.at(i, len(names)))
		}
		highest, lowest = max(highest, up), min(lowest, down)
	}
	scale, step := newScale(size, lowest, highest)
	f := newFrame(about, size, scale, step, names)
	data := struct {
		frame
		Bars []bar
	}{frame: f}
	const gap = 0.2 // of a place
	width := f.slot(len(names)) * (1 - gap)
	for i := range names {
		up, down := 0.0, 0.0
		for _, s := range all {
			value := float64(s.at(i, len(names)))
			from := up
			if value < 0 {
				from = down
				down += value
			} else {
				up += value
			}
			if value == 0 {
				continue
			}
			high, low := scale.y(max(from, from+value)), scale.y(min(from, from+value))
			data.Bars = append(data.Bars, bar{s.Class, number(f.center(i, len(names)) - width/2), number(high), number(width), number(low - high)})
		}
	}
	return d.draw("bars.svg", data)
}

// at returns the value at one of n places, 0 where it is not known.
func (s Series) at(i, n int) int {
	if i -= n - len(s.Values); i >= 0 {
		return s.Values[i]
	}
	return 0
}
