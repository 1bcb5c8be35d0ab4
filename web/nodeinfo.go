package main

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-kit/log/level"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/config"
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

// published is a domain with the server that it is on.
type published struct {
	collector.Domain
	software config.Software
	version  string
}

// published returns the domains whose figures are known, each once: of two
// servers with the same domain the first speaks for it.
func (e *Exporter) published() (all []published) {
	for _, s := range e.Statuses() {
		if s.Snapshot == nil {
			continue
		}
		for _, d := range s.Snapshot.Domains {
			if !slices.ContainsFunc(all, func(p published) bool { return p.Name == d.Name }) {
				all = append(all, published{d, config.Software(s.Software), s.Snapshot.Version})
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
func (e *Exporter) nodeInfoIndex(w http.ResponseWriter, r *http.Request) {
	domains, ok := e.nodeInfoDomains(w, r)
	if !ok {
		return
	}
	base := url.URL{Scheme: "http", Host: r.Host, Path: "/nodeinfo/2.1"}
	// Whoever makes this up deceives nobody else.
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		base.Scheme = "https"
	}
	var index nodeInfoLinks
	for _, d := range domains {
		base.RawQuery = url.Values{"domain": {d.Name}}.Encode()
		index.Links = append(index.Links, nodeInfoLink{Rel: nodeInfoSchema, Href: base.String()})
	}
	e.answerJSON(w, http.StatusOK, "application/json", index)
}

// nodeInfoDocument serves the document of one domain.
func (e *Exporter) nodeInfoDocument(w http.ResponseWriter, r *http.Request) {
	domains, ok := e.nodeInfoDomains(w, r)
	switch {
	case !ok:
	case len(domains) > 1:
		e.refuseJSON(w, http.StatusBadRequest, "which domain? Ask for /nodeinfo/2.1?domain=NAME")
	default:
		e.answerJSON(w, http.StatusOK, `application/json; profile="`+nodeInfoSchema+`#"`, nodeInfoOf(domains[0], *e.nodeInfo.Load()))
	}
}

// nodeInfoDomains returns the domains that a request is about, at least one; or
// says why not.
func (e *Exporter) nodeInfoDomains(w http.ResponseWriter, r *http.Request) (domains []published, ok bool) {
	if !e.nodeInfo.Load().Enabled {
		e.refuseJSON(w, http.StatusNotFound, "NodeInfo is off: nodeinfo.enabled in the configuration turns it on")
		return nil, false
	}
	if domains = asked(r, e.published()); len(domains) > 0 {
		return domains, true
	}
	if !e.Ready() { // clients give up at 404, and come back after this
		w.Header().Set("Retry-After", "60")
		e.refuseJSON(w, http.StatusServiceUnavailable, "the first refresh is running")
		return nil, false
	}
	e.refuseJSON(w, http.StatusNotFound, "no such domain, or no figures of it")
	return nil, false
}

func nodeInfoOf(p published, how config.NodeInfo) nodeInfo {
	document := nodeInfo{
		Version: "2.1",
		// A version is required, and not every chat server records it.
		Software:  nodeInfoSoftware{Name: string(p.software), Version: cmp.Or(p.version, "unknown")},
		Protocols: []string{protocolOf(p.software)},
		Services:  nodeInfoServices{Inbound: []string{}, Outbound: []string{}},
	}
	users := &document.Usage.Users
	for _, a := range p.Registered {
		if a.Type == collector.Native { // guests have not registered, and bridges are no people
			users.Total = rounded(a.Users, how)
		}
	}
	for _, a := range p.Active {
		if a.Window == activity.Monthly() {
			users.ActiveMonth = rounded(a.Users, how)
		}
	}
	if p.HalfYear.Known {
		users.ActiveHalfYear = rounded(p.HalfYear.Number, how)
	}
	return document
}

// protocolOf returns what a chat server speaks. NodeInfo knows the name matrix
// since 2.2; no other name would be true.
func protocolOf(s config.Software) string {
	if s == config.Synapse {
		return "matrix"
	}
	return "xmpp"
}

// rounded returns the nearest number that may be published, nil if there is
// none: numbers below the minimum are not, nor is 0 for somebody.
func rounded(users int, how config.NodeInfo) *int {
	nearest := (users + how.RoundTo/2) / how.RoundTo * how.RoundTo
	if users < how.Minimum || nearest == 0 {
		return nil
	}
	return &nearest
}

func (e *Exporter) refuseJSON(w http.ResponseWriter, status int, why string) {
	e.answerJSON(w, status, "application/json", map[string]string{"error": why})
}

func (e *Exporter) answerJSON(w http.ResponseWriter, status int, contentType string, body any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		_ = level.Debug(e.logger).Log("msg", "could not send an answer", "err", err)
	}
}
