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
	Few            int // those of New, Retained and Resurrected that are Merged
}

const (
	// GrowthDays is the length of one of the two periods that growth compares.
	GrowthDays = 30
	// GrowthHistory is the number of days, today included, below which growth is
	// not known.
	GrowthHistory = 2 * GrowthDays
)

// growth returns the growth that a lifecycle of GrowthDays is.
func (l Lifecycle) growth() Growth {
	return Growth{Active: l.Active, Before: l.Before, New: l.New, Retained: l.Retained, Resurrected: l.Resurrected, Churned: l.Dormant}
}
