package collector

import (
	"maps"
	"slices"
	"strings"
	"time"

	"active_users_exporter/collector/activity"
)

// A Snapshot is what was true of one chat server at one moment. It does not
// change once made and may be shared.
type Snapshot struct {
	At       time.Time // the moment of the figures, UTC
	Version  string    // of the chat server, "" if unknown
	Database string
	Domains  []Domain // sorted by name
	Modules  []Module // sorted by domain and name
	// Special is what Facts.Special returned, nil if there was nothing.
	Special []any
	// ModulesAt is the moment of Modules, which may come from an earlier
	// refresh than the rest; the zero time without any.
	ModulesAt time.Time
	// ModuleChanges are those of the last days that were noticed since the exporter
	// was started, the oldest first.
	ModuleChanges []ModuleChange
	Warnings      []string // Facts.Warnings
	Assumed       string   // Facts.Assumed
	// Unfinished says that some figures are missing until more is read, which the next
	// refresh goes on with.
	Unfinished bool
	// Online says whether these figures include who stays connected.
	Online OnlineState
	// OnlineErr is Facts.OnlineErr.
	OnlineErr error
	// countedByServer says that the server itself counted active users, and so also those
	// who stay connected.
	countedByServer bool
	// minimum is that of what is counted when it is asked for.
	minimum activity.Minimum
	// calendar is what the figures were counted from; it is not changed any more.
	calendar *activity.Calendar
	// timelines are those that are kept, nil if none are.
	timelines *timelines
}

// Domain is one domain of a Snapshot.
type Domain struct {
	Name       string
	Active     []ActiveUsers                // by window; empty if the server keeps no last-seen times
	Retention  *Retention                   // nil if the visits that are known do not reach far enough
	Growth     *activity.Growth             // the same
	Habit      *[activity.HabitDays + 1]int // the same; see activity.Calendar.Habit
	Lifecycles []activity.Lifecycle         // those that are known
	Dormancy   *activity.Dormancy           // nil if it is not known
	FewDormant int                          // those of Dormancy that are activity.Merged
	Months     []activity.Month             // UTC calendar months that are known from their first day on, the oldest first
	Cohorts    []activity.Cohort            // empty unless asked for
	FewCohorts []int                        // those of Cohorts that are activity.Merged, by week
	Natives    Count                        // accounts of people, however few; for NodeInfo, which rounds
	History    Count                        // days of visits at hand, without those on which the exporter was off
	Daily      []Count                      // visitors of each of the last days that are over, the oldest first; at most DailyDays, and none before the history begins; not known of days on which the exporter was off
	Month      Count                        // visitors of the last MonthDays, if the server itself keeps visits; unknown unless asked for
	HalfYear   Count                        // visitors of the last HalfYearDays; unknown unless asked for
	Registered []Accounts                   // sorted by type; empty if unknown
	Created    []Accounts                   // the same
	Online     Count
	Damaged    int
	Messages   []Messages // by window, those whose messages are all known
	// NotRecorded is DomainFacts.NotRecorded.
	NotRecorded string
}

// ActiveUsers is the number of distinct users last seen within a window.
type ActiveUsers struct {
	Window  activity.Window
	Users   int
	Clients []ClientUsers // empty if the server records no clients, or not all are read yet
	// Kinds are the users by kind of account, which add up to Users; empty if it is
	// not known.
	Kinds []KindUsers
}

// KindUsers is a number of users with accounts of one kind.
type KindUsers struct {
	Kind  activity.Kind
	Users int
}

// Retention is r30v2 with the names of the client classes; see
// activity.Retention.
type Retention struct {
	Users   int
	Clients []ClientUsers
	Kinds   []KindUsers // as in ActiveUsers
}

// ClientUsers is a number of users of one client class.
type ClientUsers struct {
	Client string
	Users  int
}

// Accounts is the number of accounts of one type.
type Accounts struct {
	Type  AccountType
	Users int
}

// Accounts returns the number of accounts of all types, if it is known.
func (d Domain) Accounts() (total int, known bool) {
	for _, a := range d.Registered {
		total += a.Users
	}
	return total, len(d.Registered) > 0
}

