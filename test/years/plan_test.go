package years_test

import (
	"fmt"
	"math/rand/v2"
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
	register                  // a new account, if there is none of that name
	deleteAccount             // for good
	disable                   // an account, for some refreshes
	clock                     // the exporter's clock is wrong by offset, for some refreshes
	away                      // the records are away, for some refreshes
	damage                    // of one user's record, for some refreshes
	lag                       // the database is behind by offset, for some refreshes
	restart                   // the exporter is stopped in order, and started again
	crash                     // it is started again on the files as they are
	crashUnsaved              // the next refresh is not saved, and then it crashes
	saveFails                 // the history cannot be written, for some refreshes
	keyAway                   // the key of the hashes is away, for some refreshes
	backupServer              // and later restored
	restoreServer
	backupHistory
	restoreHistory
)

var kindNames = []string{
	"log in", "register", "delete", "disable", "clock wrong", "away", "damaged record", "database behind", "restart", "crash", "crash before saving",
	"history cannot be written", "key away", "backup of the server", "restore of the server", "backup of the history", "restore of the history",
}

func (k kind) String() string { return kindNames[k] }

// bad says whether an event is a fault, and no ordinary life.
func (k kind) bad() bool {
	return k >= disable && k != backupServer && k != backupHistory
}

// event is one thing that happens in a step.
type event struct {
	kind      kind
	server    int // which one, 0 to 2
	user      int
	part      float64       // of the step's time that has passed when it happens
	offset    time.Duration // of a clock, of a database
	refreshes int           // for how many it lasts
}

func (e event) String() string {
	switch e.kind {
	case logIn, register, deleteAccount:
		return fmt.Sprintf("%s %s on %s at %.2f", e.kind, userName(e.user), serverNames[e.server], e.part)
	case disable, damage:
		return fmt.Sprintf("%s %s on %s for %d refreshes", e.kind, userName(e.user), serverNames[e.server], e.refreshes)
	case clock, lag:
		return fmt.Sprintf("%s by %s for %d refreshes", e.kind, e.offset, e.refreshes)
	case away:
		return fmt.Sprintf("%s %s for %d refreshes", serverNames[e.server], e.kind, e.refreshes)
	case saveFails, keyAway:
		return fmt.Sprintf("%s for %d refreshes", e.kind, e.refreshes)
	case backupServer, restoreServer:
		return fmt.Sprintf("%s %s", e.kind, serverNames[e.server])
	default:
		return e.kind.String()
	}
}

// step is some time that passes, what happens meanwhile, and a refresh.
type step struct {
	wait   time.Duration
	events []event
}

func describe(plan []step) string {
	var text strings.Builder
	for n, s := range plan {
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

// newPlan is a year.
func newPlan(seed uint64) (plan []step) {
	random := rand.New(rand.NewPCG(seed, 15))
	pace, left := 0, 0 // of the steps, and how many of this pace are left
	for passed := time.Duration(0); passed < 365*day; {
		if left == 0 {
			pace, left = random.IntN(4), 3+random.IntN(12)
		}
		left--
		wait := []time.Duration{time.Hour, 6 * time.Hour, day, day}[pace]
		switch {
		case random.IntN(40) == 0:
			wait = time.Duration(2+random.IntN(70)) * day
		case pace == 3:
			wait = time.Duration(1+random.IntN(6)) * 12 * time.Hour
		}
		wait = wait.Round(time.Second) + time.Duration(random.IntN(600))*time.Second
		s := step{wait: min(wait, 365*day-passed+time.Second)}
		passed += s.wait
		s.events = append(lives(random, s.wait), misfortunes(random)...)
		plan = append(plan, s)
	}
	return plan
}

// lives are what people do meanwhile, in order.
func lives(random *rand.Rand, wait time.Duration) (events []event) {
	days := wait.Hours() / 24
	pieces := int(min(4, max(1, days))) // of the time; in each, a user comes once at most
	for piece := range pieces {
		for server := range serverNames {
			for user := range users {
				often := []float64{1.5, 0.4, 0.1, 0.03, 0.015, 0.008}[user%6]
				if random.Float64() < often*days/float64(pieces) {
					events = append(events, event{kind: logIn, server: server, user: user, part: (float64(piece) + random.Float64()) / float64(pieces)})
				}
			}
		}
	}
	for server := range serverNames {
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
func misfortunes(random *rand.Rand) (events []event) {
	if random.IntN(4) != 0 {
		return nil
	}
	for range 1 + random.IntN(2) {
		e := event{
			kind:   disable + kind(random.IntN(int(restoreHistory-disable)+1)),
			server: random.IntN(len(serverNames)), user: random.IntN(users), part: 1, refreshes: 1 + random.IntN(5),
		}
		switch e.kind {
		case clock:
			e.offset = clockOffset(random)
		case lag:
			e.offset = time.Duration(1+random.IntN(12)) * 30 * time.Minute
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
