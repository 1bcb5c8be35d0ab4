package activity_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"active_users_exporter/collector/activity"
)

func growth(cal *activity.Calendar, now time.Time) activity.Growth {
	_, g := cal.Returning("d", now)
	return g
}

func TestGrowthStates(t *testing.T) {
	for name, c := range map[string]struct {
		daysAgo []int
		want    activity.Growth
	}{
		"today":                        {[]int{0}, activity.Growth{Active: 1, New: 1}},
		"29 days ago":                  {[]int{29}, activity.Growth{Active: 1, New: 1}},
		"30 days ago":                  {[]int{30}, activity.Growth{Before: 1, Churned: 1}},
		"59 days ago":                  {[]int{59}, activity.Growth{Before: 1, Churned: 1}},
		"60 days ago":                  {[]int{60}, activity.Growth{}},
		"both months":                  {[]int{0, 30}, activity.Growth{Active: 1, Before: 1, Retained: 1}},
		"long ago and now":             {[]int{0, 60}, activity.Growth{Active: 1, Resurrected: 1}},
		"long ago and last month":      {[]int{40, 80}, activity.Growth{Before: 1, Churned: 1}},
		"always":                       {[]int{0, 30, 60, 90}, activity.Growth{Active: 1, Before: 1, Retained: 1}},
		"tomorrow, by a wrong clock":   {[]int{-1}, activity.Growth{}},
		"nobody, of a domain not seen": {nil, activity.Growth{}},
	} {
		cal := newCalendar()
		for _, ago := range c.daysAgo {
			cal.Visit([]byte("d"), []byte("u"), web, activity.DayOf(noon)-activity.Day(ago))
		}
		cal.Compact(activity.DayOf(noon))
		if diff := cmp.Diff(c.want, growth(cal, noon)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A model keeps what a calendar keeps, naively: who was seen when.
type model struct {
	visits map[string]map[activity.Day]map[activity.Client]bool
	seen   map[string]map[activity.Client]time.Time
}

func newModel() *model {
	return &model{make(map[string]map[activity.Day]map[activity.Client]bool), make(map[string]map[activity.Client]time.Time)}
}

func (m *model) visit(user string, client activity.Client, day activity.Day) {
	if m.visits[user] == nil {
		m.visits[user] = make(map[activity.Day]map[activity.Client]bool)
	}
	if m.visits[user][day] == nil {
		m.visits[user][day] = make(map[activity.Client]bool)
	}
	m.visits[user][day][client] = true
}

func (m *model) see(user string, client activity.Client, at time.Time) {
	if m.seen[user] == nil {
		m.seen[user] = make(map[activity.Client]time.Time)
	}
	if at.After(m.seen[user][client]) {
		m.seen[user][client] = at
	}
}

// in says whether the user came between some days ago and others, both
// included.
func (m *model) in(user string, today activity.Day, from, to int) bool {
	for day := range m.visits[user] {
		if ago := int(today - day); ago >= from && ago <= to {
			return true
		}
	}
	return false
}

func (m *model) growth(today activity.Day) (g activity.Growth) {
	for user := range m.visits {
		now, before, earlier := m.in(user, today, 0, 29), m.in(user, today, 30, 59), m.in(user, today, 60, 399)
		count := func(n *int, counts bool) {
			if counts {
				*n++
			}
		}
		count(&g.Active, now)
		count(&g.Before, before)
		count(&g.New, now && !before && !earlier)
		count(&g.Retained, now && before)
		count(&g.Resurrected, now && !before && earlier)
		count(&g.Churned, before && !now)
	}
	return g
}

func (m *model) lifecycle(today activity.Day, days int) activity.Lifecycle {
	l := activity.Lifecycle{Days: days}
	for user := range m.visits {
		now, before, earlier := m.in(user, today, 0, days-1), m.in(user, today, days, 2*days-1), m.in(user, today, 2*days, 399)
		count := func(n *int, counts bool) {
			if counts {
				*n++
			}
		}
		count(&l.Active, now)
		count(&l.Before, before)
		count(&l.New, now && !before && !earlier)
		count(&l.Retained, now && before)
		count(&l.Resurrected, now && !before && earlier)
		count(&l.Dormant, before && !now)
	}
	return l
}

// month counts who came between two days, and how many of them on at least so many.
func (m *model) month(first, last activity.Day, least int) (all, frequent int) {
	for _, days := range m.visits {
		came := 0
		for day := range days {
			if day >= first && day <= last {
				came++
			}
		}
		if came > 0 {
			all++
			if came >= least {
				frequent++
			}
		}
	}
	return all, frequent
}

func (m *model) active(after time.Time) activity.Active {
	a := activity.Active{Clients: make([]int, 5)}
	for _, clients := range m.seen {
		seen := false
		for client, at := range clients {
			if at.After(after) {
				seen = true
				a.Clients[client]++
			}
		}
		if seen {
			a.Users++
		}
	}
	return a
}

// Whatever happens in whatever order, between clones, compactions and merges,
// the calendar counts as the naive model does.
func TestCalendarEqualsANaiveModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cal, m := newCalendar(), newModel()
		today := activity.DayOf(noon)
		for range rapid.IntRange(0, 120).Draw(t, "steps") {
			user := fmt.Sprint("user", rapid.IntRange(0, 150).Draw(t, "user"))
			client := activity.Client(rapid.IntRange(0, 4).Draw(t, "client"))
			ago := rapid.OneOf(rapid.IntRange(-2, 120), rapid.SampledFrom([]int{0, 1, 29, 30, 31, 59, 60, 61, 62, 63})).Draw(t, "days ago")
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0, 1, 2, 3:
				cal.Visit([]byte("d"), []byte(user), client, today-activity.Day(ago))
				m.visit(user, client, today-activity.Day(ago))
			case 4, 5, 6:
				at := noon.AddDate(0, 0, -ago).Add(rapid.SampledFrom([]time.Duration{-time.Millisecond, 0, time.Millisecond}).Draw(t, "about"))
				cal.Seen([]byte("d"), []byte(user), client, at)
				m.see(user, client, at)
			case 7:
				abandoned := cal.Clone()
				abandoned.Visit([]byte("d"), []byte(user), client, today-activity.Day(ago))
				abandoned.Seen([]byte("d"), []byte(user), client, noon)
				abandoned.Forget([]byte("d"), today-activity.Day(ago))
				abandoned.Compact(today)
			case 8:
				cal = cal.Clone()
				cal.Compact(today)
			case 9:
				merged := newCalendar()
				merged.Seen([]byte("d"), []byte("user7"), 1, noon.AddDate(-1, 0, 0))
				m.see("user7", 1, noon.AddDate(-1, 0, 0))
				merged.Merge(cal)
				cal = merged
			}
		}
		if diff := cmp.Diff(m.growth(today), growth(cal, noon)); diff != "" {
			t.Fatalf("growth (-model +calendar):\n%s", diff)
		}
		g := growth(cal, noon)
		if g.Active != g.Before+g.New+g.Resurrected-g.Churned {
			t.Fatalf("the identity does not hold: %+v", g)
		}
		for range 2 { // what was kept of the first count must not matter
			agreeOnIntervals(t, m, cal, today)
			cal = cal.Clone()
			cal.Visit([]byte("d"), []byte("late"), 1, today-70)
			m.visit("late", 1, today-70)
		}
		for _, w := range activity.DefaultWindows() {
			if diff := cmp.Diff(m.active(w.Since(noon)), cal.ActiveAfter("d", w.Since(noon), time.Time{})); diff != "" {
				t.Fatalf("active %s (-model +calendar):\n%s", w, diff)
			}
		}
	})
}

