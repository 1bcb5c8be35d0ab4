package web

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log/level"
	"github.com/prometheus/common/version"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// landingPage is the state of all chat servers, in plain words.
type landingPage struct {
	*pages
	page *template.Template

	// The page is made for one request at a time, and the others that come within
	// the same minute get the same one, unless something has changed.
	making  sync.Mutex
	counted map[*collector.Snapshot][]changes // by domain
	made    []byte
	madeOf  landingState
}

// landingState is what a page is made of. The minute is there for ages.
type landingState struct {
	fingerprint
	reports uint64
	minute  int64
}

func (a landingState) equal(b landingState) bool {
	return a.configuration == b.configuration && slices.Equal(a.statuses, b.statuses) && a.reports == b.reports && a.minute == b.minute
}

func (p *pages) landing() *landingPage {
	return &landingPage{pages: p, page: parse("landing.html"), counted: make(map[*collector.Snapshot][]changes)}
}

// ServeHTTP serves the page.
func (p *landingPage) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	body, err := p.make()
	if err != nil {
		_ = level.Error(p.Logger).Log("msg", "could not make the landing page", "err", err)
		http.Error(w, "this page cannot be made; the log says why", http.StatusInternalServerError)
		return
	}
	writePage(w, body)
}

func (p *landingPage) make() ([]byte, error) {
	p.making.Lock()
	defer p.making.Unlock()
	now := landingState{fingerprint: p.fingerprint(), minute: p.Clock().Unix() / 60}
	if p.ReportsVersion != nil {
		now.reports = p.ReportsVersion()
	}
	if p.made != nil && now.equal(p.madeOf) {
		return p.made, nil
	}
	var body bytes.Buffer
	if err := p.page.Execute(&body, p.view()); err != nil {
		return nil, err
	}
	p.made, p.madeOf = body.Bytes(), now
	return p.made, nil
}

// changes returns how the numbers of each domain have changed. They are counted
// once for each snapshot. One request at a time asks for them.
func (p *landingPage) changes(statuses []collector.Status) map[*collector.Snapshot][]changes {
	counted := make(map[*collector.Snapshot][]changes)
	for _, s := range statuses {
		if s.Snapshot == nil {
			continue
		}
		all, known := p.counted[s.Snapshot]
		if !known {
			for _, d := range s.Snapshot.Domains {
				v, _ := s.Snapshot.Visitors(d.Name, activity.GrowthDays+1)
				all = append(all, changesOf(v))
			}
		}
		counted[s.Snapshot] = all
	}
	p.counted = counted
	return counted
}

// landingView is what the landing page shows.
type landingView struct {
	Style           template.CSS
	Version         string
	TelemetryPath   string
	NodeInfo        bool
	Regulars        string // what they are
	Asleep          string // the same
	Windows         []windowName
	Totals          []figure // over all domains
	Troubles        []landingTrouble
	Failures        []landingFailure
	Rows            []landingRow
	Reports         *landingReports
	ReloadError     string
	HistoryTroubles []string // the servers whose history is not written
	Unrecorded      []landingUnrecorded

	sums sums
}

// landingTrouble is a module that somebody should look at.
type landingTrouble struct{ Server, Domain, Module, State string }

// rank puts warnings last.
func (t landingTrouble) rank() int {
	if t.State == "warning" {
		return 1
	}
	return 0
}

// landingFailure is a server that could not be read.
type landingFailure struct{ Server, Error string }

// landingUnrecorded is a domain whose server records no activity.
type landingUnrecorded struct{ Domain, Why string }

// landingReports is what the receiver has heard.
type landingReports struct {
	Received
	Within string
}

func (p *landingPage) view() landingView {
	c, statuses := p.Configuration(), p.Statuses()
	v := landingView{
		Style: style(), Version: version.Version, TelemetryPath: p.TelemetryPath, NodeInfo: c.NodeInfo.Enabled,
		Regulars: regularsMeaning, Asleep: asleepMeaning, Windows: windowNames(c.Windows), ReloadError: c.ReloadError,
	}
	if p.Received != nil {
		received := p.Received()
		v.Reports = &landingReports{received, span(received.Within)}
	}
	changes := p.changes(statuses)
	for _, s := range statuses {
		v.add(s, changes[s.Snapshot], p.Clock())
	}
	v.Totals = v.sums.figures(v.Windows)
	slices.SortStableFunc(v.Troubles, func(a, b landingTrouble) int { return cmp.Compare(a.rank(), b.rank()) })
	return v
}

// add adds what is known of one server.
func (v *landingView) add(s collector.Status, changed []changes, now time.Time) {
	row := newLandingRow(s, v.Windows)
	if !s.Attempted.IsZero() && !s.Up {
		v.Failures = append(v.Failures, landingFailure{s.Server, s.Err.Error()})
	}
	if s.HistoryFailures > 0 && s.HistorySaved.Before(s.Succeeded) {
		v.HistoryTroubles = append(v.HistoryTroubles, s.Server)
	}
	if s.Snapshot == nil {
		v.Rows = append(v.Rows, row)
		return
	}
	row.Age = age(now.Sub(s.Snapshot.At))
	for i, d := range s.Snapshot.Domains {
		if len(d.Active) == 0 {
			v.Unrecorded = append(v.Unrecorded, landingUnrecorded{d.Name, d.NotRecorded})
		}
		var c changes
		if i < len(changed) {
			c = changed[i]
		}
		v.Rows = append(v.Rows, row.forDomain(d, c))
		v.sums.add(d)
	}
	if len(s.Snapshot.Domains) == 0 {
		v.Rows = append(v.Rows, row)
	}
	for _, m := range s.Snapshot.Modules {
		if trouble := m.Trouble(); trouble != "" {
			if m.Domain == collector.AllDomains {
				m.Domain = "the whole server"
			}
			v.Troubles = append(v.Troubles, landingTrouble{s.Server, m.Domain, m.Name, trouble})
		}
	}
}

// age writes how long ago something was.
func age(d time.Duration) string {
	if d < 2*time.Minute {
		return "just now"
	}
	return span(d) + " ago"
}

// span writes a length of time in the largest unit that gives a number above
// one.
func span(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "days"}, {time.Hour, "hours"}, {time.Minute, "minutes"}} {
		if d >= 2*unit.length {
			return fmt.Sprintf("%d %s", d/unit.length, unit.name)
		}
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}
