package collector_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// With one day, the users of a month are those of chat_month_users, in any world; and a
// month is known there and here, or nowhere.
func TestUsersOfMonthAreThoseOfTheMetric(t *testing.T) {
	now := time.Date(2026, 11, 17, 9, 0, 0, 0, time.UTC)
	today := activity.DayOf(now)
	rapid.Check(t, func(t *rapid.T) {
		cal := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
		recorded := rapid.Bool().Draw(t, "recorded")
		f := collector.DomainFacts{Name: "d", HasLastSeen: true, KeepsVisits: !recorded}
		begins := rapid.IntRange(0, 450).Draw(t, "begins")
		read := make(map[activity.Day]bool)
		for ago := begins; ago >= 0; ago -= 1 + rapid.IntRange(0, 3).Draw(t, "pause") {
			at := now.AddDate(0, 0, -ago)
			user := fmt.Append(nil, "user", rapid.IntRange(0, 20).Draw(t, "user"))
			if !recorded {
				cal.Visit([]byte("d"), user, 0, activity.DayOf(at))
				continue
			}
			cal.Seen([]byte("d"), user, 0, at)
			cal.Observe("d", at)
			cal.RecordVisits("d", at)
			read[activity.DayOf(at)] = true
		}
		shown := make(map[activity.Day]int)
		for _, m := range cal.RecentMonths("d", now) {
			shown[m.First] = m.Users
		}
		for ago := range activity.Months {
			first, next := activity.MonthOf(time.Date(2026, now.Month()-time.Month(ago), 1, 0, 0, 0, 0, time.UTC))
			m := collector.UsersOfMonth(first, 1, now, f, cal, 0)
			users, known := shown[first]
			if known != (m.Unknown == "") || m.Users != users {
				t.Fatalf("month %s: %+v, the metric shows %d, %t", first, m, users, known)
			}
			missing := 0
			for date := first; known && recorded && date < min(next, today); date++ {
				if !read[date] || !read[date+1] {
					missing++
				}
			}
			if m.Off != missing {
				t.Fatalf("month %s: off on %d days, want %d", first, m.Off, missing)
			}
			if recorded && known && (len(m.Kinds) != 1 || m.Kinds[0] != collector.KindUsers{Kind: activity.Native, Users: users}) {
				t.Fatalf("month %s: kinds %v", first, m.Kinds)
			}
			if !recorded && len(m.Kinds) != 0 {
				t.Fatalf("month %s: kinds %v although accounts are not known", first, m.Kinds)
			}
		}
	})
}
