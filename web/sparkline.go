package web

import (
	"fmt"
	"slices"
	"strings"

	"active_users_exporter/collector"
)

// sparkline is a small line of visitors a day, in a box of sparklineWidth by
// sparklineHeight. It has a gap where they are not known.
type sparkline struct {
	Width, Height int
	Lines         []line
	Label         string // the same for those who do not see it
}

// line is a part of a sparkline without a gap.
type line struct {
	Points string // of an SVG polyline
	Area   string // points of the polygon below it
}

const (
	sparklineWidth  = 120
	sparklineHeight = 28
	// sparklineMargin keeps half the stroke within the box.
	sparklineMargin = 2
)

// newSparkline draws the visitors of past days, from 0 at the bottom: a young
// history takes as much less room as it is shorter. Nil if there is no line to
// draw yet.
func newSparkline(daily []collector.Count) *sparkline {
	var known []int
	for _, day := range daily {
		if day.Known {
			known = append(known, day.Number)
		}
	}
	if len(known) < 2 {
		return nil
	}
	s := &sparkline{
		Width: sparklineWidth, Height: sparklineHeight,
		Label: fmt.Sprintf("Visitors a day, the last %d days: between %d and %d, %d on the newest day", len(daily), slices.Min(known), slices.Max(known), known[len(known)-1]),
	}
	if unknown := len(daily) - len(known); unknown > 0 {
		s.Label += fmt.Sprintf(" that is known; %d are not known", unknown)
	}
	for first := 0; first < len(daily); first++ {
		end := first
		for end < len(daily) && daily[end].Known {
			end++
		}
		if end > first {
			s.Lines = append(s.Lines, newLine(daily[first:end], len(daily)-end, max(1, slices.Max(known))))
			first = end
		}
	}
	return s
}

// newLine draws days in a row; the newest is so many days before the end
// of the sparkline. Most is the number at its top.
func newLine(daily []collector.Count, before, most int) line {
	const (
		step   = float64(sparklineWidth-2*sparklineMargin) / (collector.DailyDays - 1)
		bottom = sparklineHeight - sparklineMargin
	)
	x := func(day int) float64 { return sparklineWidth - sparklineMargin - step*float64(before+len(daily)-1-day) }
	var points strings.Builder
	for day, n := range daily {
		y := sparklineMargin + float64(sparklineHeight-2*sparklineMargin)*(1-float64(n.Number)/float64(most))
		_, _ = fmt.Fprintf(&points, "%.1f,%.1f ", x(day), y)
		if len(daily) == 1 { // a dot: a line needs two ends
			_, _ = fmt.Fprintf(&points, "%.1f,%.1f ", x(day)-1, y)
		}
	}
	l := line{Points: strings.TrimSpace(points.String())}
	l.Area = fmt.Sprintf("%.1f,%d %s %.1f,%d", x(0), bottom, l.Points, x(len(daily)-1), bottom)
	return l
}
