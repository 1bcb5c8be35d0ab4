package activity

import (
	"math"
	"slices"
	"time"
)

// Observe notes that the records of a domain were read on the day of now. Such
// days are what is known of the past of a server that keeps one time for a user:
// on others somebody may have come whose time was then written over. And they
// are evidence of the time that has passed, which one wrong clock is not.
func (c *Calendar) Observe(name string, now time.Time) {
	d := c.domain([]byte(name))
	d.observe(DayOf(now), DayOf(now))
	c.shareObserved(d)
}

// ObserveDays notes that all visits of some days, first and last included, are known
// from elsewhere.
func (c *Calendar) ObserveDays(name string, first, last Day) {
	d := c.domain([]byte(name))
	d.observe(first, last)
	c.shareObserved(d)
}

// shareObserved lets domains with the same days share them: as a rule all domains of
// a server have the same, and there may be thousands.
func (c *Calendar) shareObserved(d *domain) {
	if slices.Equal(c.observed, d.observed) {
		d.observed = c.observed
		return
	}
	c.observed = d.observed
}

// observe adds the days from first to last. Calendars share the days, which are
// therefore never changed.
func (d *domain) observe(first, last Day) {
	if at, there := slices.BinarySearch(d.observed, first); there && first == last {
		return
	} else if at == len(d.observed) { // as a rule
		d.observed = slices.Clip(d.observed)
		for date := first; date <= last; date++ {
			d.observed = append(d.observed, date)
		}
		return
	}
	days := slices.Clone(d.observed)
	for date := first; date <= last; date++ {
		days = append(days, date)
	}
	slices.Sort(days)
	d.observed = slices.Compact(days)
}

// forgetObserved forgets the days before the given one.
func (d *domain) forgetObserved(before Day) {
	if at, _ := slices.BinarySearch(d.observed, before); at > 0 {
		d.observed = slices.Clone(d.observed[at:])
	}
}

// ObservedDays returns how many of the days since the history begins, today
// included, are known: those on which the records were read, or all of them if
// the server itself keeps visits.
func (c *Calendar) ObservedDays(name string, now time.Time) int {
	days := c.HistoryDays(name, now)
	d, ok := c.domains[name]
	if !ok || !d.recorded {
		return days
	}
	today := DayOf(now)
	from, _ := slices.BinarySearch(d.observed, today-Day(days)+1)
	to, _ := slices.BinarySearch(d.observed, today+1)
	return max(0, to-from)
}

// IsComplete says whether it is known who came on a day that is over. A server
// that keeps one time for a user must have been read on that day and on the next
// one: what came in between, and was then written over, is not known.
func (c *Calendar) IsComplete(name string, date Day) bool {
	d, ok := c.domains[name]
	if !ok || !d.recorded {
		return ok
	}
	at, there := slices.BinarySearch(d.observed, date)
	return there && date >= d.since && at+1 < len(d.observed) && d.observed[at+1] == date+1
}

// ProvenDay returns the newest day that has come, as the observed days of all
// domains prove, up to the day of now; see ProvenDay.
func (c *Calendar) ProvenDay(now time.Time) Day { return ProvenDay(c.allObserved(), DayOf(now)) }

// ForgetFuture forgets what was recorded on days that have not come, as happens while
// a clock is ahead: those after the day of now and after what is proven. A history that
// such a day began then began on the first day on which the records were read. It does
// nothing until the clock has gone on for a week up to now: one that shows earlier days
// than before may be behind, and what is newest may be true. Nor if a later day is proven
// that was observed: that day has come.
func (c *Calendar) ForgetFuture(now time.Time) {
	all, today := c.allObserved(), DayOf(now)
	if inARow(all, today) <= confirmDays {
		return
	}
	last := ProvenDay(all, math.MaxInt32)
	if next, _ := slices.BinarySearch(all, today+1); next < len(all) && all[next] <= last {
		return
	}
	c.recent = recent{}
	for _, d := range c.domains {
		if at, _ := slices.BinarySearch(d.observed, last+1); at < len(d.observed) {
			d.observed = slices.Clip(d.observed[:at])
		}
		if d.recorded && d.since > last {
			d.since = d.begins(today)
		}
		days := len(d.days)
		for date := range d.days {
			if d.recorded && date > last {
				delete(d.days, date)
			}
		}
		if len(d.days) < days {
			d.release()
		}
	}
}

// inARow returns how many of the sorted days follow each other up to the given one, which
// counts as well.
func inARow(days []Day, last Day) (n int) {
	at, there := slices.BinarySearch(days, last)
	if !there {
		return 0
	}
	for n = 1; n <= at && days[at-n] == last-Day(n); {
		n++
	}
	return n
}

// allObserved returns the observed days of all domains, sorted.
func (c *Calendar) allObserved() []Day {
	var all []Day
	for _, d := range c.domains {
		if len(all) == 0 {
			all = d.observed
		} else if !slices.Equal(all, d.observed) { // as a rule they are the same
			all = slices.Concat(all, d.observed)
			slices.Sort(all)
			all = slices.Compact(all)
		}
	}
	return all
}

// confirmDays is for how many days in a row, after the first one, a clock must
// have gone on before a jump of it is believed.
const confirmDays = 7

// ProvenDay returns the newest day, today at the latest, that has come, as is
// proven by the sorted days on which an exporter was at work. A day
// that follows another proves itself. A later one proves a single day more: the
// clock may be wrong, and what is old by that clock may be young. When the clock
// has gone on for a week, what it says is believed. Without any day, today is.
func ProvenDay(worked []Day, today Day) Day {
	if end, there := slices.BinarySearch(worked, today); there {
		worked = worked[:end+1]
	} else {
		worked = worked[:end]
	}
	if len(worked) == 0 {
		return today
	}
	proven, inARow := worked[0], 0
	for i, date := range worked[1:] {
		inARow++
		if date > worked[i]+1 {
			inARow = 0
		}
		if inARow < confirmDays {
			proven = min(proven+1, date)
		} else {
			proven = date
		}
	}
	return proven
}
