package activity

import (
	"math/bits"
	"time"
)

// HabitDays is the number of days that Habit looks at: four weeks, so that
// weekends do not matter.
const HabitDays = 28

// Habit counts, for each number of days from 0 to HabitDays, the users of the
// domain who came on that many of the last HabitDays UTC days, today included
// (known as L28). Those who came on none are not counted.
func (c *Calendar) Habit(domain string, now time.Time) [HabitDays + 1]int {
	d, ok := c.domains[domain]
	if !ok {
		return [HabitDays + 1]int{}
	}
	return c.countDays(d, now).habit
}

// countTimes counts, for each number of days, the users who came on that many, given
// the binary digits of these numbers.
func countTimes(digits [5]userSet) (users [HabitDays + 1]int) {
	for w := range digits[0] {
		for n := 1; n <= HabitDays; n++ {
			same := ^uint64(0)
			for i, digit := range digits {
				if n>>i&1 == 1 {
					same &= digit[w]
				} else {
					same &^= digit[w]
				}
			}
			users[n] += bits.OnesCount64(same)
		}
	}
	return users
}

// unions returns the users of all clients of each length days in a row, from
// the first day to the last.
func (d *domain) unions(first, last Day, length Day) (sets []userSet) {
	for from := first; from <= last; from += length {
		var set userSet
		for date := from; date < from+length; date++ {
			if v, known := d.days[date]; known {
				v.addTo(&set)
			}
		}
		sets = append(sets, set)
	}
	return sets
}

// CohortWeeks is the number of weeks that Cohorts looks at.
const CohortWeeks = 12

// A Cohort is the users who came for the first time in one week.
type Cohort struct {
	// Week is its Monday (UTC).
	Week Day
	// Users are those of them who came in the first week, the second, and so on
	// up to the present one, which is not over.
	Users []int
}

// Cohorts follows the newcomers of each of the last CohortWeeks weeks, the oldest
// first. Weeks begin on Mondays. A newcomer did not come in at least the 30 days
// before the week, as far as visits are known. Weeks before which fewer days are
// known are left out: in the first one everybody would be new.
func (c *Calendar) Cohorts(domain string, now time.Time) (cohorts []Cohort) {
	d, ok := c.domains[domain]
	if !ok {
		return nil
	}
	const week = 7
	today := DayOf(now)
	monday := mondayOf(today)
	first := monday - (CohortWeeks-1)*week
	weeks := d.unions(first, monday, week)
	before := d.union(oldestDay(today), first-1)
	return followed(weeks, before, first, today-Day(c.HistoryDays(domain, now))+1)
}

// followed follows the newcomers of weeks; the first week begins on the day first.
// Before are those who came earlier; known is the day from which on visits are known.
func followed(weeks []userSet, before userSet, first, known Day) (cohorts []Cohort) {
	for n, newcomers := range weeks {
		cohort := Cohort{Week: first + Day(n)*WeekDays}
		if cohort.Week < known+GrowthDays {
			before.addAll(newcomers)
			continue
		}
		for later := n; later < len(weeks); later++ {
			users := 0
			for w := range newcomers {
				users += bits.OnesCount64(newcomers[w] &^ before.word(w) & weeks[later].word(w))
			}
			cohort.Users = append(cohort.Users, users)
		}
		before.addAll(newcomers)
		cohorts = append(cohorts, cohort)
	}
	return cohorts
}
