package collector

import (
	"slices"
	"strings"
	"sync"

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
	// Cohorts are the newcomers of each of the last twelve weeks, in weeks that are over.
	Cohorts []activity.Cohort
	// FewCohorts are those of Cohorts that are activity.Merged, by week.
	FewCohorts []int
}

// Visitors counts those of one of the domains, on at most the given number of days.
// They are counted when they are asked for; nothing of it costs a refresh or a scrape. It
// returns false if there is no history of such a domain.
func (s *Snapshot) Visitors(domain string, days int) (v Visitors, ok bool) {
	past, ok := s.past(domain, days+activity.GrowthDays)
	if !ok {
		return Visitors{}, false
	}
	counts := past.VisitorsEach(s.lastOver(), min(days, past.Days()-1), visitorLengths()...)
	return s.visitors(domain, past.Days()-1, counts), true
}

// visitorLengths are those of Visitors, in days.
func visitorLengths() []int { return []int{1, activity.WeekDays, activity.GrowthDays} }

// lastOver returns the last day that is over.
func (s *Snapshot) lastOver() activity.Day { return activity.DayOf(s.At) - 1 }

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

// visitors returns what was counted, if so many days that are over are known.
func (s *Snapshot) visitors(domain string, known int, counts [][]int) (v Visitors) {
	v.Last = s.lastOver()
	days := len(counts[0])
	for i, users := range counts[0] {
		day := Count{}
		if s.calendar.IsComplete(domain, v.Last-activity.Day(days-1-i)) {
			day = Known(users)
		}
		v.Daily = append(v.Daily, day)
	}
	reaching := func(i int) []int { return counts[i][max(0, min(days, days-(known-visitorLengths()[i]+1))):] }
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

// Timeline counts the past of one of the domains, as Visitors does. What it returns is kept
// until a day that is over is another one, and must not be changed.
func (s *Snapshot) Timeline(domain string, days int) (t Timeline, ok bool) {
	past, ok := s.past(domain, activity.AllDays)
	if !ok {
		return Timeline{}, false
	}
	// Small cells of the present week have others merged with them.
	key := past.Key(s.minimum > 1)
	return s.timelines.keep(domain, days, key, func() Timeline { return s.timeline(domain, past, days) }), true
}

func (s *Snapshot) timeline(domain string, past *activity.Past, days int) (t Timeline) {
	known := past.Days() - 1
	days = min(days, known)
	counts := past.Counts(days/activity.WeekDays, s.lastOver(), days, visitorLengths()...)
	t.Visitors = s.visitors(domain, known, counts.Visitors)
	for _, w := range counts.Weeks {
		if s.complete(domain, w.Week-activity.WeekDays, w.Week+activity.WeekDays-1) {
			t.Weeks = append(t.Weeks, w)
		}
	}
	t.Cohorts = counts.Cohorts
	t.withMinimum(s.minimum)
	for i := range t.Cohorts { // the present week is not over
		t.Cohorts[i].Users = t.Cohorts[i].Users[:len(t.Cohorts[i].Users)-1]
	}
	return t
}

// timelines are those that were counted last. The snapshots of a server share them.
type timelines struct {
	counting sync.Mutex // one at a time
	counted  map[string]countedTimeline
}

// countedTimeline is one of a domain, and what it was counted from.
type countedTimeline struct {
	days     int
	key      activity.PastKey
	timeline Timeline
}

// mostTimelines is how many timelines are kept: at 15 KB each, 4 MB.
const mostTimelines = 256

// keep returns the timeline that was counted under an equal key, or counts one.
func (all *timelines) keep(domain string, days int, key activity.PastKey, count func() Timeline) Timeline {
	if all == nil {
		return count()
	}
	all.counting.Lock()
	defer all.counting.Unlock()
	if known, ok := all.counted[domain]; ok && known.days == days && known.key.Equal(key) {
		return known.timeline
	}
	if len(all.counted) >= mostTimelines {
		clear(all.counted)
	}
	t := count()
	all.counted[domain] = countedTimeline{days, key, t}
	return t
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
