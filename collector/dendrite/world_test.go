package dendrite_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A world is a Dendrite that runs in memory as the real one does, with all that is
// odd about it: a visit for each device of a user who came with any of them; the first
// visits after midnight dated one day back, an hour off where clocks were changed;
// activity before a restart that leaves no visit; updates of last-seen times that get
// lost; devices that the server makes for itself.
type world struct {
	*rand.Rand
	now     time.Time
	people  []*person
	devices []device
	visits  []visit
	written map[visitKey]bool
	updated time.Time // when visits were last written
	names   int
	// botsEndWith is the end of names that the configuration says are those of bots, "" if
	// it does not.
	botsEndWith string
}

type person struct {
	name        string
	kind        int // 1 user, 2 guest, 3 admin, 4 application service
	service     bool
	created     time.Time
	deactivated bool
	diligence   float64 // how probably they come in a tick
}

type device struct {
	user, id, agent string
	created, seen   int64 // milliseconds
}

type visitKey struct {
	user, device string
	at           int64
}

type visit struct {
	visitKey
	agent string
}

// tick is the time between two moments at which things happen; Dendrite writes visits
// as often.
const tick = 3 * time.Hour

var agents = []string{
	"Element/1.6.20 (Linux; Android 14)", "Element/1.11.20 (iPhone 14; iOS 17.5; Scale/3.00)", "mtxclient v0.10.0", "",
	"Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0", "Mozilla/5.0 Element/1.11.90 Electron/34.0.1",
}

// newWorld returns one that has run for some days until a moment.
func newWorld(seed uint64, until time.Time, days, people int) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 11)), now: until.Add(-time.Duration(days) * day), written: make(map[visitKey]bool)}
	w.updated = w.now.Add(-time.Minute)
	w.register(&person{name: "_notices", kind: 1}, "")
	w.register(&person{name: "bot", kind: 4, service: true}, "")
	for len(w.people) < people {
		w.newcomer()
	}
	w.runUntil(until)
	return w
}

const day = 24 * time.Hour

func (w *world) newcomer() {
	w.names++
	p := &person{name: fmt.Sprintf("user%d", w.names), kind: 1, diligence: w.Float64() * w.Float64() / 2}
	switch w.IntN(10) {
	case 0:
		p.kind, p.name = 2, fmt.Sprint(w.names)
	case 1:
		p.kind = 3
	case 2:
		p.kind, p.service = 4, true
	case 3:
		p.service = true // an old account of an application service
	}
	w.register(p, agents[w.IntN(len(agents))])
	if w.IntN(3) == 0 { // made by create-account: a device that nobody will use
		w.login(p, "shared_secret_registration", "Go-http-client/1.1")
	}
}

func (w *world) register(p *person, agent string) {
	p.created = w.now
	w.people = append(w.people, p)
	w.login(p, "FIRST", agent)
}

// login makes a device, in place of one of the same name. Whose client sends no agent
// synchronises at once.
func (w *world) login(p *person, id, agent string) {
	w.devices = slices.DeleteFunc(w.devices, func(d device) bool { return d.user == p.name && d.id == id })
	d := device{p.name, id, agent, w.now.UnixMilli(), w.now.UnixMilli()}
	if agent == "" && p.name != "_notices" && p.name != "bot" {
		d.seen += 60_000
	}
	w.devices = append(w.devices, d)
}

func (w *world) runUntil(until time.Time) {
	for w.now.Before(until) {
		step := min(tick, until.Sub(w.now))
		for _, p := range w.people {
			w.live(p, step)
		}
		if w.IntN(8) == 0 {
			w.newcomer()
		}
		w.now = w.now.Add(step)
		if w.IntN(40) == 0 { // a restart: what was not written yet never will be
			w.updated = w.now
			for _, p := range w.people {
				if p.name == "bot" {
					w.login(p, "bot", "")
				}
			}
		}
		if step == tick {
			w.writeVisits()
		}
	}
}

// live is what somebody does in a tick.
func (w *world) live(p *person, step time.Duration) {
	if p.deactivated || p.name == "_notices" || p.name == "bot" {
		return
	}
	switch w.IntN(600) {
	case 0:
		p.deactivated = true
		w.devices = slices.DeleteFunc(w.devices, func(d device) bool { return d.user == p.name })
		return
	case 1, 2, 3:
		w.logout(p)
	case 4, 5, 6, 7:
		w.login(p, fmt.Sprint("D", w.IntN(3)), agents[w.IntN(len(agents))])
	}
	for i := range w.devices {
		d := &w.devices[i]
		if d.user == p.name && d.id != "shared_secret_registration" && w.Float64() < p.diligence && w.IntN(10) > 0 { // one in ten updates gets lost
			d.seen = w.now.Add(time.Duration(w.Int64N(int64(step)))).UnixMilli()
		}
	}
}

func (w *world) logout(p *person) {
	for i, d := range w.devices {
		if d.user == p.name {
			w.devices = slices.Delete(w.devices, i, i+1)
			return
		}
	}
}

func (w *world) writeVisits() {
	date := w.now.Truncate(day)
	if w.updated.Before(date) {
		date = date.Add(-day)
		if w.IntN(20) == 0 { // clocks were changed the day before
			date = date.Add(time.Duration(1-2*w.IntN(2)) * time.Hour)
		}
	}
	for _, p := range w.people {
		came := func(d device) bool { return d.user == p.name && d.seen > w.updated.UnixMilli() }
		if p.kind != 1 && p.kind != 3 || !slices.ContainsFunc(w.devices, came) {
			continue
		}
		for _, d := range w.devices {
			key := visitKey{p.name, d.id, date.UnixMilli()}
			if d.user == p.name && !w.written[key] {
				w.written[key] = true
				w.visits = append(w.visits, visit{key, d.agent})
			}
		}
	}
	w.updated = w.now
}

// statements write the world to the tables, in place of what is there.
func (w *world) statements() []string {
	var accounts, devices, visits []string
	for _, p := range w.people {
		service, deactivated := "NULL", "NULL"
		if p.service {
			service = "'bridge'"
		}
		if p.deactivated {
			deactivated = "TRUE"
		}
		accounts = append(accounts, fmt.Sprintf(`('%s', 'w.example', %d, %s, %s, %d)`, p.name, p.created.UnixMilli(), service, deactivated, p.kind))
	}
	for _, d := range w.devices {
		devices = append(devices, fmt.Sprintf(`('%s/%s', '%s', '%s', 'w.example', %d, %d, '%s')`, d.user, d.id, d.id, d.user, d.created, d.seen, d.agent))
	}
	for _, v := range w.visits {
		visits = append(visits, fmt.Sprintf(`('%s', '%s', %d, '%s')`, v.user, v.device, v.at, v.agent))
	}
	all := []string{`DELETE FROM userapi_accounts`, `DELETE FROM userapi_devices`, `DELETE FROM userapi_daily_visits`}
	for into, rows := range map[string][]string{
		`userapi_accounts (localpart, server_name, created_ts, appservice_id, is_deactivated, account_type)`:      accounts,
		`userapi_devices (access_token, device_id, localpart, server_name, created_ts, last_seen_ts, user_agent)`: devices,
		`userapi_daily_visits (localpart, device_id, timestamp, user_agent)`:                                      visits,
	} {
		for some := range slices.Chunk(rows, 400) {
			all = append(all, "INSERT INTO "+into+" VALUES "+strings.Join(some, ", "))
		}
	}
	return all
}
