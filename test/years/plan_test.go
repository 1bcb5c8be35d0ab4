package years_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Everything that happens is in a plan, and a seed decides the plan. So a year can be
// lived again, and steps can be left out of it.

const day = 24 * time.Hour

// kind is what can happen.
type kind int

const (
	logIn         kind = iota // a user comes
	logOut                    // and leaves, after a session that lasted
	receive                   // a message from another server arrives
	register                  // a new account, if there is none of that name
	deleteAccount             // for good
	backupServer              // which may be restored later
	backupHistory
	reconfigure // the exporter is stopped and has other classes of clients from then on
	disable     // an account, for some refreshes; this and what follows are faults
	clock       // the exporter's clock is wrong by offset, for some refreshes
	away        // the records are away, for some refreshes
	damage      // of one user's record, for some refreshes
	lag         // the database of the Synapse or Dendrite is behind by offset, for some refreshes
	restart     // the exporter is stopped in order, and started again
	crash       // it is started again on the files as they are
	crashUnsaved
	deleteVisits // of a day on a Synapse or Dendrite, as somebody may do in its database
	saveFails    // the history cannot be written, for some refreshes
	keyAway      // the key of the hashes is away, for some refreshes
	otherKey     // another key stands in its place, for some refreshes
	restoreServer
	restoreHistory
	off   // nothing runs for a time; the step says for how long
	kinds // how many there are
)

func (k kind) String() string {
	return []string{
		"log in", "log out", "message from another server", "register", "delete", "backup of the server", "backup of the history", "other classes of clients", "disabled account", "wrong clock",
		"records away", "damaged record", "database behind", "restart", "crash", "crash before saving", "deleted visits", "history cannot be written", "key away", "another key",
		"restored server", "restored history", "exporter off for days",
	}[k]
}

// isLife is true of what people do.
func (k kind) isLife() bool { return k <= deleteAccount }

// isOfServer is true of what happens to one chat server. All else happens to the exporter.
func (k kind) isOfServer() bool {
	return k.isLife() || slices.Contains([]kind{backupServer, restoreServer, disable, away, damage, lag, deleteVisits}, k)
}

// event is one thing that happens in a step.
type event struct {
	kind      kind
	server    int // index of softwares
	user      int
	device    int           // with which the user comes
	part      float64       // of the step's time that has passed when it happens
	offset    time.Duration // of a clock, of a database; the age of visits
	refreshes int           // for how many it lasts
	sent      message       // what is sent with a login, or received
	stays     time.Duration // for how long a user stays connected, 0 for who leaves at once
}

func (e event) String() string {
	text := fmt.Sprintf("%.2f %s", e.part, e.kind)
	switch e.kind {
	case logIn, register, deleteAccount, disable, damage:
		text += fmt.Sprintf(" %s on %s", userName(e.user), softwares()[e.server].name)
	case away, backupServer, restoreServer, lag, deleteVisits:
		text += " " + softwares()[e.server].name
	default:
	}
	if e.device > 0 {
		text += " with the other device"
	}
	if e.offset != 0 {
		text += fmt.Sprintf(" by %s", e.offset)
	}
	if e.stays > 0 {
		text += fmt.Sprintf(", who stays for %s", e.stays)
	}
	if e.kind == receive || e.kind == logIn && softwares()[e.server].events {
		text += ", " + e.sent.String()
	}
	if e.refreshes > 0 {
		text += fmt.Sprintf(" for %d refreshes", e.refreshes)
	}
	return text
}

// step is some time that passes, what happens meanwhile, and a refresh.
type step struct {
	wait   time.Duration
	events []event
}

// plan is a year.
type plan struct {
	retention time.Duration // storage.retention, 0 if it is not set
	absent    []int         // indexes of softwares without a server
	steps     []step
}

func (p plan) String() string {
	var text strings.Builder
	if p.retention > 0 {
		fmt.Fprintf(&text, "storage.retention: %s\n", p.retention)
	}
	for n, s := range p.steps {
		fmt.Fprintf(&text, "%3d. %s pass:", n+1, s.wait)
		for _, e := range s.events {
			fmt.Fprintf(&text, " %s;", e)
		}
		text.WriteString(" refresh\n")
	}
	return text.String()
}

const users = 18 // names of accounts on each server

func userName(user int) string { return fmt.Sprintf("user%02d", user) }

