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

// newest holds the newest report of each homeserver that has been heard lately.
type newest struct {
	options Options
	names   []string // of the statistics, the order of heard.values; see pack

	mutex sync.Mutex
	heard map[string]*heard
}

// heard is what is known of one homeserver, in little memory: anybody can
// invent homeservers. It never changes once others may see it.
type heard struct {
	name                string
	values              packed
	info                []string // in the order of usagereport.InfoNames
	firstSeen, received time.Time
	reports             uint64
}

// add takes a report that has been stored.
func (n *newest) add(r usagereport.Report, received time.Time) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	h := heard{name: r.Homeserver, firstSeen: received}
	if known := n.heard[r.Homeserver]; known != nil {
		h = *known
	}
	h.reports++
	if !received.Before(h.received) {
		n.take(&h, r, received)
	}
	n.heard[r.Homeserver] = &h
}

func (n *newest) take(h *heard, r usagereport.Report, received time.Time) {
	h.received = received
	values := make([]float64, len(n.names))
	for i, name := range n.names {
		value, there := r.Statistics[name]
		if !there {
			value = math.NaN()
		}
		values[i] = value
	}
	h.values = pack(values)
	h.info = make([]string, len(usagereport.InfoNames()))
	for i, name := range usagereport.InfoNames() {
		h.info[i] = unique.Make(r.Info[name]).Value() // most say the same
	}
}

// homeserver unpacks what is known of one.
func (n *newest) homeserver(h *heard) usagereport.Homeserver {
	r := usagereport.Homeserver{
		Name: h.name, Reported: h.received, Reports: h.reports,
		Statistics: make(map[string]float64), Info: make(map[string]string),
	}
	values := make([]float64, len(n.names))
	h.values.unpack(values)
	for i, name := range n.names {
		if !math.IsNaN(values[i]) {
			r.Statistics[name] = values[i]
		}
	}
	for i, name := range usagereport.InfoNames() {
		r.Info[name] = h.info[i]
	}
	return r
}

// restore takes a report from the store, if it is new and there is room.
func (n *newest) restore(s stored) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	known := n.heard[s.Homeserver]
	if known != nil && known.reports >= s.Reports || known == nil && len(n.heard) >= trackedPerShown*n.options.MaxHomeservers {
		return
	}
	r, err := usagereport.Parse(s.Body)
	if err != nil {
		return // a stricter exporter than the one that stored it
	}
	h := &heard{name: r.Homeserver, firstSeen: time.UnixMilli(s.FirstSeen), reports: s.Reports}
	n.take(h, r, time.UnixMilli(s.Received))
	n.heard[r.Homeserver] = h
}

// trackedPerShown is how many times more homeservers are kept in memory than
// are shown. Beyond, new ones are turned away: on an open endpoint anybody can
// invent names.
const trackedPerShown = 20

// room says whether there is room for a homeserver.
func (n *newest) room(homeserver string) bool {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	_, known := n.heard[homeserver]
	return known || len(n.heard) < trackedPerShown*n.options.MaxHomeservers
}

// expire forgets homeservers that have not been heard since a moment.
func (n *newest) expire(before time.Time) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	maps.DeleteFunc(n.heard, func(_ string, h *heard) bool { return h.received.Before(before) })
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
	newcomersPart = 4
	maxContexts   = 50
	// OtherContexts is the name of what is beyond the cap.
	OtherContexts = "other"
)

// summed are the statistics that are added up.
func summed() []string {
	return []string{"total_users", "total_nonbridged_users", "daily_active_users", "monthly_active_users", "r30v2_users_all"}
}

// current returns the homeservers that were heard within ExpireAfter, those that
// are known longest first.
func (n *newest) current(now time.Time) (all []*heard) {
	n.mutex.Lock()
	for _, h := range n.heard {
		if now.Sub(h.received) <= n.options.ExpireAfter {
			all = append(all, h)
		}
	}
	n.mutex.Unlock()
	slices.SortFunc(all, func(a, b *heard) int {
		return cmp.Or(a.firstSeen.Compare(b.firstSeen), cmp.Compare(a.name, b.name))
	})
	return all
}

// visible returns those of the current homeservers that have series of their own,
// sorted by name.
func (n *newest) visible(current []*heard) (all []*heard) {
	newcomers, most := 0, len(current)
	if len(current) > n.options.MaxHomeservers {
		most = max(1, n.options.MaxHomeservers/newcomersPart)
	}
	for _, h := range current {
		if h.reports == 1 {
			newcomers++
		}
		if len(all) < n.options.MaxHomeservers && (h.reports > 1 || newcomers <= most) {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(a, b *heard) int { return cmp.Compare(a.name, b.name) })
	return all
}

// contexts adds up homeservers, which are sorted by how long they are known.
func (n *newest) contexts(all []*heard) (sums []Context) {
	byName := make(map[string]*Context)
	values := make([]float64, len(n.names))
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
			if value := values[slices.Index(n.names, statistic)]; !math.IsNaN(value) {
				c.Users[statistic] += value
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		sums = append(sums, *byName[name])
	}
	return sums
}
