package reports

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"active_users_exporter/collector/systemmetrics"
)

// clusters puts the system metrics of MongooseIM clusters together: each node
// sends its report in parts, one request after the other, without number, time
// or end mark; see systemmetrics.Part.
type clusters struct {
	mutex sync.Mutex
	nodes map[node]*nodeReport
}

// node identifies who reports: nodes of a cluster share its id.
type node struct{ client, address string }

// nodeReport is the newest report of a node.
type nodeReport struct {
	complete *systemmetrics.Report // nil before the first
	building *systemmetrics.Report // more parts of it may come
	received time.Time             // the newest part
	first    time.Time             // when the node was first heard, as far as is known
}

// On an open endpoint anybody can invent clusters: maxNodes are how many nodes
// are known at a time, maxNames how many names of modules and the like those
// clusters have together that are shown.
const maxNodes, maxNames = 100, 5000

// partsApart is the longest time between two parts of one report, which come
// within milliseconds: after it, a report that could have more parts is taken
// for complete.
const partsApart = 2 * time.Second

// add takes a part and returns the report as far as it is known, to be stored.
func (c *clusters) add(from node, p systemmetrics.Part, now time.Time) ([]byte, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	n := c.nodes[from]
	if n == nil {
		n = &nodeReport{first: now}
		if known := c.latest(from.client); known != nil {
			n.complete, n.first = known.complete, known.first
		}
		c.nodes[from] = n
	}
	return json.Marshal(n.add(p, now))
}

// latest returns the newest complete report of a cluster, nil if there is none.
func (c *clusters) latest(client string) (newest *nodeReport) {
	for from, n := range c.nodes {
		if from.client == client && n.complete != nil && (newest == nil || n.received.After(newest.received)) {
			newest = n
		}
	}
	return newest
}

// put takes what is known of a node from the store.
func (c *clusters) put(from node, n *nodeReport) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	n.first = n.received
	if known := c.nodes[from]; known != nil {
		n.first = known.first
	}
	c.nodes[from] = n
}

// add takes a part and returns the report as far as it is known. What no part
// has said yet is as in the report before; so it stays if the beginning of a
// report never comes.
func (n *nodeReport) add(p systemmetrics.Part, now time.Time) *systemmetrics.Report {
	n.finish(now)
	switch {
	case n.building != nil && !p.First:
		n.building.Merge(p.Report)
	case p.First || n.complete == nil:
		n.building = &p.Report
	default:
		n.building = n.complete.Updated(p.Report)
	}
	n.received = now
	if p.Last {
		n.complete, n.building = n.building, nil
		return n.complete
	}
	if n.complete != nil {
		return n.complete.Updated(*n.building)
	}
	return n.building
}

// finish takes a report without an end mark for complete once no part follows.
func (n *nodeReport) finish(now time.Time) {
	if n.building != nil && now.Sub(n.received) > partsApart {
		n.complete, n.building = n.building, nil
	}
}

// visible returns the newest report of each cluster, that of the node that
// reported last, sorted; and how many clusters are left out since others have
// been known longer.
func (c *clusters) visible(now time.Time, expireAfter time.Duration) (all []systemmetrics.Cluster, overflow int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	newest, first := make(map[string]*nodeReport), make(map[string]time.Time)
	for from, n := range c.nodes {
		if now.Sub(n.received) > expireAfter {
			delete(c.nodes, from)
			continue
		}
		n.finish(now)
		if known := newest[from.client]; n.complete != nil && (known == nil || n.received.After(known.received)) {
			newest[from.client] = n
		}
		if known, ok := first[from.client]; !ok || n.first.Before(known) {
			first[from.client] = n.first
		}
	}
	names := 0
	for _, client := range slices.SortedFunc(maps.Keys(newest), func(a, b string) int {
		return cmp.Or(first[a].Compare(first[b]), cmp.Compare(a, b))
	}) {
		n := newest[client]
		if names += n.complete.Names(); names > maxNames {
			overflow = len(newest) - len(all)
			break
		}
		all = append(all, systemmetrics.Cluster{Report: *n.complete, Name: n.complete.ClientID, Reported: n.received})
	}
	slices.SortFunc(all, func(a, b systemmetrics.Cluster) int { return cmp.Compare(a.ClientID, b.ClientID) })
	return all, overflow
}

// hasCapacity says whether there is room for a node: for those of clusters that are
// known there always is, within reason.
func (c *clusters) hasCapacity(from node) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return len(c.nodes) < maxNodes || c.nodes[from] != nil || c.latest(from.client) != nil && len(c.nodes) < 2*maxNodes
}

// collect receives a part of MongooseIM's system metrics.
func (r *Receiver) collect(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		r.refuse(w, request, &refusal{http.StatusMethodNotAllowed, Malformed, "want POST"})
		return
	}
	if refused := r.receivePart(w, request); refused != nil {
		r.refuse(w, request, refused)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *Receiver) receivePart(w http.ResponseWriter, request *http.Request) *refusal {
	address := clientOf(request, r.options.TrustedProxies)
	from := senderOf(address)
	if !r.allowed(from) {
		return &refusal{http.StatusTooManyRequests, RateLimited, "too many requests"}
	}
	switch homeservers, authorized := r.authorize(request); {
	case !authorized:
		return &refusal{http.StatusUnauthorized, Unauthorized, "a token is needed, as api_secret"}
	case len(homeservers) > 0:
		return &refusal{http.StatusForbidden, Forbidden, "this token is for homeservers, not for MongooseIM"}
	}
	body, refused := readBody(w, request, "a request")
	if refused != nil {
		return refused
	}
	part, err := systemmetrics.Parse(body)
	if err != nil || part.ClientID == "" || part.Known == 0 || part.Events > systemmetrics.MaxRequestEvents {
		return &refusal{http.StatusBadRequest, Malformed, "not a request with MongooseIM's system metrics"}
	}
	if r.locations != nil {
		found := r.locations.lookUp(address)
		part.Continent, part.Country = found.Continent, found.Country
	}
	sent := node{part.ClientID, address.String()}
	if !r.clusters.hasCapacity(sent) {
		return &refusal{http.StatusTooManyRequests, Capacity, "too many clusters report here"}
	}
	if !r.store.opened.Load() {
		return r.storageError(errClosed)
	}
	now := r.options.Now()
	if err := r.store.keepPart(request.Context(), &r.clusters, sent, part, now); err != nil {
		return r.storageError(err)
	}
	r.accepted.Add(1)
	r.established.accepted(from, time.Now())
	r.changes.Add(1)
	return nil
}
