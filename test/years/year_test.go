package years_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
type totals struct{ years, steps, refreshes, figures, faults int }

func (t *totals) add(other totals) {
	t.years += other.years
	t.steps += other.steps
	t.refreshes += other.refreshes
	t.figures += other.figures
	t.faults += other.faults
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

// process is an exporter that runs, what it may know of each server, and what of that
// is saved.
type process struct {
	folder          string
	history         *faultyHistory
	refreshers      []*collector.Refresher
	memories, saved []*memory
}

// year is one that is lived.
type year struct {
	t      *testing.T
	folder string
	hosts  []*host
	process
	log strings.Builder

	now             time.Time
	offset          time.Duration     // of the exporter's clock
	left            map[string]int    // refreshes for which a bad day lasts, by what ends it
	undo            map[string]func() // what ends it
	unsaved         bool              // crash after the next refresh
	keyIsAway       bool
	copies          int    // of folders
	historyBackup   string // folder
	historyMemories []*memory
	last            []*collector.Snapshot // shown last, by server
	totals          totals
	differences     []string
}

// live lives a plan, up to the first difference.
func live(t *testing.T, plan []step) (*year, totals) {
	t.Helper()
	y := &year{t: t, folder: must.Get(os.MkdirTemp("", "year"))(t), now: began, left: make(map[string]int), undo: make(map[string]func())}
	defer func() { must.Succeed(t, os.RemoveAll(y.folder)) }()
	y.hosts = []*host{{server: newSynapse(t, y.folder)}, {server: newProsody(t, y.folder)}, {server: newEjabberd(t, y.folder)}}
	for _, h := range y.hosts {
		h.begin(began)
		defer h.close()
		y.memories, y.saved = append(y.memories, newMemory()), append(y.saved, newMemory())
	}
	y.process.folder = filepath.Join(y.folder, "history")
	y.last = make([]*collector.Snapshot, len(y.hosts))
	y.start()
	defer func() { _ = y.history.Close() }()
	for n, s := range plan {
		y.step(s)
		y.totals.steps++
		if len(y.differences) > 0 {
			y.differences = append([]string{fmt.Sprintf("after step %d, at %s, with a clock that shows %s:", n+1, y.now.Format(time.DateTime), y.clock().Format(time.DateTime))}, y.differences...)
			break
		}
	}
	y.totals.years = 1
	return y, y.totals
}

func (y *year) clock() time.Time { return y.now.Add(y.offset) }

// start starts an exporter on the folder.
func (y *year) start() {
	y.history = &faultyHistory{Store: history.New(storage.Folder(y.process.folder), ""), fails: y.left["save"] > 0}
	y.refreshers = nil
	for i, h := range y.hosts {
		y.refreshers = append(y.refreshers, collector.NewRefresher(collector.RefresherOptions{
			Server: serverNames[i], Software: serverNames[i], Reader: h.reader(), Interval: time.Hour, StaleAfter: 3 * time.Hour,
			Windows: activity.DefaultWindows(), HalfYear: true, Classes: activity.SynapseClasses(), Key: y.history.Key(), History: y.history, Cache: true,
			Now: y.clock, Logger: log.NewLogfmtLogger(&y.log),
		}))
		y.last[i] = nil
		y.memories[i] = newMemory()
		if !y.keyIsAway {
			y.memories[i] = y.saved[i].clone()
			y.memories[i].emptied = time.Time{}
		}
		if !y.memories[i].started { // a history must not begin with a wrong clock
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
		y.process.folder = y.copyOf(y.process.folder)
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

// lasts begins something that lasts for some refreshes.
func (y *year) lasts(what string, refreshes int, begin, end func()) {
	if y.undo[what] != nil { // it lasts already
		return
	}
	y.left[what], y.undo[what] = refreshes, end
	begin()
}

func (y *year) end(what string) {
	if end := y.undo[what]; end != nil {
		delete(y.left, what)
		delete(y.undo, what)
		end()
	}
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
	slices.SortStableFunc(events, func(a, b event) int { return int(1e9 * (a.part - b.part)) })
	for _, e := range events {
		if e.kind <= deleteAccount {
			at := start.Add(time.Duration(e.part * float64(s.wait))).Truncate(time.Second)
			y.hosts[e.server].queue = append(y.hosts[e.server].queue, delayed{at, e})
		}
	}
	for _, h := range y.hosts {
		h.deliver(y.now)
	}
	for _, e := range events {
		if e.kind > deleteAccount {
			y.misfortune(e)
		}
	}
	for i := range y.hosts {
		y.refresh(i)
	}
	if y.unsaved {
		y.unsaved = false
		y.end("save")
		y.restart(false)
	}
}

// misfortune lets a bad day begin.
func (y *year) misfortune(e event) {
	h := y.hosts[e.server]
	if e.kind.bad() {
		y.totals.faults++
	}
	switch e.kind {
	case disable:
		if e.server != 2 { // ejabberd has none
			y.lasts(fmt.Sprint("disabled ", e.server, e.user), e.refreshes, func() { h.set(e.user, func(a *account) { a.disabled = true }) }, func() { h.set(e.user, func(a *account) { a.disabled = false }) })
		}
	case damage:
		if e.server != 0 {
			y.lasts(fmt.Sprint("damaged ", e.server, e.user), e.refreshes, func() { h.set(e.user, func(a *account) { a.damaged = !a.last.IsZero() }) }, func() { h.set(e.user, func(a *account) { a.damaged = false }) })
		}
	case clock:
		begun := !y.keyIsAway && y.now.Add(e.offset).After(began.Add(day))
		for _, m := range y.memories {
			begun = begun && m.started
		}
		if begun {
			y.lasts("clock", e.refreshes, func() { y.offset = e.offset }, func() { y.offset = 0 })
		}
	case away:
		y.lasts("away"+serverNames[e.server], e.refreshes, func() { h.away = true; h.move(true) }, func() { h.away = false; h.move(false) })
	case lag:
		y.lasts("lag", e.refreshes, func() { y.hosts[0].behind = e.offset }, func() { y.hosts[0].behind = 0 })
	case saveFails:
		y.lasts("save", e.refreshes, func() { y.history.fails = true }, func() { y.history.fails = false })
	case crashUnsaved:
		y.unsaved = true
		y.end("save")
		y.lasts("save", 1, func() { y.history.fails = true }, func() { y.history.fails = false })
	case keyAway:
		y.loseKey(e.refreshes)
	case restart, crash:
		y.restart(e.kind == restart)
	case backupServer:
		h.keep()
	case restoreServer:
		h.putBack()
	case backupHistory, restoreHistory:
		y.historyCopied(e.kind == restoreHistory)
	default:
		panic(e.kind)
	}
}

// loseKey takes the key of the hashes away. The exporter notices at its next start.
func (y *year) loseKey(refreshes int) {
	path := func() string { return filepath.Join(y.process.folder, "key") }
	if _, err := os.Stat(path()); err != nil || !y.saved[0].started && !y.saved[1].started && !y.saved[2].started {
		return
	}
	key := must.Get(os.ReadFile(path()))(y.t)
	y.end("clock")
	y.lasts("key", refreshes, func() {
		must.Succeed(y.t, os.Remove(path()))
		y.keyIsAway = true
		y.restart(true)
	}, func() {
		must.Succeed(y.t, os.WriteFile(path(), key, 0o600))
		y.keyIsAway = false
		y.restart(true)
	})
}

// historyCopied makes a backup of the history, or restores it.
func (y *year) historyCopied(restored bool) {
	if y.keyIsAway || restored && y.historyBackup == "" {
		return
	}
	must.Succeed(y.t, y.history.Close())
	if restored {
		y.process.folder = y.copyOf(y.historyBackup)
		for i, m := range y.historyMemories {
			y.saved[i] = m.clone()
		}
	} else {
		y.historyBackup, y.historyMemories = y.copyOf(y.process.folder), nil
		for _, m := range y.saved {
			y.historyMemories = append(y.historyMemories, m.clone())
		}
	}
	y.start()
}
