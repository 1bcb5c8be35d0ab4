package years_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
)

// refresh refreshes one server, and compares.
func (y *year) refresh(i int) {
	h, r, now := y.hosts[i], y.refreshers[i], y.clock()
	y.totals.refreshes++
	y.log.Reset()
	err := r.Refresh(context.Background())
	status := r.Status()
	if err != nil && failure.Of(err) == failure.Internal {
		y.differ(i, "a defect: %v", err)
		return
	}
	if h.away || h.allDamaged() {
		y.compareFailed(i, err, status)
		return
	}
	if err != nil || status.Snapshot == nil || len(status.Snapshot.Domains) != 1 {
		y.differ(i, "the refresh failed: %v", err)
		return
	}
	y.last[i] = status.Snapshot
	y.remember(i, now)
	if y.offset != 0 {
		return // figures of a wrong clock are promised to nobody
	}
	got := shown(status.Snapshot.Domains[0])
	y.totals.figures += len(got)
	likely, doubtful := y.expected(i, now)
	for _, name := range slices.Sorted(maps.Keys(union(likely, got))) {
		shown, isShown := got[name]
		want, isKnown := likely[name]
		other, mayBeKnown := doubtful[name]
		if name == "history" && want <= shown && shown <= other {
			continue // some of the days that a wrong clock has shown
		}
		if (shown != want || isShown != isKnown) && (shown != other || isShown != mayBeKnown) {
			y.differ(i, "%s: shown %s, right is %s", name, optional(shown, isShown), optional(want, isKnown))
		}
	}
}

func union(a, b figures) figures {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func optional(n int, known bool) string {
	if !known {
		return "nothing"
	}
	return strconv.Itoa(n)
}

func (y *year) differ(i int, format string, args ...any) {
	y.differences = append(y.differences, serverNames[i]+": "+fmt.Sprintf(format, args...))
}

// compareFailed looks at a refresh that cannot succeed: it says so, and shows what was
// shown before or nothing.
func (y *year) compareFailed(i int, err error, status collector.Status) {
	if err == nil || status.Up {
		y.differ(i, "the refresh has succeeded without records")
	}
	if status.Snapshot != nil && status.Snapshot != y.last[i] {
		y.differ(i, "figures without records")
	}
}

// allDamaged says whether no record of who was active can be read.
func (h *host) allDamaged() bool {
	damaged, readable := 0, 0
	_, isEjabberd := h.server.(*ejabberdServer)
	for _, a := range h.world.accounts {
		switch {
		case a.damaged:
			damaged++
		case isEjabberd || !a.last.IsZero():
			readable++
		}
	}
	return damaged > 0 && readable == 0
}

// remember notes what the refresh has made known.
func (y *year) remember(i int, now time.Time) {
	m := y.memories[i]
	if i == 0 {
		m.started = true
	} else {
		seen, exists, damaged := y.hosts[i].seen(now)
		m.refresh(now, y.offset == 0, seen, exists, damaged)
	}
	if !y.history.fails && !y.keyIsAway {
		y.saved[i] = m.clone()
	}
}

// seen is what the records of an XMPP server say of its users.
func (h *host) seen(now time.Time) (seen map[string]time.Time, exists map[string]bool, damaged int) {
	seen, exists = make(map[string]time.Time), make(map[string]bool)
	for user, a := range h.world.accounts {
		exists[userName(user)] = true
		switch {
		case a.damaged:
			damaged++
		case !a.disabled && !a.last.IsZero() && now.Sub(a.last) < longest*day:
			seen[userName(user)] = a.last
		}
	}
	return seen, exists, damaged
}

// expected are the right figures, and those of somebody who believes the wrong clock's
// word that the exporter was at work on a day.
func (y *year) expected(i int, now time.Time) (likely, doubtful figures) {
	h, m := y.hosts[i], y.memories[i]
	k := known{now: now, keeps: i == 0, registered: make(map[collector.AccountType]int)}
	if i == 0 {
		k.lastSeen = make(map[string]time.Time)
		k.visits, k.first = make(visitors), activity.DayOf(now)+1
		for user, a := range h.world.accounts {
			if !a.last.IsZero() {
				k.lastSeen[userName(user)] = a.last
			}
			k.registered[typeOf(user)] += 0
			if !a.disabled && !a.gone {
				k.registered[typeOf(user)]++
			}
			if typeOf(user) != collector.Native {
				continue
			}
			for date, came := range h.world.visits {
				if came[userName(user)] {
					k.visits.add(date, userName(user))
					if date > activity.DayOf(now)-longest {
						k.first = min(k.first, date)
					}
				}
			}
		}
		f := k.count()
		return f, f
	}
	k.lastSeen, _, k.damaged = h.seen(now)
	k.visits, k.first = m.visits, m.firstDay(now)
	k.registered[collector.Native] = len(h.world.accounts)
	k.observed = func(date activity.Day) bool { return m.observed[date] && !m.doubtful[date] }
	likely = k.count()
	k.observed = func(date activity.Day) bool { return m.observed[date] }
	return likely, k.count()
}
