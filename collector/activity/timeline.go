package activity

import (
	"math/bits"
	"slices"
	"time"
)

// A Past is who came on each day that is known. It does not change, and any goroutine
// may use it. What is counted is counted for a block of users at a time: days are kept
// packed, and take much memory when they are not.
type Past struct {
	first, today Day
	known        Day       // the first day that is known completely
	days         []*visits // from first to today, nil for days without visits
	words        int       // 64 users each
	observed     []Day     // the days on which the records were read
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
	p.words, p.observed = (len(d.hashes)+63)/64, d.observed
	for date := p.first; date <= today; date++ {
		p.days = append(p.days, d.days[date])
	}
	return p
}

// Days returns how many UTC days are known completely, today included.
func (p *Past) Days() int { return int(p.today - p.known + 1) }

// A PastKey names what is known of the days that are over. What was counted from them
// under one key is the same under an equal one.
type PastKey struct {
	days     daysKey
	known    Day
	observed []Day
}

// Key returns the key of a Past, with today if that matters as well. The calendar must not
// change any more.
func (p *Past) Key(withToday bool) PastKey {
	days := p.days
	if !withToday {
		days = days[:max(0, len(days)-1)]
	}
	key := PastKey{daysKey{p.first, make([]*byte, len(days))}, p.known, p.observed}
	for i, v := range days {
		if v != nil {
			key.days.versions[i] = v.version
		}
	}
	return key
}

// Equal says whether two keys are equal.
func (k PastKey) Equal(other PastKey) bool {
	return k.known == other.known && k.days.equal(other.days) && slices.Equal(k.observed, other.observed)
}

// Visitors counts the users who came on one of the given number of UTC days up to
// last, that day included.
func (p *Past) Visitors(last Day, days int) int {
	var all userSet
	for date := max(last-Day(days)+1, p.first); date <= min(last, p.today); date++ {
		if v := p.days[date-p.first]; v != nil {
			v.addTo(&all)
		}
	}
	return all.count()
}

// VisitorsEach counts, for each of the given number of UTC days up to last and for
// each length, the users who came on that day or on one of the length-1 days before
// it. It returns one slice for each length, the oldest day first. Each number equals
// that of Visitors; all together take little more than one.
func (p *Past) VisitorsEach(last Day, days int, lengths ...int) [][]int {
	counts := zeros(len(lengths), days)
	for b := range p.blocks() {
		b.countVisitors(last, counts, lengths)
	}
	return counts
}

func zeros(rows, columns int) [][]int {
	all := make([][]int, rows)
	for i := range all {
		all[i] = make([]int, max(0, columns))
	}
	return all
}

// PastCounts are what is counted from a Past.
type PastCounts struct {
	Visitors [][]int // as VisitorsEach
	// Weeks is the accounting of the last weeks that are over, the oldest first, without
	// weeks before which visits are known for less than 30 days: in the first one,
	// everybody would be new.
	Weeks   []WeekGrowth
	Cohorts []Cohort // as Calendar.Cohorts
}

// Counts counts visitors as VisitorsEach does, and at most the given number of weeks.
func (p *Past) Counts(weeks int, last Day, days int, lengths ...int) PastCounts {
	all := PastCounts{Visitors: zeros(len(lengths), days)}
	for b := range p.blocks() {
		b.countVisitors(last, all.Visitors, lengths)
		all.addWeeks(b.weeklyGrowth(weeks))
		all.addCohorts(b.cohorts())
	}
	return all
}

func (c *PastCounts) addWeeks(weeks []WeekGrowth) {
	if c.Weeks == nil {
		c.Weeks = weeks
		return
	}
	for i, w := range weeks {
		sum := &c.Weeks[i]
		sum.Active, sum.New, sum.Back, sum.Gone = sum.Active+w.Active, sum.New+w.New, sum.Back+w.Back, sum.Gone+w.Gone
	}
}

func (c *PastCounts) addCohorts(cohorts []Cohort) {
	if c.Cohorts == nil {
		c.Cohorts = cohorts
		return
	}
	for i, cohort := range cohorts {
		for week, users := range cohort.Users {
			c.Cohorts[i].Users[week] += users
		}
	}
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
	if length == 1 { // which takes less
		for i, users := range column {
			counts[i] += bits.OnesCount64(users)
		}
		return
	}
	for piece := 0; piece < len(column); piece += length {
		users := uint64(0)
		for i := min(piece+length, len(column)) - 1; i >= piece; i-- {
			users |= column[i]
			s.toEnd[i] = users
		}
	}
	counts[0] += bits.OnesCount64(s.toEnd[0]) // the first piece is the first window
	for piece := length; piece < len(column); piece += length {
		fromBegin := uint64(0)
		end := min(piece+length, len(column))
		begins, sums := s.toEnd[piece-length+1:end-length+1], counts[piece-length+1:end-length+1]
		for i, users := range column[piece:end] {
			fromBegin |= users
			sums[i] += bits.OnesCount64(begins[i] | fromBegin)
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

// mondayOf returns the Monday of the week that a day is in.
func mondayOf(d Day) Day { return d - Day((int(d)+3)%7) } // 1970-01-01 was a Thursday
