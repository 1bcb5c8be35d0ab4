package years_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"active_users_exporter/test/must"
)

// lasts begins something that lasts for some refreshes.
func (y *year) lasts(what string, e event, begin, end func()) {
	if y.undo[what] != nil { // it lasts already
		return
	}
	y.totals.faults[e.kind]++
	y.left[what], y.undo[what] = e.refreshes, end
	begin()
}

func (y *year) end(what string) {
	if end := y.undo[what]; end != nil {
		delete(y.left, what)
		delete(y.undo, what)
		end()
	}
}

// happened counts a fault, if it has happened.
func (y *year) happened(e event, really bool) {
	if really {
		y.totals.faults[e.kind]++
	}
}

// misfortune lets something happen that is not what people do.
func (y *year) misfortune(h *host, e event, at time.Time) {
	switch e.kind {
	case disable, damage, away, lag:
		y.ofServer(h, e)
	case backupServer:
		h.keep()
	case restoreServer:
		y.happened(e, h.putBack(at))
	case deleteVisits:
		y.happened(e, h.deleteDay(at, e.offset))
	case clock:
		y.setClock(e)
	case saveFails:
		y.lasts("save", e, func() { y.history.fails = true }, func() { y.history.fails = false })
	case keyAway, otherKey:
		y.loseKey(e)
	case backupHistory, restoreHistory:
		y.historyCopied(e)
	default:
		y.restarted(e)
	}
}

// restarted is what happens to the process.
func (y *year) restarted(e event) {
	switch e.kind {
	case restart, crash:
		y.totals.faults[e.kind]++
		y.restart(e.kind == restart)
	case reconfigure:
		y.custom = !y.custom
		y.restart(true)
	case crashUnsaved:
		y.unsaved = true
		y.end("save")
		y.lasts("save", e, func() { y.history.fails = true }, func() { y.history.fails = false })
	case off: // the time has passed already
		y.totals.faults[e.kind]++
	default:
		panic(e.kind)
	}
}

// ofServer is what happens to a chat server's records.
func (y *year) ofServer(h *host, e event) {
	switch what := fmt.Sprint(e.kind, h.name); {
	case e.kind == disable && h.disables:
		y.lasts(fmt.Sprint(what, e.user), e, func() { h.set(e.user, func(a *account) { a.disabled = true }) }, func() { h.set(e.user, func(a *account) { a.disabled = false }) })
	case e.kind == damage && h.damages:
		y.lasts(fmt.Sprint(what, e.user), e, func() { h.set(e.user, func(a *account) { a.damaged = !a.last().IsZero() }) }, func() { h.set(e.user, func(a *account) { a.damaged = false }) })
	case e.kind == away:
		y.lasts(what, e, func() { h.away = true; h.move(true) }, func() { h.away = false; h.move(false) })
	case e.kind == lag && h.keepsVisits:
		y.lasts(what, e, func() { h.behind = e.offset }, func() { h.behind = 0 })
	}
}

// setClock makes the exporter's clock wrong, if all histories have begun.
func (y *year) setClock(e event) {
	begun := !y.keyIsAway && y.now.Add(e.offset).After(began.Add(day))
	for _, h := range y.hosts {
		begun = begun && h.memory.started
	}
	if begun {
		y.lasts("clock", e, func() { y.offset = e.offset }, func() { y.offset = 0 })
	}
}

// loseKey takes the key of the hashes away, or puts another one in its place. The exporter
// notices at its next start.
func (y *year) loseKey(e event) {
	path := func() string { return filepath.Join(y.storage, "key") }
	recorded := false
	for _, h := range y.hosts {
		recorded = recorded || h.saved.started
	}
	key, err := os.ReadFile(path())
	if err != nil || !recorded || y.keyIsAway {
		return
	}
	y.end("clock")
	y.lasts("key", e, func() {
		if e.kind == otherKey {
			must.Succeed(y.t, os.WriteFile(path(), append([]byte{key[0] ^ 1}, key[1:]...), 0o600))
		} else {
			must.Succeed(y.t, os.Remove(path()))
		}
		y.keyIsAway = true
		y.restart(true)
	}, func() {
		must.Succeed(y.t, os.WriteFile(path(), key, 0o600))
		y.keyIsAway = false
		y.restart(true)
	})
}

// historyCopied makes a backup of the history, or restores it.
func (y *year) historyCopied(e event) {
	restored := e.kind == restoreHistory
	if y.keyIsAway || restored && y.historyBackup == "" {
		return
	}
	must.Succeed(y.t, y.history.Close())
	if restored {
		y.totals.faults[e.kind]++
		y.storage = y.copyOf(y.historyBackup)
	} else {
		y.historyBackup = y.copyOf(y.storage)
	}
	for _, h := range y.hosts {
		if restored {
			h.saved = h.backedUp.clone()
		} else {
			h.backedUp = h.saved.clone()
		}
	}
	y.start()
}
