package activity

import (
	"math/bits"
	"time"
)

// Growth is the accounting of 30 days: who of those active in the last 30 UTC
// days, today included, was active in the 30 before, and who earlier. It holds
// that Active = Before + New + Resurrected − Churned.
type Growth struct {
	Active, Before int // in the last 30 days, in the 30 days before those
	New            int // active now and never before, as far as is known
	Retained       int // active now and in the 30 days before
	Resurrected    int // active now and earlier, not in the 30 days before
	Churned        int // active in the 30 days before and not now
}

const (
	growthDays = 30
	// GrowthHistory is the number of days, today included, below which there
	// is no growth to tell.
	GrowthHistory = 2 * growthDays
)

// Growth counts from the domain's daily visits up to the day of now.
func (c *Calendar) Growth(domain string, now time.Time) (g Growth) {
	d, ok := c.domains[domain]
	if !ok {
		return g
	}
	today := DayOf(now)
	var current, before, earlier userSet
	for date, v := range d.days {
		into := &current
		switch {
		case date > today:
			continue
		case date <= today-GrowthHistory:
			into = &earlier
		case date <= today-growthDays:
			into = &before
		}
		v.addTo(into)
	}
	for w := range (len(d.hashes) + 63) / 64 {
		a, p, e := current.word(w), before.word(w), earlier.word(w)
		g.Active += bits.OnesCount64(a)
		g.Before += bits.OnesCount64(p)
		g.New += bits.OnesCount64(a &^ p &^ e)
		g.Retained += bits.OnesCount64(a & p)
		g.Resurrected += bits.OnesCount64(a & e &^ p)
		g.Churned += bits.OnesCount64(p &^ a)
	}
	return g
}