// ActivityRecorded says whether some store records activity of this domain. It is
// unknown where none does and nothing is wrong with that.
func (d Domain) ActivityRecorded() (recorded, known bool) {
	switch {
	case d.NotRecorded != "":
		return false, true
	case len(d.Active) > 0 || d.Damaged > 0:
		return true, true
	}
	return false, false
}

// unrecorded returns the domains whose activity is not recorded, with the reason,
// in one sentence; "" for none.
func (s *Snapshot) unrecorded() string {
	var all []string
	for _, d := range s.Domains {
		if d.NotRecorded != "" {
			all = append(all, d.Name+" ("+d.NotRecorded+")")
		}
	}
	return strings.Join(all, ", ")
}

// snapshot counts everything that is shown.
func (r *Refresher) snapshot(now time.Time, facts Facts, cal *activity.Calendar) *Snapshot {
	s := &Snapshot{At: now, Version: facts.Version, Database: facts.Database, Warnings: facts.Warnings, Assumed: facts.Assumed, Unfinished: facts.Unfinished, Online: facts.Online, OnlineErr: facts.OnlineErr, calendar: cal, timelines: r.timelines}
	for _, f := range facts.Domains {
		s.countedByServer = s.countedByServer || len(f.ActiveByServer) > 0
		d := Domain{Name: f.Name, Online: f.Online, Damaged: f.Damaged, Registered: accounts(f.Registered), Created: accounts(f.Created), NotRecorded: f.NotRecorded}
		d.addMessages(now, cal, r.options.Windows)
		if n, counted := f.Registered[Native]; counted {
			d.Natives = Known(n)
		}
		if f.NotRecorded == "" { // else what is known stands still, and is no life
			d.addActive(now, f, cal, r.options.Windows, r.options.Classes)
			d.addHistory(now, f, cal, r.options.Classes)
			d.addDormancy(now, f, cal)
			d.addVisitors(now, cal)
			if r.options.HalfYear {
				d.addMembers(now, f, cal)
			}
			if r.options.Cohorts {
				d.Cohorts = cal.Cohorts(f.Name, now)
			}
		}
		s.Domains = append(s.Domains, d)
	}
	slices.SortFunc(s.Domains, func(a, b Domain) int { return strings.Compare(a.Name, b.Name) })
	s.withModules(facts.Modules, now)
	if facts.Special != nil {
		s.Special = facts.Special(cal)
	}
	s.withMinimum(r.options.Minimum)
	return s
}

// addActive adds the active users of each window: as the server itself counts them
// or as its records say, whichever is more. A server also counts people who are
// online; but it may count from records that are no longer filled.
func (d *Domain) addActive(now time.Time, f DomainFacts, cal *activity.Calendar, windows []activity.Window, classes *activity.Classes) {
	after := make([]time.Time, len(windows))
	for i, w := range windows {
		after[i] = w.Since(now)
	}
	active := cal.ActiveAfterEach(f.Name, after, f.LastSeenSince)
	var byKind []activity.KindCounts
	if f.AllAccounts && f.hasSeveralKinds() {
		byKind = cal.ActiveByKind(f.Name, after, f.LastSeenSince)
	}
	for i, w := range windows {
		users := ActiveUsers{Window: w, Users: active[i].Users}
		counted, byServer := f.ActiveByServer[w]
		switch {
		case byServer:
			if !f.HasLastSeen {
				users.Users = 0
			}
			users.Users = max(users.Users, counted)
		case !f.HasLastSeen:
			continue
		case f.Clients && !f.ClientsSince.After(after[i]):
			users.Clients = named(active[i].Clients, classes)
		}
		var counts activity.KindCounts
		if byKind != nil {
			counts = byKind[i]
		}
		users.Kinds = f.kinds(users.Users, counts, homeserverKinds())
		d.Active = append(d.Active, users)
	}
}

