package reports

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
	"unique"

	"active_users_exporter/collector/systemmetrics"
	"active_users_exporter/collector/usagereport"
)

// latest holds the newest report of each homeserver that has been heard lately.
type latest struct {
	options Options
	names   []string // of the statistics, the order of homeserverState.values; see pack

	mutex       sync.Mutex
	homeservers map[string]*homeserverState
}

// homeserverState is what is known of one homeserver, in little memory: anybody can
// invent homeservers. It never changes once others may see it.
type homeserverState struct {
	name                string
	values              packed
	software, country   string
	info                []string // in the order of infoNames
	firstSeen, received time.Time
	reports             uint64
}

// add takes a report that has been stored.
func (l *latest) add(r usagereport.Report, received time.Time) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	h := homeserverState{name: r.Homeserver, firstSeen: received}
	if known := l.homeservers[r.Homeserver]; known != nil {
		h = *known
	}
	h.reports++
	// What comes later is newer, though the clock may have been set. Reports that
	// come at the same time may change places.
	if received.Sub(h.received).Abs() > samePush || !received.Before(h.received) {
		l.take(&h, r, received)
	}
	l.homeservers[r.Homeserver] = &h
}

// samePush is how long reports may be under way to the disk at the same time.
const samePush = time.Minute

func (l *latest) take(h *homeserverState, r usagereport.Report, received time.Time) {
	h.received = received
	values := make([]float64, len(l.names))
	for i, name := range l.names {
		value, there := r.Statistics[name]
		if !there {
			value = math.NaN()
		}
		values[i] = value
	}
	h.values = pack(values)
	names := infoNames(r.Software)
	h.country = unique.Make(r.Location.Country).Value()
	h.software, h.info = r.Software, make([]string, len(names))
	for i, name := range names {
		h.info[i] = unique.Make(r.Info[name]).Value() // most say the same
	}
}

// infoNames are those of the strings that a software reports, server_context first.
func infoNames(software string) []string {
	if software == usagereport.Dendrite {
		return append(usagereport.InfoNames(), usagereport.DendriteInfoNames()...)
	}
	return usagereport.InfoNames()
}

// homeserver unpacks what is known of one.
func (l *latest) homeserver(h *homeserverState) usagereport.Homeserver {
	r := usagereport.Homeserver{
		Name: h.name, Software: h.software, Reported: h.received, Reports: h.reports,
		Statistics: make(map[string]float64), Info: make(map[string]string),
	}
	values := make([]float64, len(l.names))
	h.values.unpack(values)
	for i, name := range l.names {
		if !math.IsNaN(values[i]) {
			r.Statistics[name] = values[i]
		}
	}
	for i, name := range infoNames(h.software) {
		r.Info[name] = h.info[i]
	}
	return r
}

// hasCounted returns true if that many reports of a homeserver are counted already.
func (l *latest) hasCounted(homeserver string, reports uint64) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	known := l.homeservers[homeserver]
	return known != nil && known.reports >= reports
}

// restore takes a report from the store, if it is new and there is capacity.
func (l *latest) restore(s stored, now time.Time) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	known := l.homeservers[s.Homeserver]
	if known != nil && known.reports >= s.Reports || known == nil && len(l.homeservers) >= trackedPerShown*l.options.MaxHomeservers {
		return
	}
	r, err := usagereport.Parse(s.Body)
	if err != nil {
		return // a stricter exporter than the one that stored it
	}
	h := &homeserverState{name: r.Homeserver, firstSeen: time.UnixMilli(s.FirstSeen), reports: s.Reports}
	received := time.UnixMilli(s.Received)
	if received.After(now.Add(samePush)) { // a clock is or was wrong; it must not stay for as long as that
		received = now
	}
	l.take(h, r, received)
	l.homeservers[r.Homeserver] = h
}

// trackedPerShown is how many times more homeservers are kept in memory than
// are shown. Beyond, new ones are turned away: on an open endpoint anybody can
// invent names.
const trackedPerShown = 20

