package activity_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"active_users_exporter/collector/activity"
)

func TestHabitEqualsANaiveCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cal := newCalendar()
		today := activity.DayOf(noon)
		days := make(map[string]map[int]bool)
		for range rapid.IntRange(0, 300).Draw(t, "visits") {
			user := fmt.Sprint("u", rapid.IntRange(0, 90).Draw(t, "user"))
			ago := rapid.IntRange(-1, 30).Draw(t, "ago")
			cal.Visit([]byte("d"), []byte(user), activity.Client(rapid.IntRange(0, 4).Draw(t, "client")), today-activity.Day(ago))
			if ago >= 0 && ago < 28 {
				if days[user] == nil {
					days[user] = make(map[int]bool)
				}
				days[user][ago] = true
			}
		}
		var want [activity.HabitDays + 1]int
		for _, d := range days {
			want[len(d)]++
		}
		if got := cal.Habit("d", noon); got != want {
			t.Fatalf("%v, want %v", got, want)
		}
	})
	always := newCalendar()
	for ago := range activity.Day(40) {
		always.Visit([]byte("d"), []byte("u"), 0, activity.DayOf(noon)-ago)
	}
	if got := always.Habit("d", noon); got[28] != 1 {
		t.Errorf("%v, want one who came each day", got)
	}
}

func TestCohorts(t *testing.T) {
	// noon is a Monday.
	monday := activity.DayOf(noon)
	cal := newCalendar()
	visit := func(user string, weeksAgo, day int) {
		cal.Visit([]byte("d"), []byte(user), web, monday-activity.Day(7*weeksAgo)+activity.Day(day))
	}
	for _, user := range []string{"a", "b", "c"} {
		visit(user, 11, 6)
	}
	visit("a", 10, 0)
	visit("a", 0, 0)
	visit("b", 9, 3)
	visit("before", 12, 6) // the Sunday before
	visit("before", 11, 0)
	visit("late", 1, 0)
	if cohorts := cal.Cohorts("d", noon); len(cohorts) != 7 || cohorts[0].Week != monday-42 {
		t.Errorf("with 79 days of history, cohorts %v, want those of which the 30 days before are known", cohorts)
	}
	visit("late", 16, 2) // 33 days before the oldest week
	cohorts := cal.Cohorts("d", noon)
	if len(cohorts) != 12 || cohorts[0].Week != monday-77 || cohorts[11].Week != monday {
		t.Fatalf("cohorts %v", cohorts)
	}
	for n, want := range map[int][]int{0: {3, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 1: {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 10: {0, 0}, 11: {0}} {
		if diff := cmp.Diff(want, cohorts[n].Users); diff != "" {
			t.Errorf("cohort of %s (-want +got):\n%s", cohorts[n].Week, diff)
		}
	}
}
