package activity

import (
	"slices"
	"time"
)

// Retention is Synapse's r30v2: users who came back after more than 30 days.
type Retention struct {
	// Users is the number over all clients together. It is neither the sum of
	// Clients nor a bound for it: a user who changed client half-way counts in
	// Users only, and a user of two clients may count in both of them.
	Users int
	// Clients holds the same by class, in the order of Classes.Names: both the
	// early and the late visit with a client of that class.
	Clients []int
	// Synapse holds the same by Synapse's own classes, in the order of
	// SynapseNames.
	Synapse []int
	// Kinds holds Users by the kind of their account; nobody if the accounts of the
	// domain are not known.
	Kinds KindCounts
}

const (
	// RetentionDays is the number of days that r30v2 looks at, today included.
	RetentionDays = 60
	// RetentionHistory is the number of days, today included, below which
	// nobody can have come back.
	RetentionHistory = retentionGap + 1
	// retentionGap is the smallest distance, in calendar days, between a first
	// and a last visit that are more than 30 × 24 h apart: visits are recorded
	// at 00:00 UTC of their day, so 30 days apart is exactly 30 × 24 h and not
	// enough.
	retentionGap = 31
)

// Retention counts the users of the domain with two visits more than 30 days
// apart within the 60 days before now (count_r30v2_users in
// synapse/storage/databases/main/metrics.py, 1.160). Visits count from their
// day's 00:00 UTC: later than now − 60 d and earlier than now + 1 d, both
// exclusive, with now in whole seconds. So visits that a wrong clock recorded for
// tomorrow count as well, except during the first second of the day.
func (c *Calendar) Retention(domain string, now time.Time) Retention {
	r, _ := c.Returning(domain, now)
	return r
}

// Returning counts Retention and Growth together, which look at the same days.
func (c *Calendar) Returning(domain string, now time.Time) (Retention, Growth) {
	d, ok := c.domains[domain]
	if !ok {
		return Retention{Clients: make([]int, len(c.classes.groups)), Synapse: make([]int, synapseClassCount)}, Growth{}
	}
	figures := c.countDays(d, now)
	classes := len(c.classes.groups)
	r := Retention{Users: figures.returned[len(figures.returned)-1], Clients: slices.Clone(figures.returned[:classes])}
	if len(c.classes.rules) == 0 { // the groups are Synapse's classes
		r.Synapse = slices.Clone(r.Clients)
	} else {
		r.Synapse = slices.Clone(figures.returned[classes : classes+synapseClassCount])
	}
	if d.accounts != nil {
		r.Kinds = d.byKind(d.kept.days.returned(c), d.tags())
	}
	return r, figures.lifecycles[0].growth()
}

// visitsBetween returns the sets of each day whose start lies strictly between
// the two moments, nil for a day without visits.
func (d *domain) visitsBetween(after, before time.Time) [][]userSet {
	var days [][]userSet
	for date := DayOf(after) + 1; date.Start().Before(before); date++ {
		var sets []userSet
		if v, ok := d.days[date]; ok {
			sets = v.dense()
		}
		days = append(days, sets)
	}
	return days
}