// agreeOnIntervals compares lifecycles and calendar months.
func agreeOnIntervals(t *rapid.T, m *model, cal *activity.Calendar, today activity.Day) {
	t.Helper()
	for _, l := range cal.Lifecycles("d", noon) {
		if diff := cmp.Diff(m.lifecycle(today, l.Days), l); diff != "" {
			t.Fatalf("lifecycle of %d days (-model +calendar):\n%s", l.Days, diff)
		}
		if l.Active != l.Before+l.New+l.Resurrected-l.Dormant || l.Active != l.New+l.Retained+l.Resurrected {
			t.Fatalf("the identity does not hold: %+v", l)
		}
	}
	known := today - activity.Day(cal.HistoryDays("d", noon)) + 1
	months := make(map[activity.Day]int)
	for _, month := range cal.RecentMonths("d", noon) {
		months[month.First] = month.Users
	}
	for ago := range 16 {
		first, next := activity.MonthOf(time.Date(noon.Year(), noon.Month()-time.Month(ago), 1, 0, 0, 0, 0, time.UTC))
		last := min(next-1, today)
		want, frequent := m.month(first, last, 2)
		users, there := months[first]
		if shown := ago < activity.Months && first >= known && known <= today; there != shown || there && users != want {
			t.Fatalf("month %s: %d, %t; want %d, %t", first, users, there, want, shown)
		}
		// Nothing is known of accounts.
		if diff := cmp.Diff(activity.KindCounts{activity.NoAccount: frequent}, cal.Frequent("d", first, last, 2)); diff != "" {
			t.Fatalf("month %s, came twice (-model +calendar):\n%s", first, diff)
		}
	}
}

