package activity_test

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/activity"
)

// randomVisits is a calendar with visits of random people on random days, with the
// oldest ones packed, and the same visits as they are.
func randomVisits(seed uint64, users, days int, today activity.Day) (*activity.Calendar, map[activity.Day]map[int]bool) {
	random := rand.New(rand.NewPCG(seed, 1))
	calendar := activity.NewCalendar(activity.Key{1}, activity.SynapseClasses())
	visits := make(map[activity.Day]map[int]bool)
	for ago := range days {
		date := today - activity.Day(ago)
		visits[date] = make(map[int]bool)
		for user := range users {
			if random.IntN(10) == 0 || user == 0 && ago == days-1 {
				visits[date][user] = true
				calendar.Visit([]byte("d"), []byte(strconv.Itoa(user)), activity.Client(random.IntN(4)), date)
			}
		}
	}
	calendar.Compact(today)
	return calendar, visits
}

// came says whether a user came on one of the days.
func came(visits map[activity.Day]map[int]bool, user int, first, last activity.Day) bool {
	for date := first; date <= last; date++ {
		if visits[date][user] {
			return true
		}
	}
	return false
}

// Every number is that of Visitors, whatever the lengths and however many days.
func TestVisitorsEachEqualsVisitors(t *testing.T) {
	today := activity.DayOf(time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC))
	calendar, _ := randomVisits(1, 150, 120, today)
	past := calendar.Past("d", today.Start(), activity.AllDays)
	for _, days := range []int{0, 1, 2, 29, 30, 31, 100, 150} {
		for _, lengths := range [][]int{{1}, {7}, {1, 7, 30}, {30, 90, 1}, {200}} {
			got := past.VisitorsEach(today, days, lengths...)
			var want [][]int
			for _, length := range lengths {
				counts := make([]int, days)
				for i := range counts {
					counts[i] = calendar.Visitors("d", today-activity.Day(days-1-i), length).Users
				}
				want = append(want, counts)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d days, lengths %v (-want +got):\n%s", days, lengths, diff)
			}
		}
	}
	for _, days := range []int{1, 30, 200} {
		if got, want := past.Visitors(today, days), calendar.Visitors("d", today, days).Users; got != want {
			t.Errorf("%d visitors of %d days, want %d", got, days, want)
		}
	}
	nobody := calendar.Past("nobody", today.Start(), activity.AllDays)
	if got := nobody.VisitorsEach(today, 2, 1); got[0][0] != 0 || len(got[0]) != 2 || nobody.Days() != 0 || nobody.Counts(9, today, 2, 1).Weeks != nil || len(nobody.Counts(9, today, 2, 1).Cohorts) != 0 {
		t.Errorf("an unknown domain: %v", got)
	}
}

// Weekly growth is what its definition says, user by user.
func TestWeeklyGrowthIsAsDefined(t *testing.T) {
	for days := 30; days < 160; days += 7 {
		now := time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC).AddDate(0, 0, days%7) // on every day of the week
		today := activity.DayOf(now)
		const users = 40
		calendar, visits := randomVisits(uint64(days), users, days, today)
		oldest := today - activity.Day(days) + 1
		var want []activity.WeekGrowth
		for monday := oldest; monday+6 < today; monday++ {
			if monday.Start().Weekday() != time.Monday || monday < oldest+30 {
				continue
			}
			g := activity.WeekGrowth{Week: monday}
			for user := range users {
				now, then := came(visits, user, monday, monday+6), came(visits, user, monday-7, monday-1)
				earlier := came(visits, user, oldest, monday-1)
				switch {
				case now && !earlier:
					g.New++
				case now && !then:
					g.Back++
				case then && !now:
					g.Gone++
				}
				if now {
					g.Active++
				}
			}
			want = append(want, g)
		}
		past := calendar.Past("d", now, activity.AllDays)
		if diff := cmp.Diff(want, past.Counts(100, today, 9, 1).Weeks); diff != "" {
			t.Errorf("%d days (-want +got):\n%s", days, diff)
		}
		if diff := cmp.Diff(calendar.Cohorts("d", now), past.Counts(0, today, 9, 1).Cohorts); diff != "" {
			t.Errorf("%d days: cohorts (-calendar +past):\n%s", days, diff)
		}
		if last := past.Counts(2, today, 9, 1).Weeks; len(want) > 2 && !cmp.Equal(want[len(want)-2:], last) {
			t.Errorf("%d days: the last two weeks are %v, want %v", days, last, want[len(want)-2:])
		}
	}
}

