package web

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
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
	Received
	Within string
}

// unknown stands for a figure that the server does not record.
const unknown = "–"

// landingPage serves a table of the servers' newest figures, without scripts.
func (p *pages) landing() http.Handler {
	page := template.Must(template.ParseFS(landingFiles, "landing.html"))
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c := p.Configuration()
		view := landingView{
			Version: version.Version, TelemetryPath: p.TelemetryPath, NodeInfo: c.NodeInfo.Enabled,
			Windows: landingWindows(c.Windows), Reports: p.landingReports(),
		}
		for _, s := range p.Statuses() {
			view.add(s, p.Clock())
		}
		slices.SortStableFunc(view.Troubles, func(a, b landingTrouble) int { return cmp.Compare(a.rank(), b.rank()) })
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
		if err := page.Execute(w, view); err != nil {
			_ = level.Debug(p.Logger).Log("msg", "could not send the landing page", "err", err)
		}
	})
}

// landingReports returns what has been received, nil if nothing is.
func (p *pages) landingReports() *landingReports {
	if p.Received == nil {
		return nil
	}
	received := p.Received()
	return &landingReports{received, span(received.Within)}
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
