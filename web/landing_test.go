package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

func TestSparkline(t *testing.T) {
	month := make([]int, collector.DailyDays)
	month[29] = 5
	counts := func(daily []int) (all []collector.Count) {
		for _, n := range daily {
			all = append(all, collector.Known(n))
		}
		return all
	}
	for name, c := range map[string]struct {
		daily                []int
		starts, ends, spoken string
	}{
		"nothing":     {},
		"one day":     {daily: []int{3}},
		"two days":    {[]int{10, 5}, "114.0,2.0 ", " 118.0,14.0", "the last 2 days: between 5 and 10, 5 on the newest day"},
		"nobody came": {[]int{0, 0}, "114.0,26.0 ", " 118.0,26.0", "between 0 and 0, 0 on"},
		"a month":     {month, "2.0,26.0 ", " 118.0,2.0", "the last 30 days: between 0 and 5, 5 on"},
	} {
		got := newSparkline(counts(c.daily))
		if got == nil {
			if c.spoken != "" {
				t.Errorf("%s: no line", name)
			}
			continue
		}
		if c.spoken == "" || len(got.Lines) != 1 || !strings.HasPrefix(got.Lines[0].Points, c.starts) || !strings.HasSuffix(got.Lines[0].Points, c.ends) || !strings.Contains(got.Label, c.spoken) {
			t.Fatalf("%s: %+v", name, got)
		}
		if points := strings.Fields(got.Lines[0].Points); len(points) != len(c.daily) || len(strings.Fields(got.Lines[0].Area)) != len(points)+2 {
			t.Errorf("%s: %+v has not one point for each day", name, got)
		}
	}
}