// hasCapacity says whether there is capacity for a homeserver.
func (l *latest) hasCapacity(homeserver string) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	_, known := l.homeservers[homeserver]
	return known || len(l.homeservers) < trackedPerShown*l.options.MaxHomeservers
}

// expire forgets homeservers that have not been heard since a moment.
func (l *latest) expire(before time.Time) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	maps.DeleteFunc(l.homeservers, func(_ string, h *homeserverState) bool { return h.received.Before(before) })
}

// Shown is what the receiver knows at one moment.
type Shown struct {
	// Homeservers are those with series of their own: of more than
	// MaxHomeservers, those that are known longest, so that nobody can push
	// out others by inventing names; a quarter of them at most then have
	// reported only once. Sorted by name.
	Homeservers []usagereport.Homeserver
	// Clusters are the MongooseIM clusters that report, sorted by name.
	Clusters []systemmetrics.Cluster
	// Overflow is the number of the others.
	Overflow int
	// Contexts are the sums over all homeservers by context, sorted; at most
	// maxContexts and, for all others, OtherContexts.
	Contexts []Context
}

// Context adds up the homeservers of one server_context.
type Context struct {
	Name        string
	Homeservers int
	// Users are the sums by statistic.
	Users map[string]float64
}

const (
	maxContexts = 50
	// OtherContexts is the name of what is beyond the cap.
	OtherContexts = "other"
)

// summed are the statistics that are added up.
func summed() []string {
	return []string{"total_users", "total_nonbridged_users", "daily_active_users", "monthly_active_users", "r30v2_users_all"}
}

// current returns the homeservers that were heard within ExpireAfter, those that
// are known longest first.
func (l *latest) current(now time.Time) (all []*homeserverState) {
	l.mutex.Lock()
	for _, h := range l.homeservers {
		if now.Sub(h.received) <= l.options.ExpireAfter {
			all = append(all, h)
		}
	}
	l.mutex.Unlock()
	slices.SortFunc(all, func(a, b *homeserverState) int {
		return cmp.Or(a.firstSeen.Compare(b.firstSeen), cmp.Compare(a.name, b.name))
	})
	return all
}

// newcomersPart is the share of MaxHomeservers that homeservers which have
// reported only once may take: one in so many.
const newcomersPart = 4

// visible returns the homeservers that have series of their own, sorted by name,
// from those that were heard, which are sorted by how long they are known.
//
// Where all fit, all are visible. Where they do not, anybody may have invented
// the rest, and must not push out others by that. So those come first that are
// known longest; and as a single request invents a homeserver, those that have
// reported only once get a quarter of the places at most.
func (l *latest) visible(current []*homeserverState) []*homeserverState {
	places := l.options.MaxHomeservers
	candidates := current
	if len(current) > places {
		candidates = limitNewcomers(current, max(1, places/newcomersPart))
	}
	visible := slices.Clone(candidates[:min(places, len(candidates))])
	slices.SortFunc(visible, func(a, b *homeserverState) int { return cmp.Compare(a.name, b.name) })
	return visible
}

// limitNewcomers leaves out all but the first few of the homeservers that have
// reported only once.
func limitNewcomers(all []*homeserverState, most int) (kept []*homeserverState) {
	newcomers := 0
	for _, h := range all {
		if h.reports == 1 {
			newcomers++
			if newcomers > most {
				continue
			}
		}
		kept = append(kept, h)
	}
	return kept
}

// contexts adds up homeservers, which are sorted by how long they are known.
func (l *latest) contexts(all []*homeserverState) (sums []Context) {
	byName := make(map[string]*Context)
	values := make([]float64, len(l.names))
	for _, h := range all {
		name := h.info[0]
		if byName[name] == nil && len(byName) >= maxContexts {
			name = OtherContexts
		}
		c := byName[name]
		if c == nil {
			c = &Context{Name: name, Users: make(map[string]float64)}
			byName[name] = c
		}
		c.Homeservers++
		h.values.unpack(values)
		for _, statistic := range summed() {
			if value := values[slices.Index(l.names, statistic)]; !math.IsNaN(value) {
				c.Users[statistic] += value
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		sums = append(sums, *byName[name])
	}
	return sums
}
