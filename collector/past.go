package collector

import (
	"io"
	"slices"
	"strings"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/metric"
)

// PastDomain returns what daily visits say of a domain at the end of a UTC day.
// Its windows are of whole days, whereas those of the present slide; retention and
// growth are counted as at present. Before the first visit nothing is known.
func PastDomain(date activity.Day, f DomainFacts, cal *activity.Calendar, windows []activity.Window, classes *activity.Classes, least activity.Minimum) Domain {
	d := Domain{Name: f.Name}
	// The first moment of the day has the same 60 days of visits as its last
	// moment, except those of the next day, which did not exist then.
	d.addHistory(date.Start(), f, cal, classes)
	if d.Retention != nil {
		d.Retention.Kinds = nil // which accounts there were is not known
	}
	reach := cal.HistoryDays(f.Name, date.Start())
	if reach == 0 || !cal.IsComplete(f.Name, date) { // no visits were kept yet, or the exporter was off
		return Domain{Name: f.Name}
	}
	for _, w := range windows {
		const day = 24 * time.Hour
		days := int(w.Duration() / day)
		if w.Duration()%day != 0 || reach < days {
			continue
		}
		visitors := cal.Visitors(f.Name, date, days)
		users := ActiveUsers{Window: w, Users: visitors.Users}
		if f.KeepsVisits || f.Clients {
			users.Clients = named(visitors.Clients, classes)
		}
		d.Active = append(d.Active, users)
	}
	if least > 1 {
		d.withMinimum(least)
	}
	return d
}

// PastSnapshot returns what daily visits say of all domains of a server at the end of a
// UTC day: it is as if the exporter had been asked then.
func PastSnapshot(date activity.Day, facts Facts, cal *activity.Calendar, windows []activity.Window, classes *activity.Classes, least activity.Minimum) *Snapshot {
	s := &Snapshot{At: (date + 1).Start(), Version: facts.Version, Database: facts.Database, calendar: cal, minimum: least}
	for _, f := range facts.Domains {
		s.Domains = append(s.Domains, PastDomain(date, f, cal, windows, classes, least))
	}
	slices.SortFunc(s.Domains, func(a, b Domain) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// MonthUsers are the users of a domain who came often enough in a UTC calendar month.
type MonthUsers struct {
	Domain string
	Users  int
	Kinds  []KindUsers // which add up to Users; empty if kinds of accounts are not known
	// Off is the number of days of the month on which the exporter was off: users
	// who came only then are missing.
	Off int
	// Unknown says why the month is not known, "" if it is.
	Unknown string
}

// UsersOfMonth counts the users who came on at least the given number of the UTC days of
// the calendar month that begins with first, up to now if it is not over. With 1 it is
// what chat_month_users shows.
// Kinds with fewer users than the minimum are merged.
func UsersOfMonth(first activity.Day, least int, now time.Time, f DomainFacts, cal *activity.Calendar, minimum activity.Minimum) MonthUsers {
	m := MonthUsers{Domain: f.Name}
	today := activity.DayOf(now)
	_, next := activity.MonthOf(first.Start())
	switch known := today - activity.Day(cal.HistoryDays(f.Name, now)) + 1; {
	case known > today:
		m.Unknown = "there is no history of visits"
	case known > first:
		m.Unknown = "visits are known from " + known.String() + " on"
	}
	if m.Unknown != "" {
		return m
	}
	counts := cal.Frequent(f.Name, first, min(next-1, today), least)
	for _, n := range counts {
		m.Users += n
	}
	m.Kinds = mergeKinds(minimum, f.kinds(m.Users, counts, homeserverKinds()))
	for date := first; date < min(next, today); date++ {
		if !cal.IsComplete(f.Name, date) {
			m.Off++
		}
	}
	return m
}

// WritePast writes the families about users at all of the moments, as
// metric.WritePast does.
func WritePast(w io.Writer, moments []metric.Past[Status], repeat metric.Repetition) error {
	return metric.WritePast(w, owner(), slices.Concat(activeUsers(), returningUsers()), moments, repeat)
}
