package years_test

import (
	"cmp"
	"maps"
	"slices"
	"testing"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// software is what one kind of chat server keeps.
type software struct {
	name        string
	keepsVisits bool // the visits of each day, with clients
	devices     bool // of several clients of a user
	events      bool // with messages; they show a restored backup
	sessions    bool // who is connected
	created     bool // when accounts were created
	deletes     bool // accounts may be deleted
	deactivates bool // deleted accounts stay, as deactivated ones
	disables    bool // accounts may be disabled for a time
	damages     bool // a record that is damaged can be recognised
	listsIdle   bool // the records also say who exists and did not come
	knowsNever  bool // and who of them never came
	open        func(t *testing.T, folder string) server
}

// softwares are the kinds of chat servers. The database of the first two may be behind.
func softwares() []software {
	return []software{
		{name: "synapse", keepsVisits: true, devices: true, events: true, created: true, deletes: true, deactivates: true, disables: true, open: newSynapse},
		{name: "dendrite", keepsVisits: true, created: true, open: newDendrite},
		{name: "prosody", deletes: true, disables: true, damages: true, listsIdle: true, open: newProsody},
		{name: "ejabberd", sessions: true, created: true, deletes: true, damages: true, listsIdle: true, knowsNever: true, open: newEjabberd},
		{name: "mongooseim", created: true, deletes: true, open: newMongooseIM},
	}
}

const domain = "example.org"

// devices is how many a user has on a Synapse. On others, it is one.
const devices = 2

// agentOf is what a client calls itself, with its class and the one that it has with
// customRule.
func agentOf(user, device int) (agent, class, custom string) {
	agents := [][3]string{
		{"Element/1.6.20 (Linux; Android 14)", "android", "android"},
		{"Element/1.11.20 (iPhone 14; iOS 17.5)", "ios", "ios"},
		{"Mozilla/5.0 (X11; Linux x86_64) Firefox/139.0", "web", "web"},
		{"Element X/25.11 (Android 15)", "android", "element_x"},
		{"mtxclient v0.10.0", "unknown", "unknown"},
	}
	a := agents[(user+3*device)%len(agents)]
	return a[0], a[1], a[2]
}

func customRule() activity.Rule {
	return activity.Rule{Name: "element_x", Any: []string{"element x"}}
}

// typeOf is that of an account on a Synapse or Dendrite.
func typeOf(user int) collector.AccountType {
	switch user % 9 {
	case 7:
		return collector.Guest
	case 8:
		return collector.Bridged
	}
	return collector.Native
}

// account is what a server stores of one user.
type account struct {
	created           time.Time
	seen              [devices]time.Time // zero if the user never came with the device
	disabled, damaged bool
	gone              bool      // deleted, and still there as a deactivated account
	connected         time.Time // since when; zero if the user is not
}

// last is when the user came last, zero for never.
func (a account) last() time.Time { return slices.MaxFunc(a.seen[:], time.Time.Compare) }

// world is what a server's records say. Records are written by write and visit alone, so
// that the two do not differ.
type world struct {
	accounts map[int]account
	visits   visitors  // where the server keeps them
	talk     talk      // the same
	pruned   time.Time // up to when the server has deleted last-seen times
}

func (w world) clone() world {
	return world{maps.Clone(w.accounts), w.visits.clone(), w.talk.clone(), w.pruned}
}

// server is a chat server with its records on disk.
type server interface {
	reader(classes *activity.Classes) collector.Reader
	// write makes the records of a user what the world says.
	write(user int, a account)
	// visit is what a login leaves beside the account. It returns the day on which the
	// server writes a visit, and when it does so.
	visit(user, device int, a account) (date activity.Day, written time.Time)
	// visited writes that visit.
	visited(user, device int, date activity.Day)
	// deleteVisits deletes all of a day.
	deleteVisits(date activity.Day)
	// tidy is what the server deletes by itself.
	tidy(now time.Time)
	// move takes the records away, or brings them back.
	move(away bool)
	// backup keeps the records, and returns what puts them back.
	backup() (restore func())
	close()
}

// delayed is something that the records do not show yet.
type delayed struct {
	at    time.Time
	event event
	visit activity.Day // that is written then; 0 if it is another event
}

// host is a server, what is true of it, its bad days, and what the exporter makes of it.
type host struct {
	software
	server
	world   world
	queue   []delayed // in order
	away    bool
	behind  time.Duration
	restore func() // what the last backup was; nil without one
	deleted deletion
	undone  undone

	refresher               *collector.Refresher
	last                    *collector.Snapshot // shown last
	memory, saved, backedUp *memory             // what the exporter may know, what of that is saved, and in the backup
}

// deletion is a day whose visits somebody has deleted. The exporter may not notice until a
// moment.
type deletion struct {
	date   activity.Day
	visits map[string]cameWith
	until  time.Time
}

// deleteDay deletes the visits of a day, though not of the oldest one, and if none are
// unnoticed.
func (h *host) deleteDay(now time.Time, age time.Duration) bool {
	date := activity.DayOf(now.Add(-age))
	if h.away || !h.keepsVisits || len(h.world.visits[date]) == 0 || !h.visitsSince().Before(date.Start()) || !now.After(h.deleted.until) {
		return false
	}
	h.deleted = deletion{date, h.world.visits[date], now.Add(60 * time.Hour)}
	if age > 57*day { // r30v2 may not look at it any more when its turn comes
		h.deleted.until = now.Add(7 * day)
	}
	h.deleteVisits(date)
	delete(h.world.visits, date)
	return true
}

// unnoticed are the visits of somebody who has not noticed the deletion.
func (h *host) unnoticed() visitors {
	visits := maps.Clone(h.world.visits)
	visits[h.deleted.date] = h.deleted.visits
	return visits
}

// begin fills a new server.
func (h *host) begin(now time.Time) {
	h.world = world{accounts: make(map[int]account), visits: make(visitors), talk: newTalk()}
	for user := range users - 3 {
		h.expect(delayed{at: now.Add(-21 * day), event: event{kind: register, user: user}})
		h.expect(delayed{at: now.Add(-time.Duration(user) * day).Add(-time.Hour), event: event{kind: logIn, user: user}})
	}
	h.deliver(now)
	h.memory, h.saved, h.backedUp = newMemory(), newMemory(), newMemory()
}

// expect notes what the records should show from a moment on.
func (h *host) expect(d delayed) {
	at, _ := slices.BinarySearchFunc(h.queue, d, func(a, b delayed) int { return cmp.Or(a.at.Compare(b.at), -1) })
	h.queue = slices.Insert(h.queue, at, d)
}

// deliver lets happen what the records should show by now.
func (h *host) deliver(now time.Time) {
	if h.away {
		return
	}
	for len(h.queue) > 0 && !h.queue[0].at.After(now.Add(-h.behind)) {
		next := h.queue[0]
		h.queue = h.queue[1:]
		h.happens(next)
	}
	h.tidy(now.Add(-h.behind))
	if pruned := now.Add(-h.behind - lastSeenKept); pruned.After(h.world.pruned) {
		h.world.pruned = pruned
	}
}

// happens changes the records.
func (h *host) happens(d delayed) {
	user, a := d.event.user, h.world.accounts[d.event.user]
	there := !a.created.IsZero() && !a.gone
	switch {
	case d.visit > 0:
		h.visited(user, d.event.device, d.visit)
		h.world.visits.add(d.visit, userName(user), d.event.device)
	case d.event.kind == logIn:
		if !there || a.disabled {
			return
		}
		if !h.devices {
			d.event.device = 0
		}
		if h.send(d.at, userName(user), d.event.sent); d.event.stays > 0 {
			h.connect(d, a)
			return
		}
		a.seen[d.event.device], a.damaged = d.at, false
		h.change(user, a)
		if date, written := h.visit(user, d.event.device, a); h.keepsVisits && typeOf(user) == collector.Native {
			h.expect(delayed{at: written, event: d.event, visit: date})
		}
	case d.event.kind == logOut:
		if there && !a.connected.IsZero() {
			a.seen[0], a.damaged, a.connected = d.at, false, time.Time{}
			h.change(user, a)
		}
	case d.event.kind == receive:
		h.send(d.at, "", d.event.sent)
	case d.event.kind == register:
		if a.created.IsZero() {
			h.change(user, account{created: d.at})
		}
	case d.event.kind == deleteAccount:
		if there && h.deletes && h.present() > users/2 {
			a.gone = true
			h.change(user, a)
		}
	default:
		panic(d.event.kind)
	}
}

func (h *host) present() (n int) {
	for _, a := range h.world.accounts {
		if !a.gone {
			n++
		}
	}
	return n
}

func (h *host) change(user int, a account) {
	h.write(user, a)
	if a.gone && !h.deactivates {
		delete(h.world.accounts, user)
		return
	}
	h.world.accounts[user] = a
}

// set marks an account as disabled or damaged, or not, if there is one.
func (h *host) set(user int, change func(*account)) {
	if a, there := h.world.accounts[user]; there && !a.gone && !h.away {
		change(&a)
		h.change(user, a)
	}
}

// keep makes a backup, which putBack restores. What happened since has not.
func (h *host) keep() {
	if h.away {
		return
	}
	before, restore := h.world.clone(), h.backup()
	h.restore = func() {
		restore()
		h.world, h.queue = before.clone(), nil
		for user, a := range h.world.accounts { // a server that starts has no sessions
			if !a.connected.IsZero() {
				a.connected = time.Time{}
				h.change(user, a)
			}
		}
	}
}

// undone are the accounts as they were before a backup was restored. Unless the exporter
// notices, their last-seen times count until a moment, see docs/reliability.md. A Synapse
// tells by its events.
type undone struct {
	accounts map[int]account
	until    time.Time
}

func (h *host) putBack(now time.Time) bool {
	if h.restore == nil || h.away {
		return false
	}
	if h.keepsVisits && !h.events {
		accounts := maps.Clone(h.world.accounts)
		for user, a := range accounts {
			if !now.After(h.undone.until) {
				a.seen = h.undone.seenBefore(user, a.seen)
				accounts[user] = a
			}
		}
		h.undone = undone{accounts, now.Add(7 * day)}
	}
	h.restore()
	return true
}

// seenBefore are the moments at which a user was seen, those included that have not
// happened after all.
func (u undone) seenBefore(user int, seen [devices]time.Time) [devices]time.Time {
	for device, at := range u.accounts[user].seen {
		if at.After(seen[device]) {
			seen[device] = at
		}
	}
	return seen
}
