package activity

import (
	"math/bits"
	"time"
)

// Retention is Synapse's r30v2: users who came back after more than 30 days.
type Retention struct {
	// Users is the number over all clients together. It is neither the sum of
	// Clients nor a bound for it: a user who changed client half-way is in
	// Users alone, a user of two clients may be in both.
	Users int
	// Clients holds the same by class, in the order of Classes.Names: both the
	// early and the late visit with a client of that class.
	Clients []int
	// Synapse holds the same by Synapse's own classes, in the order of
	// SynapseNames.
	Synapse []int
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
// exclusive, with now in whole seconds. So visits recorded for tomorrow by a
// wrong clock count as well, but for the first second of the day.
func (c *Calendar) Retention(domain string, now time.Time) Retention {
	r := Retention{Clients: make([]int, len(c.classes.groups)), Synapse: make([]int, ownClasses)}
	d, ok := c.domains[domain]
	if !ok {
		return r
	}
	now = now.Truncate(time.Second)
	days := d.visitsBetween(now.Add(-RetentionDays*day), now.Add(day))
	if len(c.classes.rules) == 0 { // the groups are Synapse's classes
		c.retained(d, days, c.classes.groups, &r.Users, r.Clients)
		copy(r.Synapse, r.Clients)
		return r
	}
	c.retained(d, days, c.classes.groups, &r.Users, r.Clients)
	var same int
	c.retained(d, days, c.classes.own, &same, r.Synapse)
	return r
}

// retained adds up the users over the days, in all and by group of clients. It
// takes 64 users at a time.
func (c *Calendar) retained(d *domain, days [][]userSet, groups [][]Client, all *int, byGroup []int) {
	everyone := make([]uint64, len(days)) // one word of users: their days over all clients
	one := make([]uint64, len(days))
	for w := range (len(d.hashes) + 63) / 64 {
		clear(everyone)
		for group, clients := range groups {
			clear(one)
			for _, client := range clients {
				for i, sets := range days {
					if sets != nil {
						one[i] |= sets[client].word(w)
					}
				}
			}
			for i, word := range one {
				everyone[i] |= word
			}
			byGroup[group] += retained(one)
		}
		*all += retained(everyone)
	}
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

// retained counts the users, of the 64 in one word, who have a visit on some
// day i and another on day i+31 or later. Going backwards, later holds all who
// come on day i+31 or after.
func retained(days []uint64) int {
	var later, back uint64
	for i := len(days) - 1 - retentionGap; i >= 0; i-- {
		later |= days[i+retentionGap]
		back |= days[i] & later
	}
	return bits.OnesCount64(back)
}
