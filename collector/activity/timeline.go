package activity

import (
	"math/bits"
	"slices"
	"time"
)

// VisitorsEach counts, for each of the given number of UTC days up to last and for
// each length, the users of the domain who came on that day or on one of the
// length-1 days before it. It returns one slice for each length, the oldest day
// first. Each number equals that of Visitors; all together take little more than
// one.
func (c *Calendar) VisitorsEach(domain string, last Day, days int, lengths ...int) [][]int {
	counts := make([][]int, len(lengths))
	for i := range counts {
		counts[i] = make([]int, max(0, days))
	}
	d, ok := c.domains[domain]
	if !ok || days <= 0 || len(lengths) == 0 {
		return counts
	}
	all := days + slices.Max(lengths) - 1
	sets := d.unions(last-Day(all)+1, last, 1)
	column, window := make([]uint64, all), newSlidingUnion(all)
	for w := range (len(d.hashes) + 63) / 64 {
		anybody := uint64(0)
		for i, set := range sets {
			column[i] = set.word(w)
			anybody |= column[i]
		}
		if anybody == 0 {
			continue
		}
		for i, length := range lengths {
			window.count(column, length, counts[i])
		}
	}
	return counts
}

// slidingUnion unites the days of all windows of one length at once, 64 users at a
// time, by van Herk's method: the days are cut into pieces as long as the window,
// and each window is the end of one piece and the beginning of the next.
type slidingUnion struct{ toEnd []uint64 }

func newSlidingUnion(days int) *slidingUnion { return &slidingUnion{make([]uint64, days)} }

// count adds the users of each window that ends on one of the last days of the
// column, as many as counts has, to counts.
func (s *slidingUnion) count(column []uint64, length int, counts []int) {
	first := len(column) - len(counts) - length + 1
	column = column[first:]
	for i := len(column) - 1; i >= 0; i-- {
		s.toEnd[i] = column[i]
		if (i+1)%length != 0 && i+1 < len(column) {
			s.toEnd[i] |= s.toEnd[i+1]
		}
	}
	fromBegin := uint64(0)
	for i, users := range column {
		if i%length == 0 {
			fromBegin = 0
		}
		fromBegin |= users
		if begin := i - length + 1; begin >= 0 {
			counts[begin] += bits.OnesCount64(s.toEnd[begin] | fromBegin)
		}
	}
}

// WeekDays is the length of a week.
const WeekDays = 7

// WeekGrowth is the accounting of one week: who came in it, and who of those did
// not come in the week before.
type WeekGrowth struct {
	Week   Day // its Monday (UTC)
	Active int // users who came on one of its days
	New    int // came, and never before, as far as is known
	Back   int // came, not in the week before, but earlier
	Gone   int // came in the week before and not in this one
}

// WeeklyGrowth returns the accounting of the last weeks that are over, at most the
// given number, the oldest first. It leaves out weeks before which visits are known
// for less than 30 days: in the first one, everybody would be new.
func (c *Calendar) WeeklyGrowth(domain string, now time.Time, weeks int) (all []WeekGrowth) {
	const week = WeekDays
	d, ok := c.domains[domain]
	if !ok {
		return nil
	}
	today := DayOf(now)
	end := mondayOf(today) // of the week that is not over
	known := today - Day(c.HistoryDays(domain, now)) + 1
	first := max(end-Day(weeks)*week, mondayOf(known+GrowthDays+week-1))
	if first >= end {
		return nil
	}
	var before userSet // who came before the week
	for date, v := range d.days {
		if date < first {
			v.addTo(&before)
		}
	}
	sets := d.unions(first-week, end-1, week)
	for n, current := range sets[1:] {
		g, last := WeekGrowth{Week: first + Day(n)*week}, sets[n]
		for w := range max(len(current), len(last)) {
			now, then := current.word(w), last.word(w)
			g.Active += bits.OnesCount64(now)
			g.New += bits.OnesCount64(now &^ before.word(w))
			g.Back += bits.OnesCount64(now & before.word(w) &^ then)
			g.Gone += bits.OnesCount64(then &^ now)
		}
		before.addAll(current)
		all = append(all, g)
	}
	return all
}

// mondayOf returns the Monday of the week that a day is in.
func mondayOf(d Day) Day { return d - Day((int(d)+3)%7) } // 1970-01-01 was a Thursday
