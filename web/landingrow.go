package web

import (
	"fmt"
	"slices"

	"github.com/dustin/go-humanize"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// regularsMeaning says what r30v2 is.
const regularsMeaning = "people who came back after more than 30 days, within the last 60 (r30v2)"

// unknown stands for a figure that the server does not record.
const unknown = "–"

// windowName is a window as people call it.
type windowName struct {
	Window        activity.Window
	Name, Meaning string
}

func windowNames(windows []activity.Window) (all []windowName) {
	for _, w := range windows {
		all = append(all, windowOf(w))
	}
	return all
}

func windowOf(w activity.Window) windowName {
	return windowName{w, w.Abbreviation(), "distinct users seen within the last " + span(w.Duration())}
}

// landingRow is a server and one of its domains, or a server without figures.
type landingRow struct {
	Server, Software           string
	State                      string // ok, failing or waiting; also a CSS class
	Age                        string // of the figures
	Domain                     string
	Page                       string // of the domain; empty if there is none
	Active                     []landingFigure
	Retained, Accounts, Online string
	Growth, GrowthParts        string
	Daily                      *sparkline // nil without a history
}

// landingFigure repeats its heading, which is far away on a phone.
type landingFigure struct {
	windowName
	Users, Change string
}

func newLandingRow(s collector.Status, windows []windowName) landingRow {
	row := landingRow{
		Server: s.Server, Software: s.Software, State: "ok", Age: "no figures", Domain: "no domain known",
		Retained: unknown, Accounts: unknown, Online: unknown, Growth: unknown,
	}
	for _, w := range windows {
		row.Active = append(row.Active, landingFigure{windowName: w, Users: unknown})
	}
	switch {
	case s.Attempted.IsZero():
		row.State, row.Age = "waiting", "the first refresh is running"
	case !s.Up:
		row.State = "failing"
	}
	return row
}

// forDomain returns the row of one of the server's domains.
func (l landingRow) forDomain(d collector.Domain, c changes) landingRow {
	l.Domain, l.Page = d.Name, domainPath(l.Server, d.Name)
	l.Active = slices.Clone(l.Active)
	for _, a := range d.Active { // not of every window, where the server has counted
		if i := slices.IndexFunc(l.Active, func(f landingFigure) bool { return f.Window == a.Window }); i >= 0 {
			l.Active[i].Users, l.Active[i].Change = humanize.Comma(int64(a.Users)), shortened(c.forWindow(a.Window))
		}
	}
	if d.Retention != nil {
		l.Retained = humanize.Comma(int64(d.Retention.Users))
	}
	if total, known := d.Accounts(); known {
		l.Accounts = humanize.Comma(int64(total))
	}
	if d.Online.Known {
		l.Online = humanize.Comma(int64(d.Online.Number))
	}
	if g := d.Growth; g != nil {
		l.Growth, l.GrowthParts = growthOf(*g)
	}
	l.Daily = newSparkline(d.Daily)
	return l
}

// growthOf writes the growth of 30 days, and what it is made of.
func growthOf(g activity.Growth) (sum, parts string) {
	if g.Few > 0 || g.Churned == activity.Merged { // the sum would tell what is too few to be named
		return unknown, ""
	}
	return signed(g.New + g.Resurrected - g.Churned), fmt.Sprintf("%s new, %s back, %s gone",
		humanize.Comma(int64(g.New)), humanize.Comma(int64(g.Resurrected)), humanize.Comma(int64(g.Churned)))
}

// signed writes "+3", "−3" or "0".
func signed(n int) string {
	switch {
	case n > 0:
		return "+" + humanize.Comma(int64(n))
	case n < 0:
		return "−" + humanize.Comma(int64(-n))
	}
	return "0"
}

// sums are totals over all domains. A figure that is known of no domain is not known.
type sums struct {
	domains                             int
	active                              map[activity.Window]int
	retained, accounts, online          int
	anyRetained, anyAccounts, anyOnline bool
}

func (s *sums) add(d collector.Domain) {
	s.domains++
	if s.active == nil {
		s.active = make(map[activity.Window]int)
	}
	for _, a := range d.Active {
		s.active[a.Window] += a.Users
	}
	if d.Retention != nil {
		s.retained, s.anyRetained = s.retained+d.Retention.Users, true
	}
	if total, known := d.Accounts(); known {
		s.accounts, s.anyAccounts = s.accounts+total, true
	}
	if d.Online.Known {
		s.online, s.anyOnline = s.online+d.Online.Number, true
	}
}

// figures returns the totals, none unless there are several domains to add up.
func (s *sums) figures(windows []windowName) (all []figure) {
	if s.domains < 2 {
		return nil
	}
	add := func(known bool, name, meaning string, n int) {
		if known {
			all = append(all, figure{Name: name, Value: humanize.Comma(int64(n)), Meaning: meaning})
		}
	}
	for _, w := range windows {
		n, known := s.active[w.Window]
		add(known, w.Name, w.Meaning, n)
	}
	add(s.anyRetained, "Regulars", regularsMeaning, s.retained)
	add(s.anyOnline, "Online", "people connected at the last refresh", s.online)
	add(s.anyAccounts, "Accounts", "accounts that exist", s.accounts)
	return all
}
