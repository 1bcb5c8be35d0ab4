package web

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/dustin/go-humanize"
	"github.com/go-kit/log/level"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/web/chart"
)

// mostDays is how far back the pages of a domain look, in days.
const mostDays = 400

// periods are the lengths that a page of a domain can show, in days; the second is
// shown unless another is asked for.
func periods() []int { return []int{30, 90, mostDays} }

// domainPages are the pages of domains, /domain/SERVER/DOMAIN, and their numbers as
// CSV. A page is made when somebody asks for it, one at a time, and kept until its
// server has other figures.
type domainPages struct {
	*pages
	drawer *chart.Drawer
	page   *template.Template

	making sync.Mutex
	made   map[string]madePage
}

// madePage is a page and the version of the status that it was made from.
type madePage struct {
	version uint64
	body    []byte
}

// mostPages is how many pages are kept: at 200 KB each, 12 MB.
const mostPages = 64

// domainPath returns where the page of a domain is, below the landing page.
func domainPath(server, domain string) string {
	return "./domain/" + url.PathEscape(server) + "/" + url.PathEscape(domain)
}

func (p *pages) domains() *domainPages {
	return &domainPages{pages: p, drawer: chart.NewDrawer(), page: parse("domain.html"), made: make(map[string]madePage)}
}

// asked returns what a request is about. If there is no such domain, or no such
// period, it answers the request and returns false.
func (p *domainPages) asked(w http.ResponseWriter, r *http.Request) (v domainView, ok bool) {
	days := periods()[1]
	if text := r.URL.Query().Get("days"); text != "" {
		var err error
		if days, err = strconv.Atoi(text); err != nil || !slices.Contains(periods(), days) {
			http.Error(w, "days: want 30, 90 or 400", http.StatusBadRequest)
			return v, false
		}
	}
	for _, s := range p.Statuses() {
		if s.Server != r.PathValue("server") || s.Snapshot == nil {
			continue
		}
		for _, d := range s.Snapshot.Domains {
			if d.Name == r.PathValue("domain") {
				return domainView{status: s, domain: d, days: days}, true
			}
		}
	}
	http.Error(w, "no such domain, or no figures of it yet", http.StatusNotFound)
	return v, false
}

// ServeHTTP serves the page of a domain.
func (p *domainPages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v, ok := p.asked(w, r)
	if !ok {
		return
	}
	body, err := p.make(v)
	if err != nil {
		_ = level.Error(p.Logger).Log("msg", "could not make a page", "err", err)
		http.Error(w, "this page cannot be made; the log says why", http.StatusInternalServerError)
		return
	}
	writePage(w, body)
}

// make returns the page, as it was made before if nothing has changed since.
func (p *domainPages) make(v domainView) ([]byte, error) {
	key := v.status.Server + "\x00" + v.domain.Name + "\x00" + strconv.Itoa(v.days)
	p.making.Lock()
	defer p.making.Unlock()
	if page, ok := p.made[key]; ok && page.version == v.status.Version {
		return page.body, nil
	}
	v.count()
	var body bytes.Buffer
	if err := p.page.Execute(&body, v.page(p.drawer)); err != nil {
		return nil, fmt.Errorf("make the page of %s: %w", v.domain.Name, err)
	}
	if len(p.made) >= mostPages {
		clear(p.made)
	}
	made := bytes.Clone(body.Bytes()) // without the room behind it
	p.made[key] = madePage{v.status.Version, made}
	return made, nil
}

// data serves the numbers of one chart as CSV (RFC 4180).
func (p *domainPages) data(w http.ResponseWriter, r *http.Request) {
	v, ok := p.asked(w, r)
	if !ok {
		return
	}
	p.making.Lock()
	v.count()
	sections := v.sections(p.drawer)
	p.making.Unlock()
	for _, s := range sections {
		if name := r.URL.Query().Get("chart"); s.ID != name && (name != "" || s.ID != sections[0].ID) {
			continue
		}
		w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
		out := csv.NewWriter(w)
		_ = out.Write(s.Table.Head)
		for _, row := range s.Table.Rows {
			cells := make([]string, len(row))
			for i, cell := range row {
				cells[i] = fmt.Sprint(cell)
			}
			_ = out.Write(cells)
		}
		out.Flush() // a client that has hung up gets no more
		return
	}
	http.Error(w, "no such chart, or no numbers for it yet", http.StatusNotFound)
}

// domainView is what a page shows of one domain.
type domainView struct {
	status   collector.Status
	domain   collector.Domain
	days     int
	timeline collector.Timeline // empty without a history
}