// A visit once recorded stays, whatever clocks do, and counts once.
func TestRecordedVisitsSurviveClockSteps(t *testing.T) {
	cal := newCalendar()
	today := activity.DayOf(noon)
	clock := noon.AddDate(0, 0, -40)
	for step, move := range []time.Duration{0, 24 * time.Hour, -time.Hour, 24 * time.Hour, -25 * time.Hour, 40 * 24 * time.Hour} {
		clock = clock.Add(move)
		cal.Seen([]byte("d"), []byte("always"), web, clock.Add(-time.Minute))
		cal.Seen([]byte("d"), fmt.Appendf(nil, "once%d", step), web, clock.Add(-time.Minute))
		cal.Seen([]byte("d"), []byte("in the future"), web, clock.AddDate(0, 0, 5))
		cal.RecordVisits("d", clock)
		cal.RecordVisits("d", clock)
		cal = cal.Clone()
		cal.Compact(activity.DayOf(clock))
	}
	if got := cal.Retention("d", noon.AddDate(0, 0, 1)); got.Users != 1 || got.Clients[web] != 1 {
		t.Errorf("%+v, want that one came back", got)
	}
	g := growth(cal, clock)
	if g.Active != 2 || g.Before != 6 || g.New != 1 || g.Churned != 5 {
		t.Errorf("%+v on %s (today %s)", g, activity.DayOf(clock), today)
	}
	if days := cal.HistoryDays("d", clock); days != 42 {
		t.Errorf("%d days of history, want 42: it began %s and ends on %s", days, activity.DayOf(noon)-40, activity.DayOf(clock))
	}
}

func TestWhoIsGoneIsForgotten(t *testing.T) {
	cal := newCalendar()
	for _, user := range []string{"a", "b", "c"} {
		cal.Seen([]byte("d"), []byte(user), ios, noon.AddDate(0, 0, -70))
	}
	cal.RecordVisits("d", noon.AddDate(0, 0, -70))
	cal.Compact(activity.DayOf(noon)) // packs the day
	cal = cal.Clone()
	cal.ForgetLastSeen(time.Time{})
	cal.Seen([]byte("d"), []byte("a"), ios, noon)
	cal.RecordVisits("d", noon)
	forgetGone(cal)
	g := growth(cal, noon)
	if want := (activity.Growth{Active: 1, Resurrected: 1}); g != want {
		t.Errorf("%+v, want %+v", g, want)
	}
	state := cal.State("d")
	for n, hash := range state.Hashes {
		if hash != 0 && n != 0 {
			t.Errorf("the hash of user %d is still there", n)
		}
	}
	// Their numbers are given to others, who do not inherit anything.
	cal.Seen([]byte("d"), []byte("new"), ios, noon)
	cal.RecordVisits("d", noon)
	if g := growth(cal, noon); g.New != 1 || g.Resurrected != 1 {
		t.Errorf("%+v, want one who is new", g)
	}
	if n := len(cal.State("d").Hashes); n != 3 {
		t.Errorf("%d numbers for 2 users, want those of before", n)
	}
}

func TestOldDaysArePurged(t *testing.T) {
	cal := newCalendar()
	today := activity.DayOf(noon)
	cal.Visit([]byte("d"), []byte("old"), ios, today-90)
	cal.Visit([]byte("d"), []byte("both"), ios, today-90)
	cal.Visit([]byte("d"), []byte("both"), ios, today-10)
	cal.Purge(today - 60)
	if days := cal.HistoryDays("d", noon); days != 11 {
		t.Errorf("%d days, want 11", days)
	}
	users := 0
	for _, hash := range cal.State("d").Hashes {
		if hash != 0 {
			users++
		}
	}
	if users != 1 {
		t.Errorf("%d users are known, want 1", users)
	}
}

// forgetGone forgets who has no last-seen time.
func forgetGone(cal *activity.Calendar) {
	gone := cal.Gone("d", activity.DayOf(noon)+1)
	cal.ForgetUsers("d", gone)
}
