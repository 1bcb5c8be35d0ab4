package web

import (
	"fmt"
	"slices"
	"strings"

	"active_users_exporter/collector"
)

// sparkline is a small line of visitors a day, in a box of sparklineWidth by
// sparklineHeight.
type sparkline struct {
	Width, Height int
	Points, Area  string // of an SVG polyline, and of the polygon below it
	Label         string // the same for those who do not see it
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
func newSparkline(daily []int) *sparkline {
	if len(daily) < 2 {
		return nil
	}
	var points strings.Builder
	most := max(1, slices.Max(daily))
	const step = float64(sparklineWidth-2*sparklineMargin) / (collector.DailyDays - 1)
	for i, n := range daily {
		x := sparklineWidth - sparklineMargin - step*float64(len(daily)-1-i)
		y := sparklineMargin + float64(sparklineHeight-2*sparklineMargin)*(1-float64(n)/float64(most))
		_, _ = fmt.Fprintf(&points, "%.1f,%.1f ", x, y)
	}
	line := strings.TrimSpace(points.String())
	const right, bottom = sparklineWidth - sparklineMargin, sparklineHeight - sparklineMargin
	return &sparkline{
		Width: sparklineWidth, Height: sparklineHeight, Points: line,
		Area:  fmt.Sprintf("%.1f,%d %s %d,%d", right-step*float64(len(daily)-1), bottom, line, right, bottom),
		Label: fmt.Sprintf("Visitors a day, the last %d days: between %d and %d, %d on the newest day", len(daily), slices.Min(daily), slices.Max(daily), daily[len(daily)-1]),
	}
}
