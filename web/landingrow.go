package web

import (
	"fmt"
	"slices"
	"strconv"

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
	Asleep                     string // of the accounts; empty if it is not known
	Growth, GrowthParts        string
	Daily                      *sparkline // nil without a history
}

// landingFigure repeats its heading, which is far away on a phone.
type landingFigure struct {
	windowName
	Users, Change string
	Types         string // of accounts, in the longest window; empty if they are not known
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
	if last := len(l.Active) - 1; last >= 0 && len(d.Active) > 0 && d.Active[len(d.Active)-1].Window == l.Active[last].Window {
		l.Active[last].Types = typesOf(d.Active[len(d.Active)-1])
	}
	if d.Retention != nil {
		l.Retained = humanize.Comma(int64(d.Retention.Users))
	}
	if total, known := d.Accounts(); known {
		l.Accounts = humanize.Comma(int64(total))
	}
	if a, known := asleepOf(d); known {
		l.Asleep = a.String()
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

// typesOf writes how many active users have accounts of people; nothing if it is not known,
// or if there can be no others. A number and its word stay on one line.
func typesOf(a collector.ActiveUsers) string {
	const space = "\u00a0"
	i := slices.IndexFunc(a.Kinds, func(k collector.KindUsers) bool { return k.Kind == activity.Native })
	if i < 0 || len(a.Kinds) < 2 {
		return ""
	}
	natives := a.Kinds[i].Users
	if natives == a.Users {
		return "all" + space + "native"
	}
	return humanize.Comma(int64(natives)) + space + "native, " + humanize.Comma(int64(a.Users-natives)) + space + "others"
}

// asleep is how many of the accounts of people sleep.
type asleep struct {
	sleeping, accounts int
	unsure             bool // whether for some it is not known
}

// asleepMeaning says what that is.
const asleepMeaning = "accounts of people who were last seen 90 or more days ago, or never"

// asleepOf returns those of a domain, false if it is not known, or if too few to be named
// are among them.
func asleepOf(d collector.Domain) (a asleep, known bool) {
	if d.Dormancy == nil {
		return a, false
	}
	for _, n := range d.Dormancy[activity.NinetyDays : activity.Never+1] {
		if n == activity.Merged {
			return a, false
		}
		a.sleeping += n
	}
	a.accounts, a.unsure = nativesOf(d), d.Dormancy[activity.Unremembered] != 0
	return a, a.accounts > 0
}

// String writes "38 % asleep", or nothing if that would say nothing.
func (a asleep) String() string {
	percent := percentOf(a.sleeping, a.accounts)
	text := strconv.Itoa(percent) + "\u00a0% asleep"
	switch {
	case a.unsure && percent == 0:
		return ""
	case a.unsure:
		return "at\u00a0least " + text
	}
	return text
}

// nativesOf returns the number of accounts of people, 0 if it is not shown.
func nativesOf(d collector.Domain) int {
	for _, a := range d.Registered {
		if a.Type == collector.Native {
			return a.Users
		}
	}
	return 0
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

// sum is a total over the domains that tell. A figure that none tells is not known.
type sum struct{ users, domains int }

func (s sum) plus(n int) sum { return sum{s.users + n, s.domains + 1} }

// sums are totals.
type sums struct {
	domains                    int // those that tell and those that do not
	active                     map[activity.Window]sum
	retained, accounts, online sum
	asleep                     asleep
	awakeUnknown               bool // whether it is not known how many sleep
}

func (s *sums) add(d collector.Domain) {
	s.domains++
	if s.active == nil {
		s.active = make(map[activity.Window]sum)
	}
	for _, a := range d.Active {
		s.active[a.Window] = s.active[a.Window].plus(a.Users)
	}
	if d.Retention != nil {
		s.retained = s.retained.plus(d.Retention.Users)
	}
	if total, known := d.Accounts(); known {
		s.accounts = s.accounts.plus(total)
		s.addAsleep(d)
	}
	if d.Online.Known {
		s.online = s.online.plus(d.Online.Number)
	}
}

// addAsleep adds the accounts that sleep.
func (s *sums) addAsleep(d collector.Domain) {
	a, known := asleepOf(d)
	s.asleep.sleeping += a.sleeping
	s.asleep.accounts += a.accounts
	s.asleep.unsure = s.asleep.unsure || a.unsure
	s.awakeUnknown = s.awakeUnknown || !known
}

// figures returns the totals, none unless there are several domains to add up. Each says if
// it is not that of all domains.
func (s *sums) figures(windows []windowName) (all []figure) {
	if s.domains < 2 {
		return nil
	}
	add := func(name, meaning string, total sum, more string) {
		if total.domains == 0 {
			return
		}
		if total.domains < s.domains {
			meaning += fmt.Sprintf(", in %d of %d domains; the others do not tell", total.domains, s.domains)
		}
		all = append(all, figure{name, humanize.Comma(int64(total.users)), more, meaning})
	}
	for _, w := range windows {
		add(w.Name, w.Meaning, s.active[w.Window], "")
	}
	add("Regulars", regularsMeaning, s.retained, "")
	add("Online", "people connected at the last refresh", s.online, "")
	sleeping := ""
	if s.asleep.accounts > 0 && !s.awakeUnknown {
		sleeping = s.asleep.String()
	}
	add("Accounts", "accounts that exist", s.accounts, sleeping)
	return all
}
