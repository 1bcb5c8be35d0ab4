package main

import (
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
	Windows       []activity.Window
	Servers       []landingServer
}

type landingServer struct {
	Name, Software string
	State          string // ok, failing or waiting; also a CSS class
	Error          string
	Age            string // of the figures, "" without any
	Domains        []landingDomain
	Troubles       []collector.Module
}

type landingDomain struct {
	Name               string
	Active             []string // by window
	Retained, Accounts string
}

// unknown stands for a figure that the server does not record.
const unknown = "–"

// landingPage serves a table of the servers' newest figures, without scripts.
func (e *Exporter) landingPage(telemetryPath string) http.Handler {
	page := template.Must(template.ParseFS(landingFiles, "landing.html"))
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		view := landingView{Version: version.Version, TelemetryPath: telemetryPath}
		for _, s := range *e.servers.Load() {
			view.Windows = s.settings.windows // the same for all
			view.Servers = append(view.Servers, landingOf(s.Status(), len(view.Windows), e.clock()))
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
		if err := page.Execute(w, view); err != nil {
			_ = level.Debug(e.logger).Log("msg", "could not send the landing page", "err", err)
		}
	})
}

func landingOf(s collector.Status, windows int, now time.Time) landingServer {
	l := landingServer{Name: s.Server, Software: s.Software, State: "ok"}
	switch {
	case s.Attempted.IsZero():
		l.State = "waiting"
	case !s.Up:
		l.State, l.Error = "failing", s.Err.Error()
	}
	if s.Snapshot == nil {
		return l
	}
	l.Age = age(now.Sub(s.Snapshot.At))
	for _, d := range s.Snapshot.Domains {
		l.Domains = append(l.Domains, landingDomainOf(d, windows))
	}
	for _, m := range s.Snapshot.Modules {
		if m.Trouble() != "" {
			l.Troubles = append(l.Troubles, m)
		}
	}
	return l
}

func landingDomainOf(d collector.Domain, windows int) landingDomain {
	l := landingDomain{Name: d.Name, Active: slices.Repeat([]string{unknown}, windows), Retained: unknown, Accounts: unknown}
	for i, a := range d.Active {
		l.Active[i] = strconv.Itoa(a.Users)
	}
	if d.Retention != nil {
		l.Retained = strconv.Itoa(d.Retention.Users)
	}
	if total, known := d.Accounts(); known {
		l.Accounts = strconv.Itoa(total)
	}
	return l
}

// age writes how long ago something was, in the largest unit that gives a
// number above one.
func age(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "days"}, {time.Hour, "hours"}, {time.Minute, "minutes"}} {
		if d >= 2*unit.length {
			return fmt.Sprintf("%d %s ago", d/unit.length, unit.name)
		}
	}
	return "just now"
}
