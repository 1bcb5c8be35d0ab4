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
	r, _ := c.Returning(domain, now)
	return r
}

// Returning counts Retention and Growth together, which look at the same days.
func (c *Calendar) Returning(domain string, now time.Time) (Retention, Growth) {
	r := Retention{Clients: make([]int, len(c.classes.groups)), Synapse: make([]int, ownClasses)}
	d, ok := c.domains[domain]
	if !ok {
		return r, Growth{}
	}
	today := DayOf(now)
	now = now.Truncate(time.Second)
	days := d.visitsBetween(now.Add(-RetentionDays*day), now.Add(day))
	counter := newRetentionCounter(days, (len(d.hashes)+63)/64)
	counter.growth = newGrowthCounter(d, today, today-DayOf(now.Add(-RetentionDays*day))-1)
	r.Users = counter.count(c.classes.groups, r.Clients)
	if len(c.classes.rules) == 0 { // the groups are Synapse's classes
		copy(r.Synapse, r.Clients)
	} else {
		growth := counter.growth
		counter.growth = nil // it is counted
		counter.count(c.classes.own, r.Synapse)
		counter.growth = growth
	}
	return r, counter.growth.Growth
}

// retentionCounter counts the users who have a visit on some day i and another
// on day i+31 or later, by blocks of users that fit the processor's caches: each
// word comes from memory once.
type retentionCounter struct {
	days        [][]userSet
	words       int
	everyone    [][]uint64 // a block of each day, over all clients
	later, back []uint64
	growth      *growthCounter // nil to leave it out
}

// blockWords is the size of a block: 60 days of it are some 120 KB.
const blockWords = 256

func newRetentionCounter(days [][]userSet, words int) *retentionCounter {
	r := &retentionCounter{days: days, words: words, everyone: make([][]uint64, len(days))}
	for i := range r.everyone {
		r.everyone[i] = make([]uint64, blockWords)
	}
	r.later, r.back = make([]uint64, blockWords), make([]uint64, blockWords)
	return r
}

// count adds up by group of clients, and returns the number over all of them.
func (r *retentionCounter) count(groups [][]Client, byGroup []int) (all int) {
	blocks := make([][][]uint64, len(groups)) // by group and day
	for group := range blocks {
		blocks[group] = make([][]uint64, len(r.days))
	}
	day := make([][]uint64, len(groups))
	for from := 0; from < r.words; from += blockWords {
		for i, sets := range r.days {
			for group, clients := range groups {
				day[group] = block(sets, clients, from)
				blocks[group][i] = day[group]
			}
			clear(r.everyone[i])
			orAll(r.everyone[i], day)
		}
		for group := range groups {
			byGroup[group] += r.retained(blocks[group])
		}
		all += r.retained(r.everyone)
		if r.growth != nil {
			r.growth.add(r.everyone, from)
		}
	}
	return all
}

// retained counts the users of one block of all days. Going backwards, later
// holds all who come on day i+31 or after.
func (r *retentionCounter) retained(days [][]uint64) (users int) {
	clear(r.later)
	clear(r.back)
	for i := len(days) - 1 - retentionGap; i >= 0; i-- {
		day, after := days[i], days[i+retentionGap]
		if i > 0 && r.two(day, after, days[i-1], days[i-1+retentionGap]) {
			i--
			continue
		}
		if len(after) > len(day) { // what is beyond the shorter one matters to earlier days
			or(r.later[len(day):], after[len(day):])
			after = after[:len(day)]
		}
		later, back := r.later[:len(day)], r.back[:len(day)]
		for w, word := range after {
			later[w] |= word
			back[w] |= day[w] & later[w]
		}
		for w := len(after); w < len(day); w++ {
			back[w] |= day[w] & later[w]
		}
	}
	for _, word := range r.back {
		users += bits.OnesCount64(word)
	}
	return users
}

// two is two steps of retained in one, for whole blocks; it says whether they
// are. Half of the traffic with later and back is saved.
func (r *retentionCounter) two(day, after, dayBefore, afterBefore []uint64) bool {
	if len(day) != blockWords || len(after) != blockWords || len(dayBefore) != blockWords || len(afterBefore) != blockWords {
		return false
	}
	later, back := r.later[:blockWords], r.back[:blockWords]
	day, after, dayBefore, afterBefore = day[:blockWords], after[:blockWords], dayBefore[:blockWords], afterBefore[:blockWords]
	for w := range blockWords { // of which the compiler now knows that it is within all
		later1 := later[w] | after[w]
		later2 := later1 | afterBefore[w]
		back[w] |= day[w]&later1 | dayBefore[w]&later2
		later[w] = later2
	}
	return true
}

// block returns the words of a day from a word on, of clients together; fewer
// than blockWords where the sets end. It is not to be changed.
func block(sets []userSet, clients []Client, from int) []uint64 {
	if sets == nil {
		return nil
	}
	if len(clients) == 1 { // as it is
		set := sets[clients[0]]
		return set[min(from, len(set)):min(from+blockWords, len(set))]
	}
	together := make([]uint64, blockWords)
	for _, client := range clients {
		set := sets[client]
		or(together, set[min(from, len(set)):min(from+blockWords, len(set))])
	}
	return together
}

func or(into, words []uint64) {
	into = into[:len(words)]
	for w, word := range words {
		into[w] |= word
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

// orAll adds all sets of words, four at a time where they are whole blocks.
func orAll(into []uint64, sets [][]uint64) {
	const together = 4
	for len(sets) >= together {
		a, b, c, d := sets[0], sets[1], sets[2], sets[3]
		if len(a) != blockWords || len(b) != blockWords || len(c) != blockWords || len(d) != blockWords {
			break
		}
		into, a, b, c, d = into[:blockWords], a[:blockWords], b[:blockWords], c[:blockWords], d[:blockWords]
		for w := range blockWords {
			into[w] |= a[w] | b[w] | c[w] | d[w]
		}
		sets = sets[together:]
	}
	for _, words := range sets {
		or(into, words)
	}
}