// Many users are counted a block at a time, and the blocks add up to what is counted of
// all of them together.
func TestCountsOfManyUsers(t *testing.T) {
	const users, days, weeks = 20_000, 100, 7
	today := activity.DayOf(time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC))
	calendar, _ := randomVisits(3, users, days, today)
	visitors := func(first, last activity.Day) int { return calendar.Visitors("d", last, int(last-first)+1).Users }
	oldest := today - days + 1
	counts := calendar.Past("d", today.Start(), activity.AllDays).Counts(weeks, today, 2, 1, 7, 30)
	for i, length := range []activity.Day{1, 7, 30} {
		want := []int{visitors(today-length, today-1), visitors(today-length+1, today)}
		if diff := cmp.Diff(want, counts.Visitors[i]); diff != "" {
			t.Errorf("%d days (-want +got):\n%s", length, diff)
		}
	}
	if diff := cmp.Diff(calendar.Cohorts("d", today.Start()), counts.Cohorts); diff != "" {
		t.Errorf("cohorts (-want +got):\n%s", diff)
	}
	if len(counts.Weeks) != weeks {
		t.Fatalf("%d weeks, want %d", len(counts.Weeks), weeks)
	}
	for _, w := range counts.Weeks {
		monday, sunday := w.Week, w.Week+6
		now, before, both := visitors(monday, sunday), visitors(monday-7, monday-1), visitors(monday-7, sunday)
		fresh := visitors(oldest, sunday) - visitors(oldest, monday-1)
		want := activity.WeekGrowth{Week: monday, Active: now, New: fresh, Back: both - before - fresh, Gone: both - now}
		if w != want {
			t.Errorf("%+v, want %+v", w, want)
		}
	}
}

// What was counted is counted again once a day that is over is another one, or is known to
// be over, and not because of today.
func TestKeyOfAPast(t *testing.T) {
	noon := time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC)
	today := activity.DayOf(noon)
	calendar, _ := randomVisits(1, 50, 90, today)
	key := func(c *activity.Calendar, at time.Time, withToday bool) activity.PastKey {
		return c.Past("d", at, activity.AllDays).Key(withToday)
	}
	for name, c := range map[string]struct {
		change      func(c *activity.Calendar)
		later       time.Duration
		same, today bool // with today
	}{
		"nothing":            {change: func(*activity.Calendar) {}, same: true, today: true},
		"an hour":            {change: func(*activity.Calendar) {}, later: time.Hour, same: true, today: true},
		"a day":              {change: func(*activity.Calendar) {}, later: 24 * time.Hour},
		"a visit today":      {change: func(c *activity.Calendar) { c.Visit([]byte("d"), []byte("new"), 1, today) }, same: true},
		"a visit yesterday":  {change: func(c *activity.Calendar) { c.Visit([]byte("d"), []byte("new"), 1, today-1) }},
		"an earlier visit":   {change: func(c *activity.Calendar) { c.Visit([]byte("d"), []byte("new"), 1, today-200) }},
		"a day read again":   {change: func(c *activity.Calendar) { c.Forget([]byte("d"), today-40) }},
		"records read today": {change: func(c *activity.Calendar) { c.Observe("d", noon) }},
	} {
		changed := calendar.Clone()
		c.change(changed)
		changed.Compact(today)
		for withToday, want := range map[bool]bool{false: c.same, true: c.today} {
			if got := key(changed, noon.Add(c.later), withToday).Equal(key(calendar, noon, withToday)); got != want {
				t.Errorf("%s, with today %v: equal %v, want %v", name, withToday, got, want)
			}
		}
	}
}