// newPlan is the year of a seed.
func newPlan(seed uint64) (p plan) {
	random := rand.New(rand.NewPCG(seed, 15))
	p.retention = []time.Duration{0, 0, 0, 45 * day, 100 * day, 200 * day}[random.IntN(6)]
	add := func(wait time.Duration, events ...event) {
		wait = wait.Round(time.Second) + time.Duration(random.IntN(600))*time.Second
		p.steps = append(p.steps, step{wait, slices.Concat(lives(random, wait), events)})
	}
	pace, left := 0, 0 // of the steps, and how many of this pace are left
	for p.length() < 365*day {
		if left == 0 {
			pace, left = random.IntN(4), 3+random.IntN(12)
		}
		left--
		wait := []time.Duration{time.Hour, 6 * time.Hour, day, time.Duration(1+random.IntN(6)) * 12 * time.Hour}[pace]
		switch random.IntN(40) {
		case 0:
			add(time.Duration(2+random.IntN(70))*day, event{kind: off})
		case 1:
			server := random.IntN(len(softwares()))
			add(wait, event{kind: backupServer, server: server, part: random.Float64()})
			add(time.Duration(1+random.IntN(3)) * time.Hour)
			add(time.Duration(1+random.IntN(3))*time.Hour, event{kind: restoreServer, server: server, part: random.Float64() / 2})
		default:
			add(wait, p.misfortunes(random)...)
		}
	}
	p.addDetails(rand.New(rand.NewPCG(seed, 16)))
	return p
}

// addDetails says what is sent at logins, who stays connected, and what other servers send.
func (p plan) addDetails(random *rand.Rand) {
	for n := range p.steps {
		for i := range p.steps[n].events {
			switch e := &p.steps[n].events[i]; {
			case e.kind == logIn && softwares()[e.server].events:
				e.sent = newMessage(random)
			case e.kind == logIn && softwares()[e.server].sessions && random.IntN(3) == 0:
				e.stays = time.Duration(1+random.IntN(72*60)) * time.Minute
			}
		}
		for server, s := range softwares() {
			if s.events {
				for range random.IntN(3) {
					p.steps[n].events = append(p.steps[n].events, event{kind: receive, server: server, part: random.Float64(), sent: newMessage(random).fromElsewhere(random)})
				}
			}
		}
	}
}

func (p plan) length() (passed time.Duration) {
	for _, s := range p.steps {
		passed += s.wait
	}
	return passed
}

// lives are what people do meanwhile. In a long time, much happens soon after the last
// refresh, while its day lasts.
func lives(random *rand.Rand, wait time.Duration) (events []event) {
	pieces := []float64{0, 1}
	if days := wait.Hours() / 24; days > 1.5 {
		pieces = []float64{0, 0.5 / days, 0.25, 0.5, 0.75, 1}
	}
	for piece := range len(pieces) - 1 { // of the time; in each, a user comes once at most
		begin, length := pieces[piece], pieces[piece+1]-pieces[piece]
		for server := range softwares() {
			for user := range users {
				often := []float64{1.5, 0.4, 0.1, 0.03, 0.015, 0.008}[user%6]
				if random.Float64() < often*length*wait.Hours()/24 {
					events = append(events, event{kind: logIn, server: server, user: user, device: max(0, random.IntN(4)-2), part: begin + length*random.Float64()})
				}
			}
		}
	}
	for server := range softwares() {
		switch random.IntN(30) {
		case 0:
			events = append(events, event{kind: deleteAccount, server: server, user: random.IntN(users), part: random.Float64()})
		case 1, 2:
			events = append(events, event{kind: register, server: server, user: random.IntN(users), part: random.Float64()})
		}
	}
	return events
}

// misfortunes are a bad day, if it is one.
func (p plan) misfortunes(random *rand.Rand) (events []event) {
	if random.IntN(4) != 0 {
		return nil
	}
	for range 1 + random.IntN(2) {
		e := event{
			kind:   backupServer + kind(random.IntN(int(off-backupServer))),
			server: random.IntN(len(softwares())), user: random.IntN(users), part: random.Float64(), refreshes: 1 + random.IntN(5),
		}
		switch e.kind {
		case clock:
			if p.retention > 0 { // what is deleted when depends on each day that any clock has shown
				continue
			}
			e.offset = clockOffset(random)
		case lag:
			e.server, e.offset = random.IntN(2), time.Duration(1+random.IntN(12))*30*time.Minute
		case deleteVisits:
			e.server, e.offset = random.IntN(2), time.Duration(2+random.IntN(80))*day
		default:
		}
		events = append(events, e)
	}
	return events
}

// clockOffset is by how much a clock is wrong: less than a day, or much.
func clockOffset(random *rand.Rand) time.Duration {
	offset := time.Duration(2+random.IntN(20*60)) * time.Minute
	if random.IntN(2) == 0 {
		offset = time.Duration(8+random.IntN(900)) * day
	}
	if random.IntN(3) == 0 {
		return -min(offset, time.Duration(8+random.IntN(40))*day)
	}
	return offset
}
