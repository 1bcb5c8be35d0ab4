package dendrite_test

import (
	"strconv"
	"strings"
	"time"

	"active_users_exporter/collector"
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
		w.countAge(p, seen, visits, count)
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
				is := !last.IsZero() && last.After(window.Since(w.now))
				count("active "+name+window.String(), is)
				count("type "+w.kind(p)+" "+window.String(), is && name == "")
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
		count("r30v2type "+w.kind(p), returned(days, w.now))
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

// kind is the label "type" of somebody who is active.
func (w *world) kind(p *person) string {
	switch {
	case p.deactivated:
		return "deactivated"
	case p.kind == 2:
		return "guest"
	case p.service:
		return "bridged"
	case w.botsEndWith != "" && strings.HasSuffix(p.name, w.botsEndWith):
		return "bot"
	}
	return "native"
}

// countAge counts a native account by the UTC day on which it was seen last. If it never
// was, what matters is whether it was created before Dendrite wrote the first visit.
func (w *world) countAge(p *person, seen, visits evidence, count func(string, bool)) {
	if kind := w.kind(p); kind != "native" && kind != "bot" {
		return
	}
	var last time.Time
	for _, from := range []evidence{seen, visits} {
		for _, times := range from[p.name] {
			for _, at := range times {
				if at.After(last) {
					last = at
				}
			}
		}
	}
	days, age := int(w.now.Truncate(day).Sub(last.Truncate(day))/day), "90-180d"
	switch {
	case last.IsZero() && len(w.visits) > 0 && p.created.UnixMilli() >= w.visits[0].at:
		age = "never"
	case last.IsZero():
		age = "unknown"
	case days < 7:
		age = "0-7d"
	case days < 30:
		age = "7-30d"
	case days < 90:
		age = "30-90d"
	}
	count("dormant "+age, true)
}

// withKinds is shown, with the types and ages of accounts.
func withKinds(d collector.Domain) map[string]int {
	all := shown(d)
	add := func(name string, n int) {
		if n > 0 {
			all[name] = n
		}
	}
	for _, a := range d.Active {
		for _, k := range a.Kinds {
			add("type "+k.Kind.String()+" "+a.Window.String(), k.Users)
		}
	}
	for _, k := range d.Retention.Kinds {
		add("r30v2type "+k.Kind.String(), k.Users)
	}
	for i, age := range activity.DormancyAges() {
		add("dormant "+age, d.Dormancy[i])
	}
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
