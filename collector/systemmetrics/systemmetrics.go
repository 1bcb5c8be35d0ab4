// Package systemmetrics reads what a MongooseIM node reports of itself: its system
// metrics, a list of events, in each of the shapes in which they are found.
//
//   - The file system_metrics_report.json since 6.1, one whole report:
//     [{"name": "host_count", "params": {"value": 2}}, …]
//   - The file from 3.6 to 6.0:
//     [{"report_name": "hosts", "key": "count", "value": 2}, …]
//   - The body of a request since 6.1 (Google Analytics 4, /mp/collect), at most
//     25 events, so one part of several of a report:
//     {"client_id": "0191…", "events": [{"name": …, "params": …}, …]}
//   - The body of a request from 3.6 to 6.0 (Universal Analytics, /batch), at
//     most 20 lines, with double quotes that stand for nothing:
//     v=1&tid=UA-1-2&t=event&cid="0191…"&ec=hosts&ea=count&el=2
//
// A report begins with the event of the hosts and has each other number once,
// but a module once for each host type, without its name: repeats are dropped.
// Parts carry no number, time or node; see Part.
package systemmetrics

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
)

// A Report is what one node says of itself and of its cluster. What it does not
// say, or a part of it does not, is unknown or empty.
type Report struct {
	// ClientID is the cluster's, "" in files. Without an SQL database it begins
	// with "ephemeral-" and is new whenever the cluster starts.
	ClientID string
	// Continent and Country are where the node sent its report from, by their codes
	// (EU, DE), if a receiver found that.
	Continent, Country string `json:",omitempty"`
	// Uptime is that of the node.
	Uptime Number // seconds
	Nodes  Number // Erlang nodes in the cluster, also one of a maintenance shell
	// Hosts are host types; before 5.0, virtual hosts. Each static host is its
	// own host type.
	Hosts   Number
	Domains Number // static and dynamic; since 5.0
	// CustomModules are loaded modules without the marker of those that report
	// themselves: many of MongooseIM's own have none.
	CustomModules Number
	// ExternalComponents are those connected to the node.
	ExternalComponents  Number
	Version, ConfigType string
	// Modules are sorted, each option once.
	Modules []Module
	// HTTPHandlers and Transports are the names of what is enabled, sorted.
	HTTPHandlers, Transports []string
	// Pools are the numbers of outgoing pools by type.
	Pools map[string]int
	// Stanzas are the numbers of stanzas since the node was started, by names
	// such as "xmppMessageSent": sent by clients. Empty without instrumentation.
	Stanzas map[string]int64
}

// A Number may be unknown, which the zero value is.
type Number struct {
	Value int64
	Known bool
}

// Known returns a Number that is known.
func Known(n int) Number { return Number{int64(n), true} }

// A Module is a loaded module with one of its options; Option and Value are
// empty if it has none. It may be there with and without, when host types
// differ.
type Module struct{ Name, Option, Value string }

// A Part is what one file or request holds.
type Part struct {
	Report
	// Events is how many were read, Known how many of them are MongooseIM's.
	Events, Known int
	// First says that the report begins with this part, Last that it is known
	// to end with it: it holds fewer events than a request can. The last part
	// of a report may also be full.
	First, Last bool
}

// MaxRequestEvents is how many events one request holds at most, since 6.1.
const MaxRequestEvents = 25

const (
	maxOldEvents = 20 // of a request before
	// maxNames bounds how many different names one report may bring in each of
	// its lists, and maxName how long they are: reports are not authenticated.
	maxNames = 200
	maxName  = 128
)

// ErrShape says that the content has none of the shapes.
var ErrShape = errors.New("not a report of MongooseIM's system metrics")

