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
	// Daily, Weekly and Monthly are the users who came on a day, and on one of the
	// 7 or 30 days that end with it. Each ends with Last and begins with the first
	// day for which all those days are known.
	Daily, Weekly, Monthly []int
}

// A Timeline is what daily visits say about the past of a domain.
type Timeline struct {
	Visitors
	// Weeks is the growth of each week that is over.
	Weeks []activity.WeekGrowth
	// Cohorts are the newcomers of each of the last twelve weeks.
	Cohorts []activity.Cohort
	// Lately are the users who came within the last 30, 90, 180 and 365 days,
	// Last included, as far as these are known.
	Lately []Lately
}

// Lately is the number of users who came within so many days.
type Lately struct{ Days, Users int }

// Visitors counts those of one of the domains, on at most the given number of days.
// They are counted when they are asked for, which takes some milliseconds for each
// 100,000 users; nothing of it costs a refresh or a scrape. It returns false if there
// is no history of such a domain.
func (s *Snapshot) Visitors(domain string, days int) (v Visitors, ok bool) {
	past, ok := s.past(domain, days+activity.GrowthDays)
	if !ok {
		return Visitors{}, false
	}
	return s.visitors(past, days), true
}

// past returns what is known of the last days of a domain, false if nothing is known
// of days that are over.
func (s *Snapshot) past(domain string, days int) (past *activity.Past, ok bool) {
	i, ok := slices.BinarySearchFunc(s.Domains, domain, func(d Domain, name string) int { return strings.Compare(d.Name, name) })
	if !ok || s.calendar == nil || s.Domains[i].History.Number < 2 {
		return nil, false
	}
	return s.calendar.Past(domain, s.At, days), true
}

func (s *Snapshot) visitors(past *activity.Past, days int) (v Visitors) {
	v.Last = activity.DayOf(s.At) - 1
	known := past.Days() - 1 // days that are over
	days = min(days, known)
	lengths := []int{1, activity.WeekDays, activity.GrowthDays}
	counts := past.VisitorsEach(v.Last, days, lengths...)
	for i, series := range []*[]int{&v.Daily, &v.Weekly, &v.Monthly} {
		unknown := max(0, min(days, days-(known-lengths[i]+1)))
		*series = counts[i][unknown:]
	}
	return v
}

// Timeline counts the past of one of the domains, as Visitors does.
func (s *Snapshot) Timeline(domain string, days int) (t Timeline, ok bool) {
	past, ok := s.past(domain, activity.AllDays)
	if !ok {
		return Timeline{}, false
	}
	t.Visitors = s.visitors(past, days)
	known := past.Days() - 1
	t.Weeks = past.WeeklyGrowth(min(days, known) / activity.WeekDays)
	t.Cohorts = past.Cohorts()
	for _, length := range []int{30, 90, 180, 365} {
		if length <= known {
			t.Lately = append(t.Lately, Lately{length, past.Visitors(t.Last, length)})
		}
	}
	return t, true
}
