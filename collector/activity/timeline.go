package activity

import (
	"math/bits"
	"slices"
	"time"
)

// A Past holds who came on each day that is known, unpacked: a caller that counts several
// things from it unpacks old days once. It does not change, and any goroutine may use
// it.
type Past struct {
	first, today Day
	known        Day       // the first day that is known completely
	days         []userSet // users of all clients, from first to today
}

// AllDays asks for the whole past.
const AllDays = int(MaxWindow / day)

// Past returns what is known of a domain at a moment, its day included, on at most the
// given number of days. Growth and cohorts need AllDays. It is empty if nothing is
// known.
func (c *Calendar) Past(domain string, now time.Time, days int) *Past {
	today := DayOf(now)
	p := &Past{first: today + 1, today: today, known: today - Day(c.HistoryDays(domain, now)) + 1}
	d, ok := c.domains[domain]
	if !ok {
		return p
	}
	for date, v := range d.days {
		if v.rows > 0 {
			p.first = min(p.first, date)
		}
	}
	p.first = max(p.first, today-Day(days)+1)
	p.days = d.unions(p.first, today, 1)
	return p
}

// Days returns how many UTC days are known completely, today included.
func (p *Past) Days() int { return int(p.today - p.known + 1) }

// on returns who came on a day, nobody if nothing is known of it.
func (p *Past) on(date Day) userSet {
	if i := int(date - p.first); i >= 0 && i < len(p.days) {
		return p.days[i]
	}
	return nil
}

// between returns who came on one of the days from first to last.
func (p *Past) between(first, last Day) (all userSet) {
	for date := max(first, p.first); date <= min(last, p.today); date++ {
		all.addAll(p.on(date))
	}
	return all
}

// Visitors counts the users who came on one of the given number of UTC days up to
// last, that day included.
func (p *Past) Visitors(last Day, days int) int {
	return p.between(last-Day(days)+1, last).count()
}

// VisitorsEach counts, for each of the given number of UTC days up to last and for
// each length, the users who came on that day or on one of the length-1 days before
// it. It returns one slice for each length, the oldest day first. Each number equals
// that of Visitors; all together take little more than one.
func (p *Past) VisitorsEach(last Day, days int, lengths ...int) [][]int {
	counts := make([][]int, len(lengths))
	for i := range counts {
		counts[i] = make([]int, max(0, days))
	}
	if days <= 0 || len(lengths) == 0 {
		return counts
	}
	all, words := days+slices.Max(lengths)-1, 0
	sets := make([]userSet, all)
	for i := range sets {
		sets[i] = p.on(last - Day(all-1-i))
		words = max(words, len(sets[i]))
	}
	column, window := make([]uint64, all), newSlidingUnion(all)
	for w := range words {
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
func (p *Past) WeeklyGrowth(weeks int) (all []WeekGrowth) {
	end := mondayOf(p.today) // of the week that is not over
	first := max(end-Day(weeks)*WeekDays, mondayOf(p.known+GrowthDays+WeekDays-1))
	if first >= end {
		return nil
	}
	before := p.between(p.first, first-1) // who came before the week
	last := p.between(first-WeekDays, first-1)
	for week := first; week < end; week += WeekDays {
		g, current := WeekGrowth{Week: week}, p.between(week, week+WeekDays-1)
		for w := range max(len(current), len(last)) {
			now, then := current.word(w), last.word(w)
			g.Active += bits.OnesCount64(now)
			g.New += bits.OnesCount64(now &^ before.word(w))
			g.Back += bits.OnesCount64(now & before.word(w) &^ then)
			g.Gone += bits.OnesCount64(then &^ now)
		}
		before.addAll(current)
		all, last = append(all, g), current
	}
	return all
}

// Cohorts is Calendar.Cohorts.
func (p *Past) Cohorts() []Cohort {
	monday := mondayOf(p.today)
	first := monday - (CohortWeeks-1)*WeekDays
	var weeks []userSet
	for week := first; week <= monday; week += WeekDays {
		weeks = append(weeks, p.between(week, week+WeekDays-1))
	}
	return followed(weeks, p.between(p.first, first-1), first, p.known)
}

// mondayOf returns the Monday of the week that a day is in.
func mondayOf(d Day) Day { return d - Day((int(d)+3)%7) } // 1970-01-01 was a Thursday
