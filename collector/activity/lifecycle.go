package activity

import (
	"math/bits"
	"slices"
	"time"
)

// A Lifecycle is growth accounting of an interval of days, today included, and of the
// same number of days before it. Active = Before + New + Resurrected − Dormant.
type Lifecycle struct {
	Days int // of the interval
	// Active are the users in the interval, Before those in the interval before it.
	Active, Before int
	New            int // active now and never before, as far as is known
	Retained       int // active now and in the interval before
	Resurrected    int // active now and earlier, not in the interval before
	Dormant        int // active in the interval before and not now
	Few            int // those of New, Retained and Resurrected that are Merged
}

// LifecycleIntervals are the intervals of Lifecycles, in days, the longest first:
// whole weeks, so that weekends do not matter, and the single day.
func LifecycleIntervals() []int { return []int{28, 7, 1} }

// LifecycleHistory returns the number of days, today included, below which the
// lifecycle of an interval is not known: both intervals, and at least the 30 days
// before the present one that tell newcomers from those who came back.
func LifecycleHistory(days int) int { return max(2*days, days+GrowthDays) }

// Lifecycles counts users by UTC days for each of the LifecycleIntervals, in their
// order.
func (c *Calendar) Lifecycles(domain string, now time.Time) (all []Lifecycle) {
	d, ok := c.domains[domain]
	if !ok {
		for _, days := range LifecycleIntervals() {
			all = append(all, Lifecycle{Days: days})
		}
		return all
	}
	return slices.Clone(c.countDays(d, now).lifecycles[1:]) // the first is that of growth
}

// add counts users by bits: those who came in the interval, in the one before it, and
// earlier.
func (l *Lifecycle) add(now, before, earlier uint64) {
	l.Active += bits.OnesCount64(now)
	l.Before += bits.OnesCount64(before)
	l.New += bits.OnesCount64(now &^ before &^ earlier)
	l.Retained += bits.OnesCount64(now & before)
	l.Resurrected += bits.OnesCount64(now & earlier &^ before)
	l.Dormant += bits.OnesCount64(before &^ now)
}

// addComing counts, so often, that users come today who have not yet come in the
// interval.
func (l *Lifecycle) addComing(users, before, earlier uint64, by int) {
	l.Active += by * bits.OnesCount64(users)
	l.New += by * bits.OnesCount64(users&^before&^earlier)
	l.Retained += by * bits.OnesCount64(users&before)
	l.Resurrected += by * bits.OnesCount64(users&earlier&^before)
	l.Dormant -= by * bits.OnesCount64(users&before)
}

// union returns the users of some days in a row, the last included.
func (d *domain) union(first, last Day) (everyone userSet) {
	for date := first; date <= last; date++ {
		if v, known := d.days[date]; known {
			v.addTo(&everyone)
		}
	}
	return everyone
}
