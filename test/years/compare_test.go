package years_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
)

// refresh refreshes one server, and compares.
func (y *year) refresh(h *host) {
	now := y.clock()
	y.totals.refreshes++
	err := h.refresher.Refresh(context.Background())
	status := h.refresher.Status()
	if err != nil && failure.Of(err) == failure.Internal {
		y.differ(h, "a defect: %v", err)
		return
	}
	if h.away || h.allDamaged() {
		y.compareFailed(h, err, status)
		return
	}
	if err != nil || status.Snapshot == nil || len(status.Snapshot.Domains) != 1 {
		y.differ(h, "the refresh failed: %v", err)
		return
	}
	h.last = status.Snapshot
	y.remember(h, now)
	y.compare(h, shown(status.Snapshot), now)
}

// compare compares the figures that are shown with the right ones, and with those of
// somebody who believes that the exporter was at work on days that only a wrong clock
// has shown, or who has not yet noticed that visits were deleted.
func (y *year) compare(h *host, got figures, now time.Time) {
	y.totals.figures += len(got)
	k := y.known(h, now)
	likely := k.count()
	doubtful := maps.Clone(likely)
	maps.Copy(doubtful, y.asFarAsNoticed(h, k).count())
	for _, name := range slices.Sorted(maps.Keys(union(likely, got))) {
		shown, isShown := got[name]
		want, isKnown := likely[name]
		other, mayBeKnown := doubtful[name]
		if strings.HasPrefix(name, "dormant") && !now.After(h.undone.until) {
			continue // moments that were undone may count
		}
		if (name == "history" || strings.HasPrefix(name, "active")) && want <= shown && shown <= other {
			continue // some of the days that a wrong clock has shown, or of the moments that were undone
		}
		if y.offset != 0 && h.keepsVisits && isOfDays(name) && isShown == isKnown && shown <= len(h.world.accounts) {
			continue // visits of days that are long over by that clock may be missing
		}
		if (shown != want || isShown != isKnown) && (shown != other || isShown != mayBeKnown) {
			y.differ(h, "%s: shown %s, right is %s", name, optional(shown, isShown), optional(want, isKnown))
		}
	}
}

// isOfDays says whether a figure is counted from visits.
func isOfDays(name string) bool {
	return slices.ContainsFunc([]string{"r30v2", "usage r30v2", "growth", "lifecycle", "on ", "visitors", "month", "cohort", "dormant"}, func(prefix string) bool {
		return strings.HasPrefix(name, prefix)
	})
}