// addHistory adds what is counted from daily visits. If the exporter records them,
// retention is shown once two visits can lie far enough apart, and growth once there
// are two periods of 30 days: before, the figures would be false zeros.
func (d *Domain) addHistory(now time.Time, f DomainFacts, cal *activity.Calendar, classes *activity.Classes) {
	if !f.KeepsVisits && !f.HasLastSeen {
		return
	}
	days := cal.HistoryDays(f.Name, now)
	d.History = Known(cal.ObservedDays(f.Name, now))
	r, g := cal.Returning(f.Name, now)
	if f.KeepsVisits || days >= activity.RetentionHistory {
		d.Retention = &Retention{Users: r.Users, Kinds: f.kinds(r.Users, r.Kinds, visitingKinds())}
		if f.KeepsVisits || f.Clients {
			d.Retention.Clients = named(r.Clients, classes)
		}
	}
	if f.KeepsVisits || days >= activity.HabitDays {
		habit := cal.Habit(f.Name, now)
		d.Habit = &habit
	}
	d.addIntervals(now, f, cal)
	if f.KeepsVisits && f.AllVisits || !f.KeepsVisits && days >= activity.GrowthHistory {
		d.Growth = &g
	}
}

// addIntervals adds what is counted by intervals of days and by months.
func (d *Domain) addIntervals(now time.Time, f DomainFacts, cal *activity.Calendar) {
	for _, l := range cal.Lifecycles(f.Name, now) {
		if f.KeepsVisits && f.AllVisits || !f.KeepsVisits && d.History.Number >= activity.LifecycleHistory(l.Days) {
			d.Lifecycles = append(d.Lifecycles, l)
		}
	}
	d.Months = cal.RecentMonths(f.Name, now)
}

const (
	// DailyDays is how far back Domain.Daily goes.
	DailyDays = 30
	// MonthDays is what NodeInfo calls a month.
	MonthDays = 30
	// HalfYearDays is what NodeInfo calls half a year.
	HalfYearDays = 180
)

// addVisitors adds the numbers of those who came on past days, as far as these
// are known completely. Today is left out of Daily: it would look like a fall
// until the evening.
func (d *Domain) addVisitors(now time.Time, cal *activity.Calendar) {
	if !d.History.Known {
		return
	}
	today, days := activity.DayOf(now), cal.HistoryDays(d.Name, now)
	for ago := min(DailyDays, days-1); ago > 0; ago-- {
		date, visitors := today-activity.Day(ago), Count{}
		if cal.IsComplete(d.Name, date) {
			visitors = Known(cal.DayVisitors(d.Name, date))
		}
		d.Daily = append(d.Daily, visitors)
	}
}

// addMembers adds what NodeInfo publishes beside active users. A server that keeps
// visits has those of native accounts alone, while its last-seen times are those of
// guests and bridged users as well: then the month is counted from visits, too, so
// that it is one of the same people as half a year.
func (d *Domain) addMembers(now time.Time, f DomainFacts, cal *activity.Calendar) {
	today := activity.DayOf(now)
	if d.History.Known && f.KeepsVisits {
		d.Month = Known(cal.Visitors(d.Name, today, MonthDays).Users)
	}
	if d.History.Known && cal.HistoryDays(d.Name, now) >= HalfYearDays { // days so old have to be unpacked, which takes time
		d.HalfYear = Known(cal.Visitors(d.Name, today, HalfYearDays).Users)
	}
}

func accounts(byType map[AccountType]int) (all []Accounts) {
	for _, t := range slices.Sorted(maps.Keys(byType)) {
		all = append(all, Accounts{t, byType[t]})
	}
	return all
}

func named(users []int, classes *activity.Classes) (all []ClientUsers) {
	for client, n := range users {
		all = append(all, ClientUsers{classes.Names()[client], n})
	}
	return all
}

// withModules completes a Snapshot that is being made.
func (s *Snapshot) withModules(modules []Module, at time.Time) {
	if len(modules) == 0 {
		return
	}
	s.ModulesAt = at
	s.Modules = slices.Clone(modules)
	slices.SortFunc(s.Modules, func(a, b Module) int {
		if c := strings.Compare(a.Domain, b.Domain); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
}
