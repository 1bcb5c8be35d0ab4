package activity

// Growth is the accounting of 30 days. It looks at the users who were active in the
// last 30 UTC days, today included: some were active in the 30 days before, some
// earlier. Active = Before + New + Resurrected − Churned.
type Growth struct {
	Active, Before int // in the last 30 days, in the 30 days before those
	New            int // active now and never before, as far as is known
	Retained       int // active now and in the 30 days before
	Resurrected    int // active now and earlier, not in the 30 days before
	Churned        int // active in the 30 days before and not now
}

const (
	// GrowthDays is the length of one of the two periods that growth compares.
	GrowthDays = 30
	// GrowthHistory is the number of days, today included, below which growth is
	// not known.
	GrowthHistory = 2 * GrowthDays
)

// growthCounter counts growth by blocks of users.
type growthCounter struct {
	counted         Lifecycle
	today           int     // index of today in the days that are given
	earlier         userSet // who came before the 60 days
	current, before block
}

func (c *Calendar) newGrowthCounter(d *domain, today Day, index Day) *growthCounter {
	return &growthCounter{today: int(index), earlier: c.earlier(d, today, today-GrowthHistory+1)}
}

// add counts a block of users, given their days in order.
func (g *growthCounter) add(days []*block, from int) {
	today := min(g.today+1, len(days)) // beyond it is a wrong clock
	now := max(0, today-GrowthDays)
	g.current.union(days[now:today])
	g.before.union(days[max(0, now-GrowthDays):now])
	for w, a := range g.current {
		g.counted.add(a, g.before[w], g.earlier.word(from+w))
	}
}

// growth returns what was counted.
func (g *growthCounter) growth() Growth {
	l := g.counted
	return Growth{Active: l.Active, Before: l.Before, New: l.New, Retained: l.Retained, Resurrected: l.Resurrected, Churned: l.Dormant}
}
