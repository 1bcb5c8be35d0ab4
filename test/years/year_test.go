package years_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/go-kit/log"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/storage"
	"active_users_exporter/test/must"
)

// began is when each year begins.
var began = time.Date(2026, 1, 1, 0, 30, 0, 0, time.UTC)

// totals are what the simulation has done.
type totals struct {
	years, steps, refreshes, figures int
	faults                           [kinds]int
}

func (t *totals) add(other totals) {
	t.years += other.years
	t.steps += other.steps
	t.refreshes += other.refreshes
	t.figures += other.figures
	for k, n := range other.faults {
		t.faults[k] += n
	}
}

// faultyHistory is a history that cannot be written while it fails.
type faultyHistory struct {
	*history.Store
	fails bool
}

func (h *faultyHistory) Save(ctx context.Context, server string, domains []string, cal *activity.Calendar, classes *activity.Classes, at history.Moment) error {
	if h.fails {
		return errors.New("no space left on device")
	}
	return h.Store.Save(ctx, server, domains, cal, classes, at)
}

// year is one that is lived.
type year struct {
	t         *testing.T
	folder    string
	hosts     []*host
	retention time.Duration
	custom    bool // the exporter has customRule

	storage       string // folder of the exporter that runs
	history       *faultyHistory
	historyBackup string // folder
	copies        int    // of folders
	keyIsAway     bool   // or another one is there
	unsaved       bool   // crash after the next refresh

	now         time.Time
	offset      time.Duration     // of the exporter's clock
	left        map[string]int    // refreshes for which a bad day lasts, by what ends it
	undo        map[string]func() // what ends it
	totals      totals
	differences []string
}

// live lives a plan, up to the first difference.
func live(t *testing.T, p plan) *year {
	t.Helper()
	y := &year{
		t: t, folder: must.Get(os.MkdirTemp("", "year"))(t), retention: p.retention, now: began,
		left: make(map[string]int), undo: make(map[string]func()), totals: totals{years: 1},
	}
	defer func() { must.Succeed(t, os.RemoveAll(y.folder)) }()
	for n, s := range softwares() {
		if slices.Contains(p.absent, n) {
			continue
		}
		h := &host{software: s, server: s.open(t, y.folder)}
		defer h.close()
		h.begin(began)
		y.hosts = append(y.hosts, h)
	}
	y.storage = filepath.Join(y.folder, "history")
	y.start()
	defer func() { _ = y.history.Close() }()
	for n, s := range p.steps {
		y.step(s)
		y.totals.steps++
		if len(y.differences) > 0 {
			y.differences = slices.Insert(y.differences, 0, fmt.Sprintf("after step %d, at %s, with a clock that shows %s:", n+1, y.now.Format(time.DateTime), y.clock().Format(time.DateTime)))
			break
		}
	}
	return y
}

// host is the server of a software, nil if it is absent.
func (y *year) host(number int) *host {
	n := slices.IndexFunc(y.hosts, func(h *host) bool { return h.name == softwares()[number].name })
	if n < 0 {
		return nil
	}
	return y.hosts[n]
}

func (y *year) clock() time.Time { return y.now.Add(y.offset) }

func (y *year) classNames() []string {
	if y.custom {
		return []string{"unknown", "electron", "android", "ios", "web", "element_x"}
	}
	return []string{"unknown", "electron", "android", "ios", "web"}
}

// start starts an exporter on the folder.
func (y *year) start() {
	y.history = &faultyHistory{Store: history.New(storage.Folder(y.storage), ""), fails: y.left["save"] > 0}
	classes := activity.SynapseClasses()
	if y.custom {
		classes = must.Get(activity.NewClasses([]activity.Rule{customRule()}))(y.t)
	}
	for _, h := range y.hosts {
		h.refresher = collector.NewRefresher(collector.RefresherOptions{
			Server: h.name, Software: h.name, Reader: h.reader(classes), Interval: time.Hour, StaleAfter: 3 * time.Hour,
			Windows: activity.DefaultWindows(), HalfYear: true, Cohorts: true, Classes: classes, Key: y.history.Key(), History: y.history, Cache: true,
			Retention: y.retention, Now: y.clock, Logger: log.NewNopLogger(),
		})
		h.last, h.memory = nil, newMemory()
		if !y.keyIsAway {
			h.memory = h.saved.clone()
			h.memory.emptied = time.Time{}
		}
		if !h.memory.started { // a history must not begin with a wrong clock
			y.end("clock")
		}
	}
}

// restart stops the exporter, if in order, or lets it crash.
func (y *year) restart(inOrder bool) {
	crashed := y.history
	if inOrder {
		must.Succeed(y.t, crashed.Close())
	} else { // the files as they are, with whatever SQLite has beside them
		y.storage = y.copyOf(y.storage)
		must.Succeed(y.t, crashed.Close())
	}
	y.start()
}

func (y *year) copyOf(folder string) string {
	y.copies++
	to := filepath.Join(y.folder, fmt.Sprint("copy", y.copies))
	if _, err := os.Stat(folder); err == nil {
		must.Succeed(y.t, os.CopyFS(to, os.DirFS(folder)))
	}
	return to
}

// step lets the time of a step pass.
func (y *year) step(s step) {
	start := y.now
	y.now = y.now.Add(s.wait)
	for _, what := range slices.Sorted(maps.Keys(y.left)) {
		if y.left[what]--; y.left[what] < 0 {
			y.end(what)
		}
	}
	events := slices.Clone(s.events)
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.part, b.part) })
	for _, e := range events {
		at := start.Add(time.Duration(e.part * float64(s.wait))).Truncate(time.Second)
		h := y.host(e.server)
		switch {
		case !e.kind.isOfServer():
			y.misfortune(nil, e, at)
		case h == nil:
		case e.kind.isLife():
			h.expect(delayed{at: at, event: e})
		default:
			h.deliver(at)
			y.misfortune(h, e, at)
		}
	}
	for _, h := range y.hosts {
		h.deliver(y.now)
		y.refresh(h)
	}
	if y.unsaved {
		y.unsaved = false
		y.end("save")
		y.restart(false)
	}
}
