package test

import (
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/demo"
	"active_users_exporter/collector/failure"
	"active_users_exporter/test/leaks"
	"active_users_exporter/test/must"
	"active_users_exporter/test/series"
)

// A faulty is a chat server in which things break.
type faulty struct {
	config string // its item of the configuration, except for the name
	faults []fault
}

// A fault is something that breaks, and can be mended.
type fault struct {
	name string
	// begins, if not nil, is called before the last refresh without the fault.
	begins       func()
	breaks, mend func(t *testing.T)
	// reasons are those of the failure; any of them is right; without any, a
	// refresh must succeed in spite of the fault.
	reasons []failure.Reason
	// alone is the prefix of the families that fail alone: all others are then
	// as fresh as ever.
	alone string
	// recorded is the prefix of the families that stay as they were in spite of the
	// fault: what was recorded says more than a new exporter can read.
	recorded string
	// hangs says that a refresh will not end by itself in any time that a test
	// could wait.
	hangs bool
}

// A refresh may take minutes. One that hangs is given up after a second here, all
// others have all the time that a busy machine may need.
const short, long = time.Second, time.Minute

// faultsAt is the moment at which invented records end.
var faultsAt = time.Date(2026, 11, 9, 8, 0, 0, 0, time.UTC)

// TestFaults breaks each part of each kind of chat server in every way that we
// could think of, while it is refreshed and scraped:
//
//   - While it is broken, the figures stay the last good ones, to the digit; the
//     server is not up, the failure has a reason, and the time of the figures
//     stands still. Another server is refreshed and up.
//   - Mended, the next refresh shows what a new exporter would show.
//   - At the end no goroutine, connection or file is left open.
func TestFaults(t *testing.T) {
	leaks.LeavesNothing(t, func(t *testing.T) {
		sound := filepath.Join(t.TempDir(), "sound.db")
		must.Succeed(t, demo.Synapse(t.Context(), sound, faultsAt, 50, 1))
		var all sync.WaitGroup // not t.Parallel, which counts processors: faults are mostly waited for
		for name, server := range faultyServers() {
			all.Go(func() {
				t.Run(name, func(t *testing.T) {
					f := server(t)
					content := "servers:\n  - {name: broken, " + f.config + "}\n  - {name: sound, software: synapse, from: 'sqlite:" + sound + "'}\n"
					e := newByHand(t, content, faultsAt)
					must.Succeed(t, e.refresh(t, "broken"))
					for _, each := range f.faults {
						t.Run(each.name, func(t *testing.T) { breakAndMend(t, e, content, each) })
					}
				})
			})
		}
		all.Wait()
	})
}

func breakAndMend(t *testing.T, e *byHand, content string, f fault) {
	t.Helper()
	if f.begins != nil {
		f.begins()
	}
	must.Succeed(t, e.refresh(t, "broken"))
	good := e.scrape(t)
	if n := len(good.Figures("broken")); n < 3 || good[`chat_server_up{server="broken"}`] != "1" {
		t.Fatalf("only %d figures before the fault, or not up", n)
	}
	f.breaks(t)
	e.advance(5 * time.Minute)
	broken := e.refreshUnderScrapes(t, f, good)
	if len(f.reasons) == 0 {
		want, got := e.fresh(t, content, "broken"), broken.Figures("broken")
		if f.recorded != "" {
			checkFigures(t, "what was recorded", good.Figures("broken").Only(f.recorded), got.Only(f.recorded))
			want, got = want.Except(f.recorded), got.Except(f.recorded)
		}
		checkFigures(t, "in spite of the fault", want, got)
	} else {
		checkFailure(t, e, f, good, broken)
	}
	must.Succeed(t, e.refresh(t, "sound"))
	if s := e.scrape(t); s[`chat_server_up{server="sound"}`] != "1" || s[`chat_last_refresh_success_timestamp_seconds{server="sound"}`] != e.unix() {
		t.Error("the other server suffers")
	}

	f.mend(t)
	e.advance(5 * time.Minute)
	must.Succeed(t, e.refresh(t, "broken"))
	mended := e.scrape(t)
	if mended[`chat_server_up{server="broken"}`] != "1" || mended[`chat_last_refresh_success_timestamp_seconds{server="broken"}`] != e.unix() {
		t.Error("mended, but not up")
	}
	checkFigures(t, "mended", e.fresh(t, content, "broken"), mended.Figures("broken"))
}

// refreshUnderScrapes refreshes the broken server; scrapes show the last good
// figures meanwhile.
func (e *byHand) refreshUnderScrapes(t *testing.T, f fault, good series.Series) series.Series {
	t.Helper()
	patience := long
	if f.hangs {
		patience = short
	}
	done := make(chan error)
	go func() { done <- refreshWithin(t, e.server("broken"), patience) }()
	for {
		select {
		case err := <-done:
			if (err == nil) != (len(f.reasons) == 0) {
				t.Errorf("error %v, want one: %v", err, len(f.reasons) > 0)
			}
			return e.scrape(t)
		case <-time.After(20 * time.Millisecond):
			if now := e.scrape(t); now[`chat_last_refresh_timestamp_seconds{server="broken"}`] == good[`chat_last_refresh_timestamp_seconds{server="broken"}`] {
				checkFigures(t, "during the refresh", good.Figures("broken"), now.Figures("broken"))
			}
		}
	}
}

// checkFailure says what must be seen of a server that is broken.
func checkFailure(t *testing.T, e *byHand, f fault, good, broken series.Series) {
	t.Helper()
	if broken[`chat_server_up{server="broken"}`] != "0" || broken[`chat_last_refresh_timestamp_seconds{server="broken"}`] != e.unix() {
		t.Error("the failure does not show")
	}
	var reasons []failure.Reason
	for _, r := range failure.Reasons() {
		if counter := `chat_refresh_failures_total{reason="` + string(r) + `",server="broken"}`; good[counter] != broken[counter] {
			reasons = append(reasons, r)
		}
	}
	if len(reasons) != 1 || !slices.Contains(f.reasons, reasons[0]) {
		t.Errorf("reasons %v, want one of %v: %v", reasons, f.reasons, e.server("broken").Status().Err)
	}
	const success = `chat_last_refresh_success_timestamp_seconds{server="broken"}`
	if f.alone == "" {
		checkFigures(t, "broken", good.Figures("broken"), broken.Figures("broken"))
		if broken[success] != good[success] {
			t.Error("the time of the figures has moved")
		}
		return
	}
	if broken[success] != e.unix() {
		t.Error("figures that do not fail are old")
	}
	checkFigures(t, "what fails alone", good.Figures("broken").Only(f.alone), broken.Figures("broken").Only(f.alone))
}

func checkFigures(t *testing.T, when string, want, got series.Series) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}