// Where it is not known who came there is a gap, not a fall to nobody.
func TestSparklineWithGaps(t *testing.T) {
	unknown := collector.Count{}
	got := newSparkline([]collector.Count{unknown, collector.Known(4), collector.Known(2), unknown, unknown, collector.Known(8)})
	want := &sparkline{
		Width: 120, Height: 28,
		Lines: []line{
			{Points: "102.0,14.0 106.0,20.0", Area: "102.0,26 102.0,14.0 106.0,20.0 106.0,26"},
			{Points: "118.0,2.0 117.0,2.0", Area: "118.0,26 118.0,2.0 117.0,2.0 118.0,26"},
		},
		Label: "Visitors a day, the last 6 days: between 2 and 8, 8 on the newest day that is known; 3 are not known",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if s := newSparkline([]collector.Count{unknown, collector.Known(4), unknown}); s != nil {
		t.Errorf("%+v of a single day", s)
	}
}

func TestAges(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "just now", 119 * time.Second: "just now", -time.Hour: "just now", 2 * time.Minute: "2 minutes ago",
		119 * time.Minute: "119 minutes ago", 47 * time.Hour: "47 hours ago", 48 * time.Hour: "2 days ago",
	} {
		if got := age(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

// What stands where on the page, for servers of every state.
func TestLandingView(t *testing.T) {
	windows := []activity.Window{activity.Daily(), activity.Monthly()}
	moment := clock()
	snapshot := &collector.Snapshot{
		At: moment.Add(-3 * time.Hour),
		Domains: []collector.Domain{
			{Name: "a.example", Active: []collector.ActiveUsers{{Window: windows[1], Users: 7}}, Daily: []collector.Count{collector.Known(1), collector.Known(2)}},
			{Name: "b.example", Registered: []collector.Accounts{{Type: collector.Native, Users: 3}}, Retention: &collector.Retention{Users: 0}, NotRecorded: "no module records it"},
		},
		Modules: []collector.Module{
			{Domain: "a.example", Name: "mam", Status: collector.ModuleWarn, Loaded: true},
			{Domain: collector.AllDomains, Name: "tls", Required: true},
			{Domain: "a.example", Name: "roster", Loaded: true},
		},
	}
	view := landingView{Windows: windowNames(windows)}
	view.add(collector.Status{Server: "new"}, nil, moment)
	view.add(collector.Status{Server: "well", Attempted: moment, Up: true, Snapshot: snapshot, HistoryFailures: 1, Succeeded: moment}, []changes{{Monthly: "8 % more than"}}, moment)
	view.add(collector.Status{Server: "gone", Attempted: moment, Err: errors.New("no such file")}, nil, moment)
	view.add(collector.Status{Server: "empty", Attempted: moment, Up: true, Snapshot: &collector.Snapshot{At: moment}}, nil, moment)

	var rows []string
	for _, r := range view.Rows {
		cells := []string{r.Server, r.State, r.Age, r.Domain}
		for _, a := range r.Active {
			cells = append(cells, strings.TrimSpace(a.Name+" "+a.Users+" "+a.Change))
		}
		rows = append(rows, strings.Join(append(cells, r.Retained, r.Accounts, strconv.FormatBool(r.Daily != nil)), "|"))
	}
	want := []string{
		"new|waiting|the first refresh is running|no domain known|DAU –|MAU –|–|–|false",
		"well|ok|3 hours ago|a.example|DAU –|MAU 7 8 % more|–|–|true",
		"well|ok|3 hours ago|b.example|DAU –|MAU –|0|3|false",
		"gone|failing|no figures|no domain known|DAU –|MAU –|–|–|false",
		"empty|ok|just now|no domain known|DAU –|MAU –|–|–|false",
	}
	if got := strings.Join(rows, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("rows:\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if len(view.Troubles) != 2 || view.Troubles[1] != (landingTrouble{"well", "the whole server", "tls", "required but not loaded"}) || view.Troubles[1].rank() >= view.Troubles[0].rank() {
		t.Errorf("%+v", view.Troubles)
	}
	if !slices.Equal(view.HistoryTroubles, []string{"well"}) || !slices.Equal(view.Unrecorded, []landingUnrecorded{{"b.example", "no module records it"}}) {
		t.Errorf("histories in trouble: %q; without activity: %q", view.HistoryTroubles, view.Unrecorded)
	}
	if len(view.Failures) != 1 || view.Failures[0].Error != "no such file" {
		t.Errorf("%+v", view.Failures)
	}
}

// Names are others' text: they stay text.
func TestLandingPageEscapes(t *testing.T) {
	s := site{
		statuses: []collector.Status{{
			Server: `"><script>alert(1)</script>`, Software: "synapse", Attempted: clock(), Err: errors.New("/nowhere/<b>.db: no such file"),
		}},
		configuration: Configuration{Windows: activity.DefaultWindows(), NodeInfo: NodeInfo{Enabled: true}},
		received:      &Received{Within: 24 * time.Hour},
	}
	_, body := get(t, s.pages(nil), http.MethodGet, "/")
	if strings.Contains(body, "<script") || strings.Contains(body, "<b>") {
		t.Errorf("not escaped:\n%s", body)
	}
	for _, part := range []string{"&lt;script&gt;", "<strong>0</strong> Matrix homeservers heard within 24 hours; 0 reports rejected", `href="/.well-known/nodeinfo"`, `class="failing">failing<`} {
		if !strings.Contains(body, part) {
			t.Errorf("it does not say %q:\n%s", part, body)
		}
	}
}

// Sums are those of the domains that tell, and say so if these are not all; what none tells
// is not there.
func TestLandingTotals(t *testing.T) {
	daily, weekly := activity.Daily(), activity.DefaultWindows()[1]
	var s sums
	s.add(collector.Domain{Active: []collector.ActiveUsers{{Window: daily, Users: 999}}, Registered: []collector.Accounts{{Type: collector.Native, Users: 5}}})
	if got := s.figures(nil); got != nil {
		t.Errorf("one domain has sums: %v", got)
	}
	s.add(collector.Domain{Active: []collector.ActiveUsers{{Window: daily, Users: 1001}}, Online: collector.Known(0)})
	var got []string
	for _, f := range s.figures(windowNames([]activity.Window{daily, weekly})) {
		got = append(got, strings.TrimSpace(f.Name+" "+f.Value+" "+f.Meaning[strings.Index(f.Meaning+", in ", ", in "):]))
	}
	const some = ", in 1 of 2 domains; the others do not tell"
	if want := []string{"DAU 2,000", "Online 0 " + some, "Accounts 5 " + some}; !slices.Equal(got, want) {
		t.Errorf("sums %q, want %q", got, want)
	}
}

// Domains without figures have no sums.
func TestLandingTotalsOfNothing(t *testing.T) {
	var s sums
	s.add(collector.Domain{})
	s.add(collector.Domain{})
	if got := s.figures(windowNames(activity.DefaultWindows())); got != nil {
		t.Errorf("sums %v", got)
	}
}

// What is said of accounts is what is known of them, and nothing about a few.
func TestLandingSaysWhoSleepsAndWhoIsActive(t *testing.T) {
	natives := func(n int) []collector.Accounts {
		return []collector.Accounts{{Type: collector.Bridged, Users: 7}, {Type: collector.Native, Users: n}}
	}
	kinds := []collector.KindUsers{{Kind: activity.Native, Users: 1234}, {Kind: activity.Bridged, Users: 31}, {Kind: activity.Guest}}
	longest := activity.Monthly()
	plain := func(text string) string { return strings.ReplaceAll(text, "\u00a0", " ") }
	for name, c := range map[string]struct {
		domain        collector.Domain
		types, asleep string
	}{
		"unknown":          {domain: collector.Domain{Registered: natives(100), Active: []collector.ActiveUsers{{Window: longest, Users: 3}}}},
		"types":            {domain: collector.Domain{Active: []collector.ActiveUsers{{Window: longest, Users: 1265, Kinds: kinds}}}, types: "1,234 native, 31 others"},
		"all native":       {domain: collector.Domain{Active: []collector.ActiveUsers{{Window: longest, Users: 1234, Kinds: kinds}}}, types: "all native"},
		"natives are few":  {domain: collector.Domain{Active: []collector.ActiveUsers{{Window: longest, Users: 40, Kinds: []collector.KindUsers{{Kind: activity.Bridged, Users: 31}, {Kind: activity.FewKinds, Users: 9}}}}}},
		"one type":         {domain: collector.Domain{Active: []collector.ActiveUsers{{Window: longest, Users: 1234, Kinds: kinds[:1]}}}},
		"a shorter window": {domain: collector.Domain{Active: []collector.ActiveUsers{{Window: activity.Daily(), Users: 1265, Kinds: kinds}}}},
		"asleep":           {domain: collector.Domain{Registered: natives(100), Dormancy: &activity.Dormancy{50, 9, 3, 8, 10, 12, 8, 0}}, asleep: "38 % asleep"},
		"nobody asleep":    {domain: collector.Domain{Registered: natives(100), Dormancy: &activity.Dormancy{100}}, asleep: "0 % asleep"},
		"some unknown":     {domain: collector.Domain{Registered: natives(100), Dormancy: &activity.Dormancy{50, 0, 0, 0, 0, 25, 0, 25}}, asleep: "at least 25 % asleep"},
		"hardly known":     {domain: collector.Domain{Registered: natives(100), Dormancy: &activity.Dormancy{50, 0, 0, 0, 0, 0, 0, 50}}},
		"few":              {domain: collector.Domain{Registered: natives(100), Dormancy: &activity.Dormancy{50, 9, 3, 8, activity.Merged, 12, 8, 0}, FewDormant: 10}},
		"few awake":        {domain: collector.Domain{Registered: natives(100), Dormancy: &activity.Dormancy{50, activity.Merged, activity.Merged, 8, 10, 12, 8, 0}, FewDormant: 12}, asleep: "38 % asleep"},
		"too few accounts": {domain: collector.Domain{Dormancy: &activity.Dormancy{1}}},
	} {
		row := newLandingRow(collector.Status{}, windowNames([]activity.Window{activity.Daily(), longest})).forDomain(c.domain, changes{})
		types, asleep := plain(row.Active[0].Types+row.Active[1].Types), plain(row.Asleep)
		if types != c.types || asleep != c.asleep {
			t.Errorf("%s: %q, %q; want %q, %q", name, types, asleep, c.types, c.asleep)
		}
	}
	var s sums
	known := collector.Domain{Registered: natives(100), Dormancy: &activity.Dormancy{62, 0, 0, 38}}
	s.add(known)
	s.add(known)
	if all := s.figures(nil); len(all) != 1 || plain(all[0].Change) != "38 % asleep" {
		t.Errorf("all domains: %v", all)
	}
	if s.add(collector.Domain{Registered: natives(9)}); s.figures(nil)[0].Change != "" {
		t.Error("all domains, of which one is not known, are asleep or not")
	}
}

// What the configuration is in trouble with is on top.
func TestLandingSaysThatAReloadFailed(t *testing.T) {
	s := site{configuration: Configuration{ReloadError: "active_users.yml:3:1: <mistake>"}}
	_, body := get(t, s.pages(nil), http.MethodGet, "/")
	for _, part := range []string{"Needs attention", "The last reload failed", "active_users.yml:3:1: &lt;mistake&gt;"} {
		if !strings.Contains(body, part) {
			t.Errorf("it does not say %q", part)
		}
	}
}

// However many ask, the page is made once for each state of things.
func TestLandingPageIsMadeOnce(t *testing.T) {
	s := site{statuses: []collector.Status{{Server: "first"}}, received: &Received{}}
	handler := s.pages(nil)
	shown := func() (page string) {
		pages := make([]string, 50)
		var requests sync.WaitGroup
		for n := range pages {
			requests.Go(func() { _, pages[n] = get(t, handler, http.MethodGet, "/") })
		}
		requests.Wait()
		for _, other := range pages {
			if other != pages[0] {
				t.Error("two requests at a time have got different pages")
			}
		}
		return pages[0]
	}
	if page := shown(); !strings.Contains(page, "first") {
		t.Errorf("at first:\n%s", page)
	}
	s.statuses[0].Software = "synapse"
	if page := shown(); strings.Contains(page, "synapse") {
		t.Error("the page was made again, though nothing had another version")
	}
	s.statuses[0].Version++
	if page := shown(); !strings.Contains(page, "synapse") {
		t.Error("the page was not made again for another version")
	}
	s.configuration.Version, s.configuration.ReloadError = 1, "a mistake"
	if page := shown(); !strings.Contains(page, "a mistake") {
		t.Error("the page was not made again after a reload")
	}
}
