package reports

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"active_users_exporter/collector/mongooseim/sysmetrics"
)

// clusters puts the system metrics of MongooseIM clusters together: each node
// sends its report in parts, one request after the other, without number, time
// or end mark; see sysmetrics.Part.
type clusters struct {
	mutex sync.Mutex
	nodes map[node]*nodeReport
}

// node tells those apart who report: nodes of a cluster share its id.
type node struct{ client, address string }

// nodeReport is the newest report of a node.
type nodeReport struct {
	complete *sysmetrics.Report // nil before the first
	building *sysmetrics.Report // of which more parts may come
	received time.Time          // the newest part
}

// partsApart is the longest time between two parts of one report, which come
// within milliseconds: after it, a report that could have more parts is taken
// for complete.
const partsApart = 2 * time.Second

// ClusterReport is the newest report of a cluster.
type ClusterReport struct {
	sysmetrics.Report
	Received time.Time
}

// add takes a part and returns the report as far as it is known, to be stored.
func (c *clusters) add(from node, p sysmetrics.Part, now time.Time) ([]byte, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	n := c.nodes[from]
	if n == nil {
		n = &nodeReport{}
		c.nodes[from] = n
	}
	return json.Marshal(n.add(p, now))
}

// put takes what is known of a node from the store.
func (c *clusters) put(from node, n *nodeReport) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.nodes[from] = n
}

// add takes a part and returns the report as far as it is known.
func (n *nodeReport) add(p sysmetrics.Part, now time.Time) *sysmetrics.Report {
	n.settle(now)
	if p.First || n.building == nil {
		n.building = &p.Report
	} else {
		n.building.Merge(p.Report)
	}
	report := n.building
	n.received = now
	if p.Last {
		n.complete, n.building = n.building, nil
	}
	return report
}

// settle takes a report without an end mark for complete once no part follows.
func (n *nodeReport) settle(now time.Time) {
	if n.building != nil && now.Sub(n.received) > partsApart {
		n.complete, n.building = n.building, nil
	}
}

// shown returns the newest report of each cluster, of its nodes the one that
// reported last; at most a number of them, those first by name.
func (c *clusters) shown(now time.Time, expireAfter time.Duration, most int) (all []ClusterReport) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	newest := make(map[string]*nodeReport)
	for from, n := range c.nodes {
		if now.Sub(n.received) > expireAfter {
			delete(c.nodes, from)
			continue
		}
		n.settle(now)
		if known := newest[from.client]; n.complete != nil && (known == nil || n.received.After(known.received)) {
			newest[from.client] = n
		}
	}
	for _, n := range newest {
		all = append(all, ClusterReport{*n.complete, n.received})
	}
	slices.SortFunc(all, func(a, b ClusterReport) int { return cmp.Compare(a.ClientID, b.ClientID) })
	return all[:min(len(all), most)]
}

// room says whether there is room for a node.
func (c *clusters) room(from node, most int) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.nodes[from] != nil || len(c.nodes) < most
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
	address := client(request, r.TrustedProxies)
	if !address.IsLoopback() && (!r.all.Allow() || !r.byAddress.allow(address.String(), time.Now())) {
		return &refusal{http.StatusTooManyRequests, RateLimited, "too many requests"}
	}
	if _, authorized := r.authorize(request); !authorized {
		return &refusal{http.StatusUnauthorized, Unauthorized, "a token is needed, as api_secret"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &refusal{http.StatusRequestEntityTooLarge, TooLarge, "a request has at most 64 KiB"}
	case err != nil:
		return &refusal{http.StatusBadRequest, Malformed, "the request ended early"}
	}
	part, err := sysmetrics.Parse(body)
	if err != nil || part.ClientID == "" {
		return &refusal{http.StatusBadRequest, Malformed, "not a request with MongooseIM's system metrics"}
	}
	from := node{part.ClientID, address.String()}
	if !r.clusters.room(from, r.MaxHomeservers) {
		return &refusal{http.StatusTooManyRequests, Capacity, "too many clusters report here"}
	}
	now := r.Now()
	if err := r.store.keepPart(request.Context(), &r.clusters, from, part, now); err != nil {
		return r.unstored(err)
	}
	return nil
}
