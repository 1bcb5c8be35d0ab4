package main

import (
	"context"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"active_users_exporter/collector/demo"
	"active_users_exporter/collector/failure"
	"active_users_exporter/config"
)

// A faulty is a chat server in which things break.
type faulty struct {
	config string // its item of the configuration, but for the name
	faults []fault
}

// A fault is something that breaks, and can be mended.
type fault struct {
	name         string
	breaks, mend func(t *testing.T)
	// reasons are those of the failure, of which any is right; without any, a
	// refresh must succeed in spite of the fault.
	reasons []failure.Reason
	// alone is the prefix of the families that fail alone: all others are then
	// as fresh as ever.
	alone string
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
	leavesNothing(t, func(t *testing.T) {
		sound := filepath.Join(t.TempDir(), "sound.db")
		must(t, demo.Synapse(t.Context(), sound, faultsAt, 50, 1))
		var all sync.WaitGroup // not t.Parallel, which counts processors: faults are mostly waited for
		for name, server := range faultyServers() {
			all.Go(func() {
				t.Run(name, func(t *testing.T) {
					f := server(t)
					content := "servers:\n  - {name: broken, " + f.config + "}\n  - {name: sound, software: synapse, from: 'sqlite:" + sound + "'}\n"
					e := newByHand(t, content, faultsAt)
					must(t, e.refresh(t, "broken"))
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
	must(t, e.refresh(t, "broken"))
	good := e.scrape(t)
	if n := len(good.figures("broken")); n < 3 || good[`chat_server_up{server="broken"}`] != "1" {
		t.Fatalf("only %d figures before the fault, or not up", n)
	}
	f.breaks(t)
	e.advance(5 * time.Minute)
	broken := e.refreshUnderScrapes(t, f, good)
	if len(f.reasons) == 0 {
		checkFigures(t, "in spite of the fault", e.fresh(t, content, "broken"), broken.figures("broken"))
	} else {
		checkFailure(t, e, f, good, broken)
	}
	must(t, e.refresh(t, "sound"))
	if s := e.scrape(t); s[`chat_server_up{server="sound"}`] != "1" || s[`chat_last_refresh_success_timestamp_seconds{server="sound"}`] != e.unix() {
		t.Error("the other server suffers")
	}

	f.mend(t)
	e.advance(5 * time.Minute)
	must(t, e.refresh(t, "broken"))
	mended := e.scrape(t)
	if mended[`chat_server_up{server="broken"}`] != "1" || mended[`chat_last_refresh_success_timestamp_seconds{server="broken"}`] != e.unix() {
		t.Error("mended, but not up")
	}
	checkFigures(t, "mended", e.fresh(t, content, "broken"), mended.figures("broken"))
}

// refreshUnderScrapes refreshes the broken server; scrapes show the last good
// figures meanwhile.
func (e *byHand) refreshUnderScrapes(t *testing.T, f fault, good series) series {
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
				checkFigures(t, "during the refresh", good.figures("broken"), now.figures("broken"))
			}
		}
	}
}

// checkFailure says what must be seen of a server that is broken.
func checkFailure(t *testing.T, e *byHand, f fault, good, broken series) {
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
		checkFigures(t, "broken", good.figures("broken"), broken.figures("broken"))
		if broken[success] != good[success] {
			t.Error("the time of the figures has moved")
		}
		return
	}
	if broken[success] != e.unix() {
		t.Error("figures that do not fail are old")
	}
	checkFigures(t, "what fails alone", good.figures("broken").only(f.alone), broken.figures("broken").only(f.alone))
}

func checkFigures(t *testing.T, when string, want, got series) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

// byHand is an exporter whose refreshes a test asks for, at a time that the
// test sets.
type byHand struct {
	*Exporter
	handler http.Handler
	now     *atomic.Int64
}

func newByHand(t *testing.T, content string, at time.Time) *byHand {
	t.Helper()
	path := filepath.Join(t.TempDir(), "active_users.yml")
	writeFile(t, path, content)
	now := &atomic.Int64{}
	now.Store(at.UnixNano())
	clock := func() time.Time { return time.Unix(0, now.Load()).UTC() }
	e := NewExporter(config.Source{File: path, LookupEnv: os.LookupEnv}, clock, log.NewNopLogger())
	c, err := e.source.Load()
	must(t, err)
	must(t, e.settle(t.Context(), c))
	var all []*server
	for _, s := range c.Servers {
		all = append(all, e.build(settingsOf(s, c)))
	}
	e.running.Store(&running{servers: all})
	t.Cleanup(func() {
		for _, s := range all {
			must(t, s.Reader.Close())
			close(s.stopped)
		}
		e.Wait(10 * time.Second)
	})
	return &byHand{Exporter: e, handler: e.Pages("/metrics", nil), now: now}
}

func (e *byHand) advance(d time.Duration) { e.now.Add(int64(d)) }

// unix is the time as metrics show it.
func (e *byHand) unix() string { return strconv.FormatFloat(float64(e.clock().Unix()), 'g', -1, 64) }

func (e *byHand) server(name string) *server {
	for _, s := range e.running.Load().servers {
		if s.settings.Name == name {
			return s
		}
	}
	panic("no server " + name)
}

func (e *byHand) refresh(t *testing.T, name string) error {
	t.Helper()
	return refreshWithin(t, e.server(name), long)
}

// fresh are the figures of a server that a new exporter of the same
// configuration shows.
func (e *byHand) fresh(t *testing.T, content, name string) series {
	t.Helper()
	other := newByHand(t, content, e.clock())
	must(t, other.refresh(t, name))
	return other.scrape(t).figures(name)
}

func (e *byHand) scrape(t *testing.T) series {
	t.Helper()
	code, body := get(t, e.handler, http.MethodGet, "/metrics")
	if code != http.StatusOK {
		t.Errorf("a scrape was answered with %d", code)
	}
	return seriesOf(body)
}

// series are samples by name and labels, as they are written.
type series map[string]string

func seriesOf(body string) series {
	all := make(series)
	for line := range strings.Lines(body) {
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			all[line[:at]] = strings.TrimSpace(line[at+1:])
		}
	}
	return all
}

// figures are the series of one server but for those about refreshes.
func (s series) figures(server string) series {
	all := make(series)
	for name, value := range s {
		family, _, _ := strings.Cut(name, "{")
		switch {
		case !strings.Contains(name, `server="`+server+`"`):
		case family == "chat_server_up", strings.Contains(family, "refresh"), strings.Contains(family, "timestamp"):
		default:
			all[name] = value
		}
	}
	return all
}

// only are the series of families whose names begin with the prefix.
func (s series) only(prefix string) series {
	all := maps.Clone(s)
	maps.DeleteFunc(all, func(name, _ string) bool { return !strings.HasPrefix(name, prefix) })
	return all
}

func refreshWithin(t *testing.T, s *server, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return s.Refresh(ctx)
}

// leavesNothing runs a test that must leave no goroutine, connection or file
// open.
func leavesNothing(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	before, running := openFiles(t), goleak.IgnoreCurrent()
	t.Run("leaving nothing", test)
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, running)
	after := openFiles(t)
	for range 20 {
		if len(after) <= len(before) {
			return
		}
		runtime.GC() // the pipes that copying between sockets keeps ready go with the garbage
		time.Sleep(50 * time.Millisecond)
		after = openFiles(t)
	}
	t.Errorf("open files at first: %q\nand now: %q", before, after)
}

// openFiles are the targets of all open file descriptors, none where the system
// does not tell (it takes Linux).
func openFiles(t *testing.T) (all []string) {
	t.Helper()
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			all = append(all, target)
		}
	}
	return all
}
