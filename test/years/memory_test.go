package years_test

import (
	"maps"
	"slices"
	"time"

	"active_users_exporter/collector/activity"
)

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
	clone := *m
	clone.visits, clone.recorded = m.visits.clone(), maps.Clone(m.recorded)
	clone.observed, clone.doubtful = maps.Clone(m.observed), maps.Clone(m.doubtful)
	return &clone
}

// records are what an XMPP server says: who came last when, who exists, how many
// records are damaged, and how many users are connected, 0 if it does not say so.
type records struct {
	seen            map[string]time.Time
	exists          map[string]bool
	damaged, online int
}

// refresh is what a successful reading makes known.
func (m *memory) refresh(now time.Time, clockIsRight bool, r records) {
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
	for user, at := range r.seen {
		if date := activity.DayOf(at); date <= today {
			m.visits.add(date, user, 0)
			m.recorded[date] = true
		}
	}
	if r.damaged == 0 {
		m.forgetGone(now, r, before)
	}
}

func (m *memory) everybody() map[string]bool {
	set := make(map[string]bool)
	for _, came := range m.visits {
		for user := range came {
			set[user] = true
		}
	}
	return set
}

// forgetGone forgets deleted accounts; if these are most, only after a day. If the server
// says who is connected, somebody who came within 60 days is not forgotten: a logout may
// leave no record.
func (m *memory) forgetGone(now time.Time, r records, before map[string]bool) {
	gone, recent := make(map[string]bool), make(map[string]bool)
	if today := activity.DayOf(now); r.online > 0 {
		recent = m.visits.between(today-59, today+longest)
	}
	for user := range before {
		if _, there := r.seen[user]; !there && !r.exists[user] && !recent[user] {
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
		maps.DeleteFunc(came, func(user string, _ cameWith) bool { return gone[user] })
	}
}

// purge deletes what is older than storage.retention by the days that are proven to have
// passed: one for each day on which the exporter was at work, and all once it has been
// at work for a week.
func (m *memory) purge(now time.Time, retention time.Duration) {
	worked := slices.Sorted(maps.Keys(m.observed))
	proven, inARow := worked[0], 0
	for n, date := range worked[1:] {
		if inARow++; date != worked[n]+1 {
			inARow = 0
		}
		if proven++; inARow >= 7 || proven > date {
			proven = date
		}
	}
	if proven < activity.DayOf(now) {
		now = proven.Start()
	}
	isOld := func(date activity.Day) bool {
		return date.Start().Before(now.Add(-retention)) || date.Start().Equal(now.Add(-retention))
	}
	maps.DeleteFunc(m.visits, func(date activity.Day, _ map[string]cameWith) bool { return isOld(date) })
	for _, days := range []map[activity.Day]bool{m.recorded, m.observed} {
		maps.DeleteFunc(days, func(date activity.Day, _ bool) bool { return isOld(date) })
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
