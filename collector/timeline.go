package collector

import (
	"active_users_exporter/collector/activity"
)

// A Timeline is what daily visits say about the past of a domain, by UTC days. It
// ends with the last day that is over: today would look like a fall until the
// evening.
type Timeline struct {
	Last activity.Day
	// Daily, Weekly and Monthly are the users who came on a day, and on one of the
	// 7 or 30 days that end with it. Each ends with Last and begins with the first
	// day for which all those days are known.
	Daily, Weekly, Monthly []int
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

// Timeline counts the past of one of the domains, at most the given number of days.
// It is counted when it is asked for, which takes some milliseconds for each 100,000
// users; nothing of it costs a refresh or a scrape. It returns false if there is no
// history of such a domain.
func (s *Snapshot) Timeline(domain string, days int) (t Timeline, ok bool) {
	known := 0 // days that are over
	for _, d := range s.Domains {
		if d.Name == domain {
			known = d.History.Number - 1
		}
	}
	if known < 1 || s.calendar == nil {
		return Timeline{}, false
	}
	today := activity.DayOf(s.At)
	t.Last = today - 1
	days = min(days, known)
	lengths := []int{1, activity.WeekDays, activity.GrowthDays}
	counts := s.calendar.VisitorsEach(domain, t.Last, days, lengths...)
	for i, series := range []*[]int{&t.Daily, &t.Weekly, &t.Monthly} {
		unknown := max(0, min(days, days-(known-lengths[i]+1)))
		*series = counts[i][unknown:]
	}
	t.Weeks = s.calendar.WeeklyGrowth(domain, s.At, days/activity.WeekDays)
	t.Cohorts = s.calendar.Cohorts(domain, s.At)
	for _, length := range []int{30, 90, 180, 365} {
		if length <= known {
			t.Lately = append(t.Lately, Lately{length, s.calendar.Visitors(domain, t.Last, length).Users})
		}
	}
	return t, true
}
