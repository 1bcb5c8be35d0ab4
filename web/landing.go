package main

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-kit/log/level"
	"github.com/prometheus/common/version"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

//go:embed landing.html
var landingFiles embed.FS

// landingView is what the landing page shows.
type landingView struct {
	Version       string
	TelemetryPath string
	NodeInfo      bool
	Windows       []landingWindow
	Troubles      []landingTrouble
	Failures      []landingFailure
	Rows          []landingRow
	Reports       *landingReports
}

// landingWindow is the heading of a column of active users.
type landingWindow struct {
	Window        activity.Window
	Name, Meaning string
}

// landingTrouble is a module that somebody should look at.
type landingTrouble struct{ Server, Domain, Module, State string }

// rank puts warnings last.
func (t landingTrouble) rank() int {
	if t.State == "warning" {
		return 1
	}
	return 0
}

// landingFailure is a server that could not be read.
type landingFailure struct{ Server, Error string }

// landingRow is a server and one of its domains, or a server without figures.
type landingRow struct {
	Server, Software   string
	State              string // ok, failing or waiting; also a CSS class
	Age                string // of the figures
	Domain             string
	Active             []landingFigure
	Retained, Accounts string
	Daily              *sparkline // nil without a history
}

// landingFigure repeats its heading, which is far away on a phone.
type landingFigure struct {
	landingWindow
	Users string
}

// landingReports is what the receiver has heard.
type landingReports struct {
	Homeservers, Clusters int
	Within                string
	Rejected              uint64
}

// unknown stands for a figure that the server does not record.
const unknown = "–"

// landingPage serves a table of the servers' newest figures, without scripts.
func (e *Exporter) landingPage(telemetryPath string) http.Handler {
	page := template.Must(template.ParseFS(landingFiles, "landing.html"))
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		view := landingView{Version: version.Version, TelemetryPath: telemetryPath, NodeInfo: e.nodeInfo.Load().Enabled, Reports: e.landingReports()}
		for _, s := range *e.servers.Load() {
			if view.Windows == nil { // the same for all
				view.Windows = landingWindows(s.settings.windows)
			}
			view.add(s.Status(), e.clock())
		}
		slices.SortStableFunc(view.Troubles, func(a, b landingTrouble) int { return cmp.Compare(a.rank(), b.rank()) })
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
		if err := page.Execute(w, view); err != nil {
			_ = level.Debug(e.logger).Log("msg", "could not send the landing page", "err", err)
		}
	})
}

// landingReports returns what has been received, nil if nothing is.
func (e *Exporter) landingReports() *landingReports {
	reports := e.Reports()
	if reports == nil {
		return nil
	}
	view := &landingReports{
		Homeservers: len(reports.Homeservers) + reports.Overflow, Clusters: len(reports.Clusters),
		Within: span(e.first.Reports.ExpireAfter),
	}
	for _, n := range reports.Rejected {
		view.Rejected += n
	}
	return view
}

// landingWindows names the windows as people call them.
func landingWindows(windows []activity.Window) (all []landingWindow) {
	for _, w := range windows {
		name := w.String()
		switch name {
		case "1d":
			name = "DAU"
		case "7d":
			name = "WAU"
		case "30d":
			name = "MAU"
		}
		all = append(all, landingWindow{w, name, "distinct users seen within the last " + span(w.Duration())})
	}
	return all
}

// add adds what is known of one server.
func (v *landingView) add(s collector.Status, now time.Time) {
	row := landingRow{Server: s.Server, Software: s.Software, State: "ok", Age: "no figures", Domain: "no domain known", Retained: unknown, Accounts: unknown}
	for _, w := range v.Windows {
		row.Active = append(row.Active, landingFigure{w, unknown})
	}
	switch {
	case s.Attempted.IsZero():
		row.State, row.Age = "waiting", "the first refresh is running"
	case !s.Up:
		row.State = "failing"
		v.Failures = append(v.Failures, landingFailure{s.Server, s.Err.Error()})
	}
	if s.Snapshot == nil {
		v.Rows = append(v.Rows, row)
		return
	}
	row.Age = age(now.Sub(s.Snapshot.At))
	for _, d := range s.Snapshot.Domains {
		v.Rows = append(v.Rows, row.of(d))
	}
	if len(s.Snapshot.Domains) == 0 {
		v.Rows = append(v.Rows, row)
	}
	for _, m := range s.Snapshot.Modules {
		if trouble := m.Trouble(); trouble != "" {
			if m.Domain == collector.AllDomains {
				m.Domain = "the whole server"
			}
			v.Troubles = append(v.Troubles, landingTrouble{s.Server, m.Domain, m.Name, trouble})
		}
	}
}

// of returns the row of one of the server's domains.
func (l landingRow) of(d collector.Domain) landingRow {
	l.Domain = d.Name
	l.Active = slices.Clone(l.Active)
	for _, a := range d.Active { // not of every window, where the server has counted
		if i := slices.IndexFunc(l.Active, func(f landingFigure) bool { return f.Window == a.Window }); i >= 0 {
			l.Active[i].Users = strconv.Itoa(a.Users)
		}
	}
	if d.Retention != nil {
		l.Retained = strconv.Itoa(d.Retention.Users)
	}
	if total, known := d.Accounts(); known {
		l.Accounts = strconv.Itoa(total)
	}
	l.Daily = newSparkline(d.Daily)
	return l
}

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

// age writes how long ago something was.
func age(d time.Duration) string {
	if d < 2*time.Minute {
		return "just now"
	}
	return span(d) + " ago"
}

// span writes a length of time in the largest unit that gives a number above
// one.
func span(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "days"}, {time.Hour, "hours"}, {time.Minute, "minutes"}} {
		if d >= 2*unit.length {
			return fmt.Sprintf("%d %s", d/unit.length, unit.name)
		}
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}