// Parse reads a file or the body of a request. Events, members and values that
// are not known are left out; an error means that there is nothing of use.
func Parse(body []byte) (Part, error) {
	events, err := decode(body)
	if err != nil {
		return Part{}, err
	}
	p := Part{Events: len(events.all), Last: events.whole || len(events.all) < events.most}
	p.ClientID = clipped(events.client)
	for i, e := range events.all {
		known := p.add(e)
		if known {
			p.Known++
		}
		if known && (e.name == "host_count" || e.name == "hosts") {
			p.First = p.First || i == 0
		}
	}
	p.sort()
	return p, nil
}

// Merge adds a later part of the same report.
func (r *Report) Merge(later Report) {
	r.ClientID = cmp.Or(r.ClientID, later.ClientID)
	r.Version = cmp.Or(later.Version, r.Version)
	r.Continent, r.Country = cmp.Or(later.Continent, r.Continent), cmp.Or(later.Country, r.Country)
	r.ConfigType = cmp.Or(later.ConfigType, r.ConfigType)
	for _, n := range []struct{ ours, theirs *Number }{
		{&r.Uptime, &later.Uptime},
		{&r.Nodes, &later.Nodes},
		{&r.Hosts, &later.Hosts},
		{&r.Domains, &later.Domains},
		{&r.CustomModules, &later.CustomModules},
		{&r.ExternalComponents, &later.ExternalComponents},
	} {
		if n.theirs.Known {
			*n.ours = *n.theirs
		}
	}
	for _, m := range later.Modules {
		r.addModule(m)
	}
	for _, name := range later.HTTPHandlers {
		r.HTTPHandlers = with(r.HTTPHandlers, name)
	}
	for _, name := range later.Transports {
		r.Transports = with(r.Transports, name)
	}
	for kind, n := range later.Pools {
		r.addPools(kind, n)
	}
	for kind, n := range later.Stanzas {
		r.setStanzas(kind, n)
	}
	r.sort()
}

// Updated returns a copy that knows what a part of a later report, whose rest is
// missing, says.
func (r *Report) Updated(later Report) *Report {
	updated := *r
	updated.Modules = slices.Clone(r.Modules)
	updated.HTTPHandlers, updated.Transports = slices.Clone(r.HTTPHandlers), slices.Clone(r.Transports)
	updated.Stanzas = maps.Clone(r.Stanzas)
	updated.Pools = maps.Clone(r.Pools)
	if len(later.Pools) > 0 { // which add up
		updated.Pools = nil
	}
	updated.Merge(later)
	return &updated
}

// Names is the number of names in all lists.
func (r *Report) Names() int {
	return len(r.Modules) + len(r.HTTPHandlers) + len(r.Transports) + len(r.Pools) + len(r.Stanzas)
}

func (r *Report) sort() {
	slices.SortFunc(r.Modules, func(a, b Module) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Option, b.Option), cmp.Compare(a.Value, b.Value))
	})
	slices.Sort(r.HTTPHandlers)
	slices.Sort(r.Transports)
}

func (r *Report) addModule(m Module) {
	if m.Name != "" && len(r.Modules) < maxNames && !slices.Contains(r.Modules, m) {
		r.Modules = append(r.Modules, m)
	}
}

func (r *Report) addPools(kind string, n int) {
	if r.Pools == nil {
		r.Pools = make(map[string]int)
	}
	if _, there := r.Pools[kind]; there || len(r.Pools) < maxNames {
		r.Pools[kind] += n
	}
}

func (r *Report) setStanzas(kind string, n int64) {
	if r.Stanzas == nil {
		r.Stanzas = make(map[string]int64)
	}
	if _, there := r.Stanzas[kind]; there || len(r.Stanzas) < maxNames {
		r.Stanzas[kind] = n
	}
}

// with adds a name to a list that does not have it.
func with(names []string, name string) []string {
	if name == "" || len(names) >= maxNames || slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

// clipped returns a name that is fit to be shown: valid text, not too long.
func clipped(name string) string {
	if len(name) > maxName {
		name = name[:maxName]
	}
	return strings.ToValidUTF8(name, "")
}