// count looks at the history, as far back as any page does: pages of all periods and their
// numbers share what was counted.
func (v *domainView) count() {
	v.timeline, _ = v.status.Snapshot.Timeline(v.domain.Name, mostDays)
}

// domainPage is what the template shows.
type domainPage struct {
	Style                    template.CSS
	Domain, Server, Software string
	At                       string // the moment of the figures
	Figures                  []figure
	Periods                  []period
	Sections                 []section
}

// figure is a number of the present.
type figure struct{ Name, Value, Change, Meaning string }

// period is a link to the same page of another period.
type period struct {
	Name, Link string
	Current    bool
}

func (v domainView) page(drawer *chart.Drawer) domainPage {
	base := "./" + url.PathEscape(v.domain.Name)
	page := domainPage{
		Style: style(), Domain: v.domain.Name, Server: v.status.Server, Software: v.status.Software,
		At:       v.status.Snapshot.At.UTC().Format("2 January 2006, 15:04 UTC"),
		Figures:  v.figures(),
		Sections: v.sections(drawer),
	}
	for i := range page.Sections {
		page.Sections[i].Data = base + "/data.csv?days=" + strconv.Itoa(v.days) + "&chart=" + page.Sections[i].ID
	}
	for _, days := range periods() {
		page.Periods = append(page.Periods, period{strconv.Itoa(days) + " days", base + "?days=" + strconv.Itoa(days), days == v.days})
	}
	return page
}

// figures are the numbers of the present, those of the metrics.
func (v domainView) figures() (all []figure) {
	changes := changesOf(v.timeline.Visitors)
	for _, a := range v.domain.Active {
		w := windowOf(a.Window)
		all = append(all, figure{w.Name, humanize.Comma(int64(a.Users)), changes.inFull(a.Window), w.Meaning})
	}
	if r := v.domain.Retention; r != nil {
		all = append(all, figure{"Regulars", humanize.Comma(int64(r.Users)), "", regularsMeaning})
	}
	if g := v.domain.Growth; g != nil {
		n, parts := growthOf(*g)
		all = append(all, figure{"Growth", n, parts, "within 30 days"})
	}
	if v.domain.Online.Known {
		all = append(all, figure{"Online", humanize.Comma(int64(v.domain.Online.Number)), "", "people connected at the last refresh"})
	}
	if total, known := v.domain.Accounts(); known {
		all = append(all, figure{"Accounts", humanize.Comma(int64(total)), "", "accounts that exist"})
	}
	return all
}

// changes are how the numbers of visitors have changed, as in "8 % more than"; empty
// where it is not known.
type changes struct{ Daily, Weekly, Monthly string }

// changesOf compares the last days that are over with those before: the day with the
// one a week earlier, windows with the windows before them.
func changesOf(v collector.Visitors) changes {
	c := changes{Weekly: change(v.Weekly, activity.WeekDays), Monthly: change(v.Monthly, activity.GrowthDays)}
	if last := len(v.Daily) - 1; last >= activity.WeekDays {
		if now, before := v.Daily[last], v.Daily[last-activity.WeekDays]; now.Known && before.Known {
			c.Daily = compared(now.Number, before.Number)
		}
	}
	return c
}

func (c changes) forWindow(w activity.Window) string {
	switch w.String() {
	case "1d":
		return c.Daily
	case "7d":
		return c.Weekly
	case "30d":
		return c.Monthly
	}
	return ""
}

// inFull says also what a number is compared with.
func (c changes) inFull(w activity.Window) string {
	if text := c.forWindow(w); text != "" {
		return text + " " + map[string]string{"1d": "a week", "7d": "the week", "30d": "the 30 days"}[w.String()] + " before"
	}
	return ""
}

// change compares the last value of a series with the one so many days earlier.
func change(series []int, days int) string {
	if len(series) <= days {
		return ""
	}
	return compared(series[len(series)-1], series[len(series)-1-days])
}

// compared writes "8 % more than", to be continued with what it is compared with.
func compared(now, before int) string {
	percent := 0
	if before > 0 {
		percent = int(math.Round(100 * float64(now-before) / float64(before)))
	}
	switch {
	case percent > 0:
		return humanize.Comma(int64(percent)) + " % more than"
	case percent < 0:
		return strconv.Itoa(-percent) + " % fewer than"
	case now > before: // nobody before, or far less than a percent
		return humanize.Comma(int64(now-before)) + " more than"
	case now < before:
		return humanize.Comma(int64(before-now)) + " fewer than"
	}
	return "as many as"
}

// shortened leaves out what only a comparison needs.
func shortened(compared string) string {
	short, _ := strings.CutSuffix(compared, " than")
	short, _ = strings.CutSuffix(short, " as")
	return short
}
