package activity

import (
	"math"
	"math/bits"
	"time"
)

// The ages of accounts, by the last UTC day on which they were seen: that of the newest
// last-seen time or visit. Hours do not count, because visits have none, and servers
// prune last-seen times and keep the visit.
const ages = 6 // 0-7d to 365d-

// An Age is an index of DormancyAges.
type Age uint8

const (
	// NinetyDays is the first age of those who have been away for at least so long: 90-180d.
	NinetyDays Age = 3
	// Year is the age of those who have been away for a year or more: 365d-.
	Year Age = 5
)

const (
	// Never is the age of accounts whose activity is all known: there is none.
	Never Age = ages + iota
	// Unremembered is the age of other accounts without activity that is known.
	Unremembered
)

// DormancyAges are the ages of Dormancy, in its order, as the label "age" has them.
func DormancyAges() []string {
	return []string{"0-7d", "7-30d", "30-90d", "90-180d", "180-365d", "365d-", "never", "unknown"}
}

// Dormancy is the number of native accounts, bots and support included, by
// DormancyAges.
type Dormancy [ages + 2]int

// Accounts returns the number of all of them.
func (d Dormancy) Accounts() (sum int) {
	for _, n := range d {
		sum += n
	}
	return sum
}

// AgeOf returns the age of an account that was last seen at a moment, however long ago
// that is.
func AgeOf(now, seen time.Time) Age {
	last := DayOf(seen)
	for age, first := range firstDays(DayOf(now)) {
		if last >= first {
			return Age(age)
		}
	}
	return ages - 1
}

// firstDays returns the first day of each age; the last one is the first day that
// matters to a figure of today.
func firstDays(today Day) [ages]Day {
	return [ages]Day{today - 7 + 1, today - 30 + 1, today - 90 + 1, today - 180 + 1, today - 365 + 1, oldestDay(today)}
}

// ActiveByKind returns, for each of several moments, the users whom ActiveAfterEach
// counts, by the kind of their account. All accounts of the domain must have been
// reported.
func (c *Calendar) ActiveByKind(domain string, after []time.Time, kept time.Time) []KindCounts {
	all := make([]KindCounts, len(after))
	d, ok := c.domains[domain]
	if !ok || d.accounts == nil {
		return all
	}
	tags := d.tags()
	for i, from := range after {
		var everyone userSet
		m := momentOf(from.UnixMilli())
		d.all(func(n uint32, _ Client, at moment) {
			if at > m {
				everyone.add(n)
			}
		})
		for _, visits := range d.visitsBetween(from, kept) {
			for _, set := range visits {
				everyone.addAll(set)
			}
		}
		all[i] = d.byKind(everyone, tags)
	}
	return all
}

// Dormancy counts the native accounts of a domain by the time since they were last
// seen, and returns false if the accounts are not known.
func (c *Calendar) Dormancy(domain string, now time.Time) (dormancy Dormancy, known bool) {
	d, ok := c.domains[domain]
	if !ok || d.accounts == nil {
		return dormancy, false
	}
	tags := d.tags()
	for t, n := range d.accounts.counts {
		if tag(t).kind().isNative() {
			dormancy[tag(t).age()] += n
		}
	}
	visits, seen := c.visitsByAge(d, DayOf(now)), seenByAge(DayOf(now))
	for n, t := range tags {
		if !t.kind().isNative() {
			continue
		}
		newest := d.newestOf(uint32(n))
		age := min(int(min(t.age(), ages)), seen(newest))
		if d.recorded && newest > onlyExists { // these servers are read in full each time
			age = min(age, ages-1)
		}
		for visited := 0; visited < age; visited++ {
			if visits[visited].has(uint32(n)) {
				age = visited
			}
		}
		if age < ages {
			dormancy[age]++
			dormancy[t.age()]--
		}
	}
	return dormancy, true
}

// seenByAge returns a function that returns the age of a last-seen time, or ages if
// it lies before all that matters to a figure. Such times are known for some users
// and not for others, as they came to be read.
func seenByAge(today Day) func(moment) int {
	var bounds [ages]moment // the smallest of each age
	for age, first := range firstDays(today) {
		bounds[age] = momentOf(first.Start().UnixMilli())
	}
	return func(m moment) int {
		if m <= onlyExists {
			return ages
		}
		for age, bound := range bounds {
			if m >= bound {
				return age
			}
		}
		return ages
	}
}

// visitsByAge returns who came on the days of each age. Days that a wrong clock
// recorded for the future are of the youngest.
func (c *Calendar) visitsByAge(d *domain, today Day) (visits [ages]userSet) {
	end := Day(math.MaxInt32)
	for age, first := range firstDays(today) {
		if age == 0 {
			for date, v := range d.days {
				if date >= first {
					v.addTo(&visits[age])
				}
			}
		} else {
			d.kept.ages[age] = keep(c, d, d.kept.ages[age], first, end, func() userSet { return exact(d.union(first, end-1)) })
			visits[age] = d.kept.ages[age].value
		}
		end = first
	}
	return visits
}

// each calls yield with each number in the set.
func (s userSet) each(yield func(n int)) {
	for w, word := range s {
		for ; word != 0; word &= word - 1 {
			yield(64*w + bits.TrailingZeros64(word))
		}
	}
}
