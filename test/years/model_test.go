package years_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// The figures are counted here once more, from plain sets and in the words of
// docs/definitions.md, with nothing of package activity but the numbers of days.

// cameWith are the devices that a user came with, a bit for each.
type cameWith uint

// visitors are the users who came on a day.
type visitors map[activity.Day]map[string]cameWith

func (v visitors) add(date activity.Day, user string, device int) {
	if v[date] == nil {
		v[date] = make(map[string]cameWith)
	}
	v[date][user] |= 1 << device
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
		for user := range v[date] {
			set[user] = true
		}
	}
	return set
}

// person is what may be known of somebody at one moment.
type person struct {
	seen    [devices]time.Time
	classes [devices]string // of the clients; "" if the server does not keep them
	synapse [devices]string // the classes of Synapse's own report
	kind    string          // of the account; "" if there is none
	last    time.Time       // when the user was seen, of accounts that are disabled as well
	never   bool            // it is certain that the user never came
}

// known is all that may be known at one moment.
type known struct {
	now                 time.Time
	people              map[string]person
	classes             []string // all there are; nil if the server keeps none
	visits              visitors
	keeps               bool         // the server keeps visits itself
	first               activity.Day // from which on visits are known
	observed            func(activity.Day) bool
	registered, created map[collector.AccountType]int
	damaged             int
	silent              bool // the server records nobody, as far as can be seen
	online              int  // how many users are connected, if asksOnline
	asksOnline          bool
	talk                *talk // nil if the server keeps none
	// accounts are all there are, deactivated ones included, ownAccounts those without
	// bridged ones, and newAccounts those of a day.
	accounts, ownAccounts int
	newAccounts           map[collector.AccountType]int
	pruned                time.Time // up to when the server has deleted last-seen times
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
	for accountType, n := range k.created {
		f["created "+string(accountType)] = n
	}
	k.connected(f)
	k.said(f)
	if k.silent {
		return f
	}
	k.active(f)
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
		k.returned(f)
	}
	k.usage(f)
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
	k.cohorts(f, today)
	k.dormancy(f, today)
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

// active counts who was seen within each window, also by client and by kind of account.
func (k known) active(f figures) {
	for _, days := range []int{1, 7, 30} {
		name := fmt.Sprintf("active %dd", days)
		f[name] = 0
		for _, class := range k.classes {
			f[name+" "+class] = 0
		}
		for _, p := range k.people {
			within := func(at time.Time) bool { return !at.IsZero() && k.now.Sub(at) < time.Duration(days)*day }
			if !slices.ContainsFunc(p.seen[:], within) {
				continue
			}
			f[name]++
			f[name+" "+p.kind+" accounts"]++
			by := make(map[string]bool)
			for device, at := range p.seen {
				if class := p.classes[device]; class != "" && within(at) && !by[class] {
					by[class] = true
					f[name+" "+class]++
				}
			}
		}
	}
}

// dormancy counts native accounts by the days since they were last seen. Servers that keep
// visits know nothing of what is older than these.
func (k known) dormancy(f figures, today activity.Day) {
	for _, age := range []string{"0-7d", "7-30d", "30-90d", "90-180d", "180-365d", "365d-", "never", "unknown"} {
		f["dormant "+age] = 0
	}
	for user, p := range k.people {
		if p.kind != "native" && p.kind != "bot" && p.kind != "support" {
			continue
		}
		last := activity.DayOf(p.last)
		for date, came := range k.visits { // also after today, if the clock is behind
			if _, is := came[user]; is {
				last = max(last, date)
			}
		}
		age := "unknown"
		switch days := int(today - last); {
		case days < 7:
			age = "0-7d"
		case days < 30:
			age = "7-30d"
		case days < 90:
			age = "30-90d"
		case days < 180:
			age = "90-180d"
		case days < 365:
			age = "180-365d"
		case days < longest, !k.keeps && !p.last.IsZero():
			age = "365d-"
		case p.never:
			age = "never"
		}
		f["dormant "+age]++
	}
}

// returned is r30v2: users with two visits more than 30 days apart, of those later
// than 60 days ago and earlier than in a day; also by kind of account, and for each class
// of clients by itself.
func (k known) returned(f figures) {
	f["r30v2"] = k.cameBack(func(string, int) bool { return true })
	for _, kind := range []string{"native", "bot", "support", "deactivated"} {
		is := func(user string, _ int) bool { return k.people[user].kind == kind || !k.keeps && kind == "native" }
		if n := k.cameBack(is); n > 0 {
			f["r30v2 "+kind+" accounts"] = n
		}
	}
	for _, class := range k.classes {
		f["r30v2 "+class] = k.cameBack(func(user string, device int) bool { return k.people[user].classes[device] == class })
	}
}

func (k known) cameBack(counts func(user string, device int) bool) (n int) {
	type span struct{ first, last time.Time }
	came := make(map[string]span)
	for date, set := range k.visits {
		at := date.Start()
		if !at.After(k.now.Add(-60*day)) || !at.Before(k.now.Add(day)) {
			continue
		}
		for user, with := range set {
			for device := range devices {
				if with>>device&1 == 0 || !counts(user, device) {
					continue
				}
				s, again := came[user]
				if !again || at.Before(s.first) {
					s.first = at
				}
				if !again || at.After(s.last) {
					s.last = at
				}
				came[user] = s
			}
		}
	}
	for _, s := range came {
		if s.last.Sub(s.first) > 30*day {
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

// cohorts are the newcomers of each of the last twelve weeks, before which 30 days are
// known, and how many of them came in each week since.
func (k known) cohorts(f figures, today activity.Day) {
	monday := today
	for monday.Start().Weekday() != time.Monday {
		monday--
	}
	for week := monday - 11*7; week <= monday; week += 7 {
		if week < k.first+30 {
			continue
		}
		known := k.visits.between(today-longest+1, week-1)
		newcomers := k.visits.between(week, week+6)
		maps.DeleteFunc(newcomers, func(user string, _ bool) bool { return known[user] })
		for later := week; later <= monday; later += 7 {
			name := fmt.Sprintf("cohort of %s in week %d", week, (later-week)/7)
			f[name] = 0
			for user := range k.visits.between(later, later+6) {
				if newcomers[user] {
					f[name]++
				}
			}
		}
	}
}
