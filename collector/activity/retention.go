package activity

import (
	"math/bits"
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
	r := Retention{Clients: make([]int, len(c.classes.groups)), Synapse: make([]int, synapseClassCount)}
	d, ok := c.domains[domain]
	if !ok {
		return r, Growth{}
	}
	today := DayOf(now)
	now = now.Truncate(time.Second)
	days := d.visitsBetween(now.Add(-RetentionDays*day), now.Add(day))
	counter := newRetentionCounter(days, (len(d.hashes)+63)/64)
	counter.growth = c.newGrowthCounter(d, today, today-DayOf(now.Add(-RetentionDays*day))-1)
	r.Users = counter.count(c.classes.groups, r.Clients)
	if len(c.classes.rules) == 0 { // the groups are Synapse's classes
		copy(r.Synapse, r.Clients)
	} else {
		growth := counter.growth
		counter.growth = nil // it is counted
		counter.count(c.classes.bySynapse, r.Synapse)
		counter.growth = growth
	}
	return r, counter.growth.growth()
}

// retentionCounter counts the users who have a visit on some day i and another
// on day i+31 or later, by blocks of users that fit the processor's caches: each
// word comes from memory once.
type retentionCounter struct {
	days     [][]userSet
	words    int
	everyone []*block // of each day, over all clients
	nobody   *block   // a day without visits
	growth   *growthCounter
}

// blockWords is the size of a block: 60 days of it are some 120 KB.
const blockWords = 256

// A block holds 64 users in each word. Four words are counted at a time, which the
// processor's registers can hold.
type block [blockWords]uint64

func newRetentionCounter(days [][]userSet, words int) *retentionCounter {
	r := &retentionCounter{days: days, words: words, everyone: make([]*block, len(days)), nobody: new(block)}
	const apart = blockWords + 8 // a cache line more: see staggered
	storage := make([]uint64, len(days)*apart)
	for i := range r.everyone {
		r.everyone[i] = (*block)(storage[i*apart:])
	}
	return r
}

// count adds up by group of clients, and returns the number over all of them.
func (r *retentionCounter) count(groups [][]Client, byGroup []int) (all int) {
	blocks := make([][]*block, len(groups)) // by group and day
	for group := range blocks {
		blocks[group] = make([]*block, len(r.days))
	}
	day := make([]*block, len(groups))
	for from := 0; from < r.words; from += blockWords {
		for i, sets := range r.days {
			for group, clients := range groups {
				day[group] = r.block(sets, clients, from)
				blocks[group][i] = day[group]
			}
			r.everyone[i].union(day)
		}
		for group := range groups {
			byGroup[group] += retained(blocks[group])
		}
		all += retained(r.everyone)
		if r.growth != nil {
			r.growth.add(r.everyone, from)
		}
	}
	return all
}

// retained counts the users of one block of all days. Going backwards, later
// holds all who come on day i+31 or after.
func retained(days []*block) (users int) {
	for w := 0; w < blockWords; w += 4 {
		var later0, later1, later2, later3, back0, back1, back2, back3 uint64
		for i := len(days) - 1 - retentionGap; i >= 0; i-- {
			day, after := days[i].four(w), days[i+retentionGap].four(w)
			later0 |= after[0]
			later1 |= after[1]
			later2 |= after[2]
			later3 |= after[3]
			back0 |= day[0] & later0
			back1 |= day[1] & later1
			back2 |= day[2] & later2
			back3 |= day[3] & later3
		}
		users += bits.OnesCount64(back0) + bits.OnesCount64(back1) + bits.OnesCount64(back2) + bits.OnesCount64(back3)
	}
	return users
}

// four returns four words.
func (b *block) four(w int) *[4]uint64 { return (*[4]uint64)(b[w : w+4]) }

// block returns the words of a day from a word on, of clients together. It is
// not to be changed.
func (r *retentionCounter) block(sets []userSet, clients []Client, from int) *block {
	if sets == nil {
		return r.nobody
	}
	if len(clients) == 1 {
		set := sets[clients[0]]
		switch {
		case from >= len(set):
			return r.nobody
		case from+blockWords <= len(set): // as it is
			return (*block)(set[from:])
		}
	}
	together := new(block)
	for _, client := range clients {
		set := sets[client]
		for w, word := range set[min(from, len(set)):min(from+blockWords, len(set))] {
			together[w] |= word
		}
	}
	return together
}

// union makes b all users of some blocks together.
func (b *block) union(of []*block) {
	for w := 0; w < blockWords; w += 4 {
		var all0, all1, all2, all3 uint64
		for _, other := range of {
			words := other.four(w)
			all0 |= words[0]
			all1 |= words[1]
			all2 |= words[2]
			all3 |= words[3]
		}
		*b.four(w) = [4]uint64{all0, all1, all2, all3}
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
