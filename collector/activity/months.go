package activity

import "time"

// Months is how many calendar months Month looks at, the running one included: those
// that lie wholly within MaxWindow, and one more.
const Months = 13

// MonthOf returns the first day of a UTC calendar month and of the next one.
func MonthOf(t time.Time) (first, next Day) {
	year, month, _ := t.UTC().Date()
	return DayOf(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)), DayOf(time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC))
}

// A Month is the number of distinct users of a UTC calendar month.
type Month struct {
	First Day // the first of the month
	Users int
}

// RecentMonths returns the distinct users of each of the last Months UTC calendar
// months that are known from their first day on, the oldest first. The running one is
// known up to now.
func (c *Calendar) RecentMonths(domain string, now time.Time) (all []Month) {
	d, ok := c.domains[domain]
	if !ok {
		return nil
	}
	known := DayOf(now) - Day(c.HistoryDays(domain, now)) + 1
	year, month, _ := now.UTC().Date()
	months := make(map[Day]kept[int], Months)
	for ago := Months - 1; ago >= 0; ago-- {
		first, next := MonthOf(time.Date(year, month-time.Month(ago), 1, 0, 0, 0, 0, time.UTC))
		if first < known {
			continue
		}
		if ago == 0 {
			all = append(all, Month{first, c.countDays(d, now).month})
			continue
		}
		months[first] = keep(c, d, d.kept.months[first], first, next, func() int { return d.union(first, next-1).count() })
		all = append(all, Month{first, months[first].value})
	}
	d.kept.months = months
	return all
}

// Frequent counts the users who came on at least a number of the UTC days from first to
// last, both included, by the kind that their account has now; all as NoAccount if the
// accounts of the domain are not known.
func (c *Calendar) Frequent(domain string, first, last Day, least int) (counts KindCounts) {
	d, ok := c.domains[domain]
	if !ok {
		return counts
	}
	days := make([]int, len(d.hashes)) // on which each user came
	for date := first; date <= last; date++ {
		d.union(date, date).each(func(n int) { days[n]++ })
	}
	var often userSet
	for n, came := range days {
		if came >= max(1, least) {
			often.add(uint32(n))
		}
	}
	if d.accounts == nil {
		return KindCounts{NoAccount: often.count()}
	}
	return d.byKind(often, d.tags())
}
