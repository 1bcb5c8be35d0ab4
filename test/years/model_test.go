package years_test

import (
	"fmt"
	"maps"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// The figures are counted here once more, from plain sets and in the words of
// docs/definitions.md, with nothing of package activity but the numbers of days.

// visitors are the users who came on a day.
type visitors map[activity.Day]map[string]bool

func (v visitors) add(date activity.Day, user string) {
	if v[date] == nil {
		v[date] = make(map[string]bool)
	}
	v[date][user] = true
}

func (v visitors) clone() visitors {
	clone := make(visitors, len(v))
	for date, set := range v {
		clone[date] = maps.Clone(set)
	}
	return clone
}

// between are the users who came on one of some days, the last included.
func (v visitors) between(first, last activity.Day) map[string]bool {
	set := make(map[string]bool)
	for date := first; date <= last; date++ {
		maps.Copy(set, v[date])
	}
	return set
}

// known is all that may be known at one moment.
type known struct {
	now        time.Time
	lastSeen   map[string]time.Time
	visits     visitors
	keeps      bool         // the server keeps visits itself
	first      activity.Day // from which on visits are known
	observed   func(activity.Day) bool
	registered map[collector.AccountType]int
	damaged    int
}

// figures by name; what is not known is not there.
type figures map[string]int

const longest = 400 // days that matter

// count counts everything.
func (k known) count() figures {
	f := figures{"damaged": k.damaged}
	for accountType, n := range k.registered {
		f["registered "+string(accountType)] = n
	}
	for _, days := range []int{1, 7, 30} {
		f[fmt.Sprintf("active %dd", days)] = k.seenWithin(time.Duration(days) * day)
	}
	today := activity.DayOf(k.now)
	history := max(0, int(today-k.first)+1)
	observed := 0
	for date := k.first; date <= today; date++ {
		if k.keeps || k.observed(date) {
			observed++
		}
	}
	f["history"] = observed
	if k.keeps || history >= 32 {
		f["r30v2"] = k.returned()
	}
	if k.keeps || history >= 28 {
		k.habit(f, today)
	}
	if k.keeps || history >= 60 {
		k.accounting(f, "growth", today, 30, today-59)
	}
	for _, days := range []activity.Day{28, 7, 1} {
		if k.keeps || observed >= max(2*int(days), int(days)+30) {
			k.accounting(f, fmt.Sprintf("lifecycle %d", days), today, days, today-2*days+1)
		}
	}
	k.months(f)
	for ago := activity.Day(1); ago <= 30 && int(ago) < history; ago++ {
		if date := today - ago; k.keeps || k.observed(date) && k.observed(date+1) {
			f[fmt.Sprintf("on day -%d", ago)] = len(k.visits[date])
		}
	}
	if k.keeps {
		f["visitors of 30 days"] = len(k.visits.between(today-29, today))
	}
	if history >= 180 {
		f["visitors of 180 days"] = len(k.visits.between(today-179, today))
	}
	return f
}

func (k known) seenWithin(window time.Duration) (n int) {
	for _, at := range k.lastSeen {
		if k.now.Sub(at) < window {
			n++
		}
	}
	return n
}

// returned is r30v2: users with two visits more than 30 days apart, of those later
// than 60 days ago and earlier than in a day.
func (k known) returned() (n int) {
	came := make(map[string][]time.Time)
	for date, set := range k.visits {
		at := date.Start()
		if !at.After(k.now.Add(-60*day)) || !at.Before(k.now.Add(day)) {
			continue
		}
		for user := range set {
			came[user] = append(came[user], at)
		}
	}
	for _, all := range came {
		first, last := all[0], all[0]
		for _, at := range all {
			if at.Before(first) {
				first = at
			}
			if at.After(last) {
				last = at
			}
		}
		if last.Sub(first) > 30*day {
			n++
		}
	}
	return n
}

// habit is how many users came on so many of the last 28 days.
func (k known) habit(f figures, today activity.Day) {
	days := make(map[string]int)
	for date := today - 27; date <= today; date++ {
		for user := range k.visits[date] {
			days[user]++
		}
	}
	for n := 1; n <= 28; n++ {
		f[fmt.Sprintf("on %d of 28 days", n)] = 0
	}
	for _, n := range days {
		f[fmt.Sprintf("on %d of 28 days", n)]++
	}
}

// accounting compares the users of the last days, of the days before these, and of the
// time before a day.
func (k known) accounting(f figures, name string, today, days, early activity.Day) {
	now := k.visits.between(today-days+1, today)
	before := k.visits.between(today-2*days+1, today-days)
	earlier := k.visits.between(today-longest+1, early-1)
	for _, what := range []string{"active", "before", "new", "retained", "back", "gone"} {
		f[name+" "+what] = 0
	}
	for user := range now {
		f[name+" active"]++
		switch {
		case before[user]:
			f[name+" retained"]++
		case earlier[user]:
			f[name+" back"]++
		default:
			f[name+" new"]++
		}
	}
	for user := range before {
		f[name+" before"]++
		if !now[user] {
			f[name+" gone"]++
		}
	}
}

// months are the users of each of the last 13 calendar months that are known from
// their first day on.
func (k known) months(f figures) {
	today := activity.DayOf(k.now)
	for ago := range 13 {
		begin := time.Date(k.now.Year(), k.now.Month()-time.Month(ago), 1, 0, 0, 0, 0, time.UTC)
		if first := activity.DayOf(begin); first >= k.first {
			f["month "+begin.Format("2006-01")] = len(k.visits.between(first, min(today, activity.DayOf(begin.AddDate(0, 1, 0))-1)))
		}
	}
}

// shown are the figures of a snapshot, under the same names.
func shown(d collector.Domain) figures {
	f := figures{"damaged": d.Damaged}
	for _, a := range d.Registered {
		f["registered "+string(a.Type)] = a.Users
	}
	for _, a := range d.Active {
		f["active "+a.Window.String()] = a.Users
	}
	if d.History.Known {
		f["history"] = d.History.Number
	}
	if d.Retention != nil {
		f["r30v2"] = d.Retention.Users
	}
	if d.Habit != nil {
		for n := 1; n <= 28; n++ {
			f[fmt.Sprintf("on %d of 28 days", n)] = d.Habit[n]
		}
	}
	if g := d.Growth; g != nil {
		f.accounting("growth", g.Active, g.Before, g.New, g.Retained, g.Resurrected, g.Churned)
	}
	for _, l := range d.Lifecycles {
		f.accounting(fmt.Sprintf("lifecycle %d", l.Days), l.Active, l.Before, l.New, l.Retained, l.Resurrected, l.Dormant)
	}
	for _, m := range d.Months {
		f["month "+m.First.Start().Format("2006-01")] = m.Users
	}
	for i, c := range d.Daily {
		if c.Known {
			f[fmt.Sprintf("on day -%d", len(d.Daily)-i)] = c.Number
		}
	}
	if d.Month.Known {
		f["visitors of 30 days"] = d.Month.Number
	}
	if d.HalfYear.Known {
		f["visitors of 180 days"] = d.HalfYear.Number
	}
	return f
}

func (f figures) accounting(name string, active, before, fresh, retained, back, gone int) {
	f[name+" active"], f[name+" before"], f[name+" new"] = active, before, fresh
	f[name+" retained"], f[name+" back"], f[name+" gone"] = retained, back, gone
}

// memory is what an exporter may know of a server that keeps one time for each user.
type memory struct {
	started  bool
	since    activity.Day
	visits   visitors
	recorded map[activity.Day]bool // days on which somebody came, also if forgotten since
	// observed are the days on which the records were read, doubtful those of them
	// that only a wrong clock has shown.
	observed, doubtful map[activity.Day]bool
	emptied            time.Time // since when most users are gone; not stored
}

func newMemory() *memory {
	return &memory{visits: make(visitors), recorded: make(map[activity.Day]bool), observed: make(map[activity.Day]bool), doubtful: make(map[activity.Day]bool)}
}

func (m *memory) clone() *memory {
	return &memory{
		started: m.started, since: m.since, visits: m.visits.clone(), recorded: maps.Clone(m.recorded),
		observed: maps.Clone(m.observed), doubtful: maps.Clone(m.doubtful), emptied: m.emptied,
	}
}

// refresh is what a successful reading makes known: times by user, and accounts that
// are there without one that counts.
func (m *memory) refresh(now time.Time, clockIsRight bool, seen map[string]time.Time, exists map[string]bool, damaged int) {
	today := activity.DayOf(now)
	switch {
	case clockIsRight:
		m.observed[today] = true
		delete(m.doubtful, today)
	case !m.observed[today]:
		m.observed[today], m.doubtful[today] = true, true
	}
	before := m.everybody()
	if !m.started {
		m.started, m.since = true, today
	}
	for user, at := range seen {
		if date := activity.DayOf(at); date <= today {
			m.visits.add(date, user)
			m.recorded[date] = true
		}
	}
	if damaged == 0 {
		m.forgetGone(now, seen, exists, before)
	}
}

func (m *memory) everybody() map[string]bool {
	set := make(map[string]bool)
	for _, came := range m.visits {
		maps.Copy(set, came)
	}
	return set
}

// forgetGone forgets deleted accounts; if these are most, only after a day.
func (m *memory) forgetGone(now time.Time, seen map[string]time.Time, exists, before map[string]bool) {
	gone := make(map[string]bool)
	for user := range before {
		if _, there := seen[user]; !there && !exists[user] {
			gone[user] = true
		}
	}
	if len(gone) > 1 && 2*len(gone) > len(before) {
		if m.emptied.IsZero() || m.emptied.After(now) {
			m.emptied = now
		}
		if now.Sub(m.emptied) < day {
			return
		}
	} else {
		m.emptied = time.Time{}
	}
	for _, came := range m.visits {
		maps.DeleteFunc(came, func(user string, _ bool) bool { return gone[user] })
	}
}

// firstDay is that from which on visits are known.
func (m *memory) firstDay(now time.Time) activity.Day {
	today := activity.DayOf(now)
	first := today + 1
	for date := range m.recorded {
		if date > today-longest {
			first = min(first, date)
		}
	}
	return max(first, m.since)
}
