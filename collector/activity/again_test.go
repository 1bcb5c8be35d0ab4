package activity_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"active_users_exporter/collector/activity"
)

// everything is all that a refresh counts of a domain.
type everything struct {
	Active     []activity.Active
	Retention  activity.Retention
	Growth     activity.Growth
	Habit      [activity.HabitDays + 1]int
	Lifecycles []activity.Lifecycle
	Months     []activity.Month
	Daily      []int // visitors of tomorrow, today and the 30 days before
}

func count(cal *activity.Calendar, now, kept time.Time) (e everything) {
	var after []time.Time
	for _, w := range activity.DefaultWindows() {
		after = append(after, w.Since(now))
	}
	e.Active = cal.ActiveAfterEach("d", after, kept)
	e.Retention, e.Growth = cal.Returning("d", now)
	e.Habit = cal.Habit("d", now)
	e.Lifecycles = cal.Lifecycles("d", now)
	e.Months = cal.RecentMonths("d", now)
	for ago := activity.Day(-1); ago <= 30; ago++ {
		e.Daily = append(e.Daily, cal.DayVisitors("d", activity.DayOf(now)-ago))
	}
	return e
}

// countNaively counts the same from the model.
func (m *model) countNaively(now, kept time.Time, months []activity.Month) (e everything) {
	today := activity.DayOf(now)
	for _, w := range activity.DefaultWindows() {
		e.Active = append(e.Active, m.activeWithVisits(w.Since(now), kept))
	}
	e.Retention, e.Growth = m.retention(now), m.growth(today)
	for user := range m.visits {
		if days := m.days(user, today-activity.HabitDays+1, today); days > 0 {
			e.Habit[days]++
		}
	}
	for _, days := range activity.LifecycleIntervals() {
		e.Lifecycles = append(e.Lifecycles, m.lifecycle(today, days))
	}
	for _, month := range months {
		_, next := activity.MonthOf(month.First.Start())
		users, _ := m.month(month.First, min(next-1, today), 1)
		e.Months = append(e.Months, activity.Month{First: month.First, Users: users})
	}
	for ago := activity.Day(-1); ago <= 30; ago++ {
		e.Daily = append(e.Daily, m.visitors(today-ago))
	}
	return e
}

// days counts the days from first to last on which a user came.
func (m *model) days(user string, first, last activity.Day) (n int) {
	for day := range m.visits[user] {
		if day >= first && day <= last {
			n++
		}
	}
	return n
}

func (m *model) visitors(day activity.Day) (n int) {
	for user := range m.visits {
		n += m.days(user, day, day)
	}
	return n
}

// activeWithVisits is active, with whole days of visits before last-seen times are kept.
func (m *model) activeWithVisits(after, kept time.Time) activity.Active {
	with := newModel()
	for user, clients := range m.seen {
		for client, at := range clients {
			with.see(user, client, at)
		}
	}
	for user, days := range m.visits {
		for day, clients := range days {
			for client := range clients {
				if day.Start().After(after) && day.Start().Before(kept) {
					with.see(user, client, day.Start())
				}
			}
		}
	}
	return with.active(after)
}

// retention is r30v2 by its definition.
func (m *model) retention(now time.Time) activity.Retention {
	r := activity.Retention{Clients: make([]int, 5)}
	now = now.Truncate(time.Second)
	for _, days := range m.visits {
		spans := make(map[activity.Client][2]time.Time)
		for day, clients := range days {
			at := day.Start()
			if !at.After(now.AddDate(0, 0, -60)) || !at.Before(now.AddDate(0, 0, 1)) {
				continue
			}
			const everyone = 5
			for _, client := range []activity.Client{0, 1, 2, 3, 4, everyone} {
				if client != everyone && !clients[client] {
					continue
				}
				span, known := spans[client]
				if !known || at.Before(span[0]) {
					span[0] = at
				}
				if at.After(span[1]) {
					span[1] = at
				}
				spans[client] = span
			}
		}
		for client, span := range spans {
			if span[1].Sub(span[0]) <= 30*24*time.Hour {
				continue
			}
			if int(client) < len(r.Clients) {
				r.Clients[client]++
			} else {
				r.Users++
			}
		}
	}
	r.Synapse = r.Clients
	return r
}

// Whatever was counted before: counting again what has changed since is counting
// everything, and both are the naive count. Between two counts people come, days are
// read again, readings fail, history is loaded, and the clock goes on or back.
func TestCountingAgainIsCountingEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cal, m, now := newCalendar(), newModel(), noon
		domain := []byte("d")
		for range rapid.IntRange(0, 80).Draw(t, "steps") {
			user := fmt.Sprint("user", rapid.IntRange(0, 150).Draw(t, "user"))
			client := activity.Client(rapid.IntRange(0, 4).Draw(t, "client"))
			day := activity.DayOf(now) - activity.Day(rapid.SampledFrom([]int{0, 0, 0, 0, -1, 1, 2, 6, 7, 8, 13, 14, 27, 28, 29, 30, 31, 55, 56, 58, 59, 60, 61, 120, 398, 399}).Draw(t, "days ago"))
			switch rapid.IntRange(0, 11).Draw(t, "what") {
			case 0, 1, 2:
				cal.Visit(domain, []byte(user), client, day)
				m.visit(user, client, day)
			case 3, 4:
				at := day.Start().Add(time.Duration(rapid.IntRange(0, 24*60).Draw(t, "minute")) * time.Minute)
				cal.Seen(domain, []byte(user), client, at)
				m.see(user, client, at)
			case 5: // the day is read again, and not all is still there
				cal.Forget(domain, day)
				for name, days := range m.visits {
					if name == user {
						delete(days, day)
					}
					for client := range days[day] {
						cal.Visit(domain, []byte(name), client, day)
					}
				}
			case 6: // last-seen times are read again in full
				cal = cal.Clone()
				cal.ForgetLastSeen(time.Time{})
				for name, clients := range m.seen {
					for client, at := range clients {
						cal.Seen(domain, []byte(name), client, at)
					}
				}
			case 7: // a refresh that fails changes nothing
				abandoned := cal.Clone()
				abandoned.Forget(domain, day)
				abandoned.Visit(domain, []byte(user), client, day)
				abandoned.Seen(domain, []byte(user), client, now)
				abandoned.Compact(activity.DayOf(now))
				count(abandoned, now, time.Time{})
			case 8:
				cal = cal.Clone()
				cal.Compact(activity.DayOf(now))
			case 9:
				now = now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour, 12 * time.Hour, 24 * time.Hour, 31 * 24 * time.Hour, -time.Minute, -25 * time.Hour}).Draw(t, "clock"))
			default:
				agree(t, m, cal, now)
			}
		}
		agree(t, m, cal, now)
	})
}

func agree(t *rapid.T, m *model, cal *activity.Calendar, now time.Time) {
	t.Helper()
	full := newCalendar()
	full.Restore("d", cal.State("d"))
	for _, kept := range []time.Time{{}, now.AddDate(0, 0, -28)} {
		again := count(cal, now, kept)
		if diff := cmp.Diff(count(full, now, kept), again); diff != "" {
			t.Fatalf("at %s (-full +again):\n%s", now, diff)
		}
		if diff := cmp.Diff(m.countNaively(now, kept, again.Months), again); diff != "" {
			t.Fatalf("at %s (-naive +again):\n%s", now, diff)
		}
	}
}