// asFarAsNoticed is what is known to somebody who has noticed no more than what is
// promised.
func (y *year) asFarAsNoticed(h *host, k known) known {
	if !h.keepsVisits {
		k.observed = func(date activity.Day) bool { return h.memory.observed[date] }
	}
	if !k.now.After(h.deleted.until) {
		k.visits = h.unnoticed()
	}
	if !k.now.After(h.undone.until) {
		k.people = make(map[string]person)
		for user, a := range h.world.accounts {
			a.seen = h.undone.seenBefore(user, a.seen)
			k.people[userName(user)] = y.person(h, user, a, k.now)
		}
	}
	return k
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

func (y *year) differ(h *host, format string, args ...any) {
	y.differences = append(y.differences, h.name+": "+fmt.Sprintf(format, args...))
}

// compareFailed looks at a refresh that cannot succeed: it says so, and shows what was
// shown before or nothing.
func (y *year) compareFailed(h *host, err error, status collector.Status) {
	if err == nil || status.Up {
		y.differ(h, "the refresh has succeeded without records")
	}
	if status.Snapshot != nil && status.Snapshot != h.last {
		y.differ(h, "figures without records")
	}
}

// allDamaged says whether no record of who was active can be read.
func (h *host) allDamaged() bool {
	damaged, readable := 0, 0
	for _, a := range h.world.accounts {
		switch {
		case a.damaged:
			damaged++
		case h.created || !a.last().IsZero(): // ejabberd has a record of who never came
			readable++
		}
	}
	return damaged > 0 && readable == 0
}

// remember notes what the refresh has made known.
func (y *year) remember(h *host, now time.Time) {
	m := h.memory
	if h.keepsVisits {
		m.started = true
	} else {
		m.refresh(now, y.offset == 0, h.records(now))
		if y.retention > 0 {
			m.purge(now, y.retention)
		}
	}
	if !y.history.fails && !y.keyIsAway {
		h.saved = m.clone()
	}
}

// records are what a server that keeps no visits says of its users.
func (h *host) records(now time.Time) records {
	r := records{seen: make(map[string]time.Time), exists: make(map[string]bool)}
	for user, a := range h.world.accounts {
		r.exists[userName(user)] = h.listsIdle || !a.last().IsZero()
		switch {
		case a.damaged:
			r.damaged++
		case !a.disabled && !a.last().IsZero() && now.Sub(a.last()) < longest*day:
			r.seen[userName(user)] = a.last()
		}
	}
	for user := range h.online(now) {
		if r.online++; now.After(r.seen[user]) {
			r.seen[user] = now
		}
	}
	return r
}

// known is what may be known of a server.
func (y *year) known(h *host, now time.Time) known {
	k := known{now: now, keeps: h.keepsVisits, people: make(map[string]person), registered: h.registered(time.Time{})}
	if h.created {
		k.created = h.registered(now.Add(-day))
	}
	if h.keepsVisits {
		k.visits, k.first = h.world.visits, activity.DayOf(now)+1
		for date := range h.world.visits {
			if date > activity.DayOf(now)-longest {
				k.first = min(k.first, date)
			}
		}
		k.classes, k.silent, k.pruned = y.classNames(), h.events, h.world.pruned
		if h.events {
			k.talk = &h.world.talk
			k.countAll(h, now)
		}
		for user, a := range h.world.accounts {
			k.people[userName(user)] = y.person(h, user, a, now)
			k.silent = k.silent && a.last().Before(h.world.pruned)
		}
		return k
	}
	r := h.records(now)
	for user, a := range h.world.accounts {
		p := person{kind: "native", last: a.last(), never: h.knowsNever && a.last().IsZero()}
		if a.damaged {
			p.last, p.never = time.Time{}, false
		}
		if p.seen[0] = r.seen[userName(user)]; p.seen[0].After(p.last) { // online
			p.last, p.never = p.seen[0], false
		}
		k.people[userName(user)] = p
	}
	k.online, k.asksOnline = r.online, true
	k.damaged, k.visits, k.first = r.damaged, h.memory.visits, h.memory.firstDay(now)
	k.observed = func(date activity.Day) bool { return h.memory.observed[date] && !h.memory.doubtful[date] }
	return k
}

// countAll counts accounts as Synapse's usage report does, deactivated ones included.
func (k *known) countAll(h *host, now time.Time) {
	k.newAccounts = map[collector.AccountType]int{collector.Native: 0, collector.Bridged: 0, collector.Guest: 0}
	for user, a := range h.world.accounts {
		if k.accounts++; typeOf(user) != collector.Bridged {
			k.ownAccounts++
		}
		if a.created.After(now.Add(-day)) {
			k.newAccounts[typeOf(user)]++
		}
	}
}

// person is what is known of a user of a server that keeps visits.
func (y *year) person(h *host, user int, a account, now time.Time) person {
	since := h.visitsSince()
	p := person{seen: a.seen, kind: string(typeOf(user)), last: a.last(), never: !since.IsZero() && !a.created.Before(since) && now.Sub(a.created) < (longest-1)*day}
	for device := range devices {
		_, class, custom := agentOf(user, device)
		if p.classes[device], p.synapse[device] = class, class; y.custom {
			p.classes[device] = custom
		}
	}
	if t, is := userType(user).(string); is && h.devices {
		p.kind = t
	}
	if a.disabled || a.gone {
		p.kind = "deactivated"
	}
	return p
}

// registered are the accounts that were created after a moment, by type.
func (h *host) registered(after time.Time) map[collector.AccountType]int {
	all := map[collector.AccountType]int{collector.Native: 0}
	if h.keepsVisits {
		all[collector.Guest], all[collector.Bridged] = 0, 0
	}
	for user, a := range h.world.accounts {
		accountType := collector.Native
		if h.keepsVisits {
			accountType = typeOf(user)
			if a.disabled || a.gone {
				continue
			}
		}
		if a.created.After(after) {
			all[accountType]++
		}
	}
	return all
}

// visitsSince is the begin of the oldest day with a visit.
func (h *host) visitsSince() (oldest time.Time) {
	for date := range h.world.visits {
		if at := date.Start(); oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	return oldest
}
