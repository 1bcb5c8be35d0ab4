package dendrite_test

import (
	"strconv"
	"time"

	"active_users_exporter/collector/activity"
)

// evidence are the moments at which somebody was there, by user and class of client.
type evidence map[string]map[string][]time.Time

func (e evidence) add(user, client string, at time.Time) {
	if e[user] == nil {
		e[user] = make(map[string][]time.Time)
	}
	e[user][client] = append(e[user][client], at)
}

var classes = activity.SynapseClasses()

func class(agent string) string {
	return classes.Names()[classes.Of([]byte(agent))]
}

// madeByServer is the rule by which devices are nobody's.
func (d device) madeByServer() bool { return d.agent == "" && d.seen == d.created }

// lastSeen are the last-seen times of all devices.
func (w *world) lastSeen(into evidence) {
	for _, d := range w.devices {
		if !d.madeByServer() {
			into.add(d.user, class(d.agent), time.UnixMilli(d.seen))
		}
	}
}

// dailyVisits are the visits that count, by their UTC midnight: those of devices that
// were there, or of all, if none was.
func (w *world) dailyVisits() evidence {
	devices := make(map[[2]string]device)
	for _, d := range w.devices {
		devices[[2]string{d.user, d.id}] = d
	}
	type userDay struct {
		user string
		day  time.Time
	}
	present, idle := make(map[userDay][]string), make(map[userDay][]string)
	for _, v := range w.visits {
		date := time.UnixMilli(v.at).Add(12 * time.Hour).Truncate(day).UTC()
		at := userDay{v.user, date}
		switch d, there := devices[[2]string{v.user, v.device}]; {
		case there && d.madeByServer():
		case there && date.UnixMilli() > d.seen:
			idle[at] = append(idle[at], class(v.agent))
		default:
			present[at] = append(present[at], class(v.agent))
		}
	}
	visits := make(evidence)
	for at, clients := range idle {
		if len(present[at]) == 0 {
			present[at] = clients
		}
	}
	for at, clients := range present {
		for _, client := range clients {
			visits.add(at.user, client, at.day)
		}
	}
	return visits
}

// figures are counted as their definitions say, one user after the other. seen are
// last-seen times, of devices that are gone as well if somebody has read them.
func (w *world) figures(seen, visits evidence) map[string]int {
	all := make(map[string]int)
	count := func(name string, is bool) {
		if is {
			all[name]++
		}
	}
	for _, p := range w.people {
		w.countAccount(p, count)
		active := func(name string, clients ...string) {
			var last time.Time
			for _, client := range clients {
				for _, at := range append(seen[p.name][client], visits[p.name][client]...) {
					if at.After(last) {
						last = at
					}
				}
			}
			for _, window := range activity.DefaultWindows() {
				count("active "+name+window.String(), !last.IsZero() && last.After(window.Since(w.now)))
			}
		}
		names := classes.Names()
		active("", names...)
		var days []time.Time
		for _, client := range names {
			active(client+" ", client)
			count("r30v2 "+client, returned(visits[p.name][client], w.now))
			days = append(days, visits[p.name][client]...)
		}
		count("r30v2", returned(days, w.now))
		w.countDays(days, count)
	}
	oldest := w.now
	for _, clients := range visits {
		for _, days := range clients {
			for _, at := range days {
				if at.Before(oldest) {
					oldest = at
				}
			}
		}
	}
	all["history"] = int(w.now.Truncate(day).Sub(oldest)/day) + 1
	return all
}

func (w *world) countAccount(p *person, count func(string, bool)) {
	kind := "native"
	switch {
	case p.kind == 2:
		kind = "guest"
	case p.service:
		kind = "bridged"
	}
	count("registered "+kind, !p.deactivated)
	count("created "+kind, !p.deactivated && p.created.After(w.now.Add(-day)))
}

// returned is r30v2.
func returned(days []time.Time, now time.Time) bool {
	var first, last time.Time
	for _, at := range days {
		if !at.After(now.Add(-60*day)) || !at.Before(now.Add(day)) {
			continue
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	return last.Sub(first) > 30*day
}

// countDays counts growth, and on how many of 28 days somebody came.
func (w *world) countDays(days []time.Time, count func(string, bool)) {
	today := w.now.Truncate(day)
	distinct := make(map[int]bool)
	for _, at := range days {
		distinct[int(today.Sub(at)/day)] = true
	}
	var current, before, earlier bool
	habit := 0
	for ago := range distinct {
		current = current || ago < 30
		before = before || ago >= 30 && ago < 60
		earlier = earlier || ago >= 60
		if ago < 28 {
			habit++
		}
	}
	count("growth new", current && !before && !earlier)
	count("growth retained", current && before)
	count("growth resurrected", current && earlier && !before)
	count("growth churned", before && !current)
	count("days of 28 "+strconv.Itoa(habit), habit > 0)
}
