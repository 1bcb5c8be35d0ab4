package web

import (
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-kit/log/level"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// nodeInfoSchema names NodeInfo 2.1: http://nodeinfo.diaspora.software.
const nodeInfoSchema = "http://nodeinfo.diaspora.software/ns/schema/2.1"

// nodeInfo is a NodeInfo 2.1 document.
type nodeInfo struct {
	Version           string           `json:"version"`
	Software          nodeInfoSoftware `json:"software"`
	Protocols         []string         `json:"protocols"`
	Services          nodeInfoServices `json:"services"`
	OpenRegistrations bool             `json:"openRegistrations"`
	Usage             nodeInfoUsage    `json:"usage"`
	Metadata          struct{}         `json:"metadata"`
}

type nodeInfoSoftware struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type nodeInfoServices struct {
	Inbound  []string `json:"inbound"`
	Outbound []string `json:"outbound"`
}

type nodeInfoUsage struct {
	Users nodeInfoUsers `json:"users"`
}

// nodeInfoUsers leaves out what is unknown or too small.
type nodeInfoUsers struct {
	Total          *int `json:"total,omitempty"`
	ActiveMonth    *int `json:"activeMonth,omitempty"`
	ActiveHalfYear *int `json:"activeHalfyear,omitempty"`
}

// nodeInfoLinks is what /.well-known/nodeinfo answers with.
type nodeInfoLinks struct {
	Links []nodeInfoLink `json:"links"`
}

type nodeInfoLink struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// NodeInfo says whether and how exactly the sizes of communities are published.
type NodeInfo struct {
	Enabled bool
	// Minimum is the smallest number that is published. RoundTo is the step: numbers
	// are rounded to its nearest multiple. Both are at least 1.
	Minimum, RoundTo int
}

// published is a domain with the server that it is on.
type published struct {
	collector.Domain
	software, protocol, version string
}

// published returns the domains whose figures are known, each once: if two
// servers have the same domain, the first one wins.
func (p *pages) published() (all []published) {
	for _, s := range p.Statuses() {
		if s.Snapshot == nil {
			continue
		}
		for _, d := range s.Snapshot.Domains {
			if !slices.ContainsFunc(all, func(other published) bool { return other.Name == d.Name }) {
				all = append(all, published{d, s.Software, p.Protocol(s.Software), s.Snapshot.Version})
			}
		}
	}
	return all
}

// asked returns the domains that a request is about: the one that it names,
// else the one that it was sent to, else all.
func asked(r *http.Request, all []published) []published {
	name := r.URL.Query().Get("domain")
	host := (&url.URL{Host: r.Host}).Hostname()
	for _, p := range all {
		if strings.EqualFold(p.Name, cmp.Or(name, host)) {
			return []published{p}
		}
	}
	if name != "" {
		return nil
	}
	return all
}

// nodeInfoIndex serves the links to the documents.
func (p *pages) nodeInfoIndex(w http.ResponseWriter, r *http.Request) {
	domains, ok := p.nodeInfoDomains(w, r)
	if !ok {
		return
	}
	base := url.URL{Scheme: "http", Host: r.Host, Path: "/nodeinfo/2.1"}
	// A client that makes this up deceives nobody else.
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		base.Scheme = "https"
	}
	var index nodeInfoLinks
	for _, d := range domains {
		base.RawQuery = url.Values{"domain": {d.Name}}.Encode()
		index.Links = append(index.Links, nodeInfoLink{Rel: nodeInfoSchema, Href: base.String()})
	}
	p.answerJSON(w, http.StatusOK, "application/json", index)
}

// nodeInfoDocument serves the document of one domain.
func (p *pages) nodeInfoDocument(w http.ResponseWriter, r *http.Request) {
	domains, ok := p.nodeInfoDomains(w, r)
	switch {
	case !ok:
	case len(domains) > 1:
		p.refuseJSON(w, http.StatusBadRequest, "which domain? Ask for /nodeinfo/2.1?domain=NAME")
	default:
		p.answerJSON(w, http.StatusOK, `application/json; profile="`+nodeInfoSchema+`#"`, nodeInfoOf(domains[0], p.Configuration().NodeInfo))
	}
}

// nodeInfoDomains returns the domains that a request is about, at least one; or
// says why not.
func (p *pages) nodeInfoDomains(w http.ResponseWriter, r *http.Request) (domains []published, ok bool) {
	if !p.Configuration().NodeInfo.Enabled {
		p.refuseJSON(w, http.StatusNotFound, "NodeInfo is off: nodeinfo.enabled in the configuration turns it on")
		return nil, false
	}
	if domains = asked(r, p.published()); len(domains) > 0 {
		return domains, true
	}
	if !p.ready() { // clients give up at 404, and come back after this
		w.Header().Set("Retry-After", "60")
		p.refuseJSON(w, http.StatusServiceUnavailable, "the first refresh is running")
		return nil, false
	}
	p.refuseJSON(w, http.StatusNotFound, "no such domain, or no figures of it")
	return nil, false
}

func nodeInfoOf(p published, how NodeInfo) nodeInfo {
	document := nodeInfo{
		Version: "2.1",
		// A version is required, and not every chat server records it.
		Software:  nodeInfoSoftware{Name: p.software, Version: cmp.Or(p.version, "unknown")},
		Protocols: []string{p.protocol},
		Services:  nodeInfoServices{Inbound: []string{}, Outbound: []string{}},
	}
	users := &document.Usage.Users
	// Guests have not registered, and bridges are no people. Who has deactivated the
	// account since the last visit is no longer one of the members.
	most := math.MaxInt
	if p.Natives.Known {
		most = p.Natives.Number
		users.Total = rounded(p.Natives.Number, how)
	}
	month := activeMonth(p.Domain)
	if month.Known {
		users.ActiveMonth = rounded(min(month.Number, most), how)
	}
	if p.HalfYear.Known { // which is a month and more, also if the server itself knows of more active users than the visits
		users.ActiveHalfYear = rounded(min(max(month.Number, p.HalfYear.Number), most), how)
	}
	return document
}

// activeMonth returns how many people were active in a month, of those who are in
// Domain.HalfYear as well.
func activeMonth(d collector.Domain) collector.Count {
	if d.Month.Known {
		return d.Month
	}
	for _, a := range d.Active {
		if a.Window == activity.Monthly() {
			return collector.Known(a.Users)
		}
	}
	return collector.Count{}
}

// rounded returns the nearest number that may be published, nil if there is
// none: numbers below the minimum are not, nor is 0 for somebody.
func rounded(users int, how NodeInfo) *int {
	nearest := (users + how.RoundTo/2) / how.RoundTo * how.RoundTo
	if users < how.Minimum || nearest == 0 {
		return nil
	}
	return &nearest
}

func (p *pages) refuseJSON(w http.ResponseWriter, status int, why string) {
	p.answerJSON(w, status, "application/json", map[string]string{"error": why})
}

func (p *pages) answerJSON(w http.ResponseWriter, status int, contentType string, body any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		_ = level.Debug(p.Logger).Log("msg", "could not send an answer", "err", err)
	}
}
