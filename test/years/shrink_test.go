package years_test

import (
	"slices"
	"testing"
	"time"
)

// shrinkFor is how long a plan is shortened.
const shrinkFor = time.Minute

// shrink leaves servers, steps and events out of a plan for as long as it still shows a
// difference.
func shrink(t *testing.T, p plan) plan {
	t.Helper()
	deadline := time.Now().Add(shrinkFor)
	differs := func(p plan) bool { return time.Now().Before(deadline) && len(live(t, p).differences) > 0 }
	for server := range softwares() {
		if without := p.withoutServer(server); differs(without) {
			p = without
		}
	}
	for before := -1; before != p.size(); {
		before = p.size()
		p = fewerEvents(p, differs)
		p.steps = fewer(p.steps, func(steps []step) bool {
			shorter := p
			shorter.steps = steps
			return differs(shorter)
		})
	}
	return p
}

// size is that of a plan, in steps and events.
func (p plan) size() (n int) {
	for _, s := range p.steps {
		n += 1 + len(s.events)
	}
	return n
}

func (p plan) withoutServer(server int) plan {
	p.absent = append(slices.Clone(p.absent), server)
	p.steps = slices.Clone(p.steps)
	for n, s := range p.steps {
		p.steps[n].events = slices.DeleteFunc(slices.Clone(s.events), func(e event) bool {
			return e.server == server && e.kind.isOfServer()
		})
	}
	return p
}

// placed is an event with the number of its step.
type placed struct {
	step int
	event
}

// fewerEvents leaves events out, of all steps together.
func fewerEvents(p plan, differs func(plan) bool) plan {
	var all []placed
	for n, s := range p.steps {
		for _, e := range s.events {
			all = append(all, placed{n, e})
		}
	}
	with := func(events []placed) plan {
		shorter := p
		shorter.steps = slices.Clone(p.steps)
		for n := range shorter.steps {
			shorter.steps[n].events = nil
		}
		for _, e := range events {
			shorter.steps[e.step].events = append(shorter.steps[e.step].events, e.event)
		}
		return shorter
	}
	return with(fewer(all, func(events []placed) bool { return differs(with(events)) }))
}

// fewer leaves out as many elements as it can while what is left differs: halves first,
// then smaller pieces.
func fewer[E any](all []E, differs func([]E) bool) []E {
	for size := (len(all) + 1) / 2; size > 0; size /= 2 {
		for from := 0; from < len(all); {
			without := slices.Concat(all[:from], all[min(from+size, len(all)):])
			if differs(without) {
				all = without
			} else {
				from += size
			}
		}
	}
	return all
}
