package collector

import (
	"slices"
	"strings"

	"active_users_exporter/collector/activity"
)

// Visitors are the users who came on past UTC days. They end with the last day that
// is over: today would look like a fall until the evening.
type Visitors struct {
	Last activity.Day
	// Daily are the users who came on a day, the oldest first. A day on which the
	// exporter was off is not known, if the server keeps no visits itself.
	Daily []Count
	// Weekly and Monthly are the users who came on one of the 7 or 30 days that end
	// with a day: those who are known, if the exporter was off. Each ends with Last
	// and begins with the first day for which the history reaches back far enough.
	Weekly, Monthly []int
}

// A Timeline is what daily visits say about the past of a domain.
type Timeline struct {
	Visitors
	// Weeks is the growth of each week that is over, except weeks in which, or
	// before which, days are not known.
	Weeks []activity.WeekGrowth
	// Cohorts are the newcomers of each of the last twelve weeks.
	Cohorts []activity.Cohort
	// FewCohorts are those of Cohorts that are activity.Merged, by week.
	FewCohorts []int
}

// Visitors counts those of one of the domains, on at most the given number of days.
// They are counted when they are asked for, which takes some milliseconds for each
// 100,000 users; nothing of it costs a refresh or a scrape. It returns false if there
// is no history of such a domain.
func (s *Snapshot) Visitors(domain string, days int) (v Visitors, ok bool) {
	past, ok := s.past(domain, days+activity.GrowthDays)
	if !ok {
		return Visitors{}, false
	}
	return s.visitors(domain, past, days), true
}

// past returns what is known of the last days of a domain, false if nothing is known
// of days that are over.
func (s *Snapshot) past(domain string, days int) (past *activity.Past, ok bool) {
	i, ok := slices.BinarySearchFunc(s.Domains, domain, func(d Domain, name string) int { return strings.Compare(d.Name, name) })
	if !ok || s.calendar == nil || !s.Domains[i].History.Known {
		return nil, false
	}
	past = s.calendar.Past(domain, s.At, days)
	return past, past.Days() > 1
}

func (s *Snapshot) visitors(domain string, past *activity.Past, days int) (v Visitors) {
	v.Last = activity.DayOf(s.At) - 1
	known := past.Days() - 1 // days that are over
	days = min(days, known)
	lengths := []int{1, activity.WeekDays, activity.GrowthDays}
	counts := past.VisitorsEach(v.Last, days, lengths...)
	for i, users := range counts[0] {
		day := Count{}
		if s.calendar.IsComplete(domain, v.Last-activity.Day(days-1-i)) {
			day = Known(users)
		}
		v.Daily = append(v.Daily, day)
	}
	reaching := func(i int) []int { return counts[i][max(0, min(days, days-(known-lengths[i]+1))):] }
	v.Weekly, v.Monthly = reaching(1), reaching(2)
	return v
}

// VisitorsBetween counts the users of a domain who came on one of the days from first to
// last. It returns false if the history does not reach back so far, or does not know
// one of these days.
func (s *Snapshot) VisitorsBetween(domain string, first, last activity.Day) (users int, ok bool) {
	past, ok := s.past(domain, activity.AllDays)
	if !ok || first <= activity.DayOf(s.At)-activity.Day(past.Days()) || !s.complete(domain, first, last) {
		return 0, false
	}
	return past.Visitors(last, int(last-first)+1), true
}

// Timeline counts the past of one of the domains, as Visitors does.
func (s *Snapshot) Timeline(domain string, days int) (t Timeline, ok bool) {
	past, ok := s.past(domain, activity.AllDays)
	if !ok {
		return Timeline{}, false
	}
	t.Visitors = s.visitors(domain, past, days)
	known := past.Days() - 1
	for _, w := range past.WeeklyGrowth(min(days, known) / activity.WeekDays) {
		if s.complete(domain, w.Week-activity.WeekDays, w.Week+activity.WeekDays-1) {
			t.Weeks = append(t.Weeks, w)
		}
	}
	t.Cohorts = past.Cohorts()
	t.withMinimum(s.minimum)
	return t, true
}

// complete says whether all days from first to last are known.
func (s *Snapshot) complete(domain string, first, last activity.Day) bool {
	for day := first; day <= last; day++ {
		if !s.calendar.IsComplete(domain, day) {
			return false
		}
	}
	return true
}
