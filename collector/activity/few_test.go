package activity_test

import (
	"testing"

	"pgregory.net/rapid"

	"active_users_exporter/collector/activity"
)

// Whatever the cells: none that is shown is too small, what is hidden together is large
// enough or everything, and nobody is lost.
func TestMergedCells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cells := rapid.SliceOfN(rapid.IntRange(0, 20), 0, 10).Draw(t, "cells")
		m := activity.Minimum(rapid.IntRange(0, 12).Draw(t, "minimum"))
		merged, few := m.Merge(cells)
		sum, shown, hidden := 0, 0, 0
		for i, n := range cells {
			sum += n
			switch {
			case merged[i]:
				hidden++
			case m.Small(n):
				t.Fatalf("%v: %d is shown", cells, n)
			default:
				shown += n
			}
		}
		if shown+few != sum {
			t.Fatalf("%v: %d and %d in few are not %d", cells, shown, few, sum)
		}
		if m.Small(few) && hidden < len(cells) {
			t.Fatalf("%v: few are %d, and others, maybe empty ones, are shown", cells, few)
		}
		if hidden == 1 && shown > 0 && few < int(m) {
			t.Fatalf("%v: the single merged cell can be told from the total", cells)
		}
		if (m <= 1) != (hidden == 0) && m <= 1 {
			t.Fatalf("%v: %d cells are merged without a minimum", cells, hidden)
		}
	})
}

// The smallest cells are merged: with cells that are large enough, no others are.
func TestMergedCellsAreTheSmallest(t *testing.T) {
	for _, c := range []struct {
		cells []int
		few   int
		shown []int
	}{
		{[]int{100, 50, 5}, 0, []int{100, 50, 5}},
		{[]int{100, 50, 4, 3}, 7, []int{100, 50, -1, -1}},
		{[]int{100, 50, 1}, 51, []int{100, -1, -1}}, // else a reader who knows the total knows the one
		{[]int{100, 0, 2}, 102, []int{-1, 0, -1}},
		{[]int{3, 1}, 4, []int{-1, -1}},
		{[]int{0, 1, 0}, 1, []int{-1, -1, -1}}, // else the empty ones say where the one is
		{[]int{0, 3, 2}, 5, []int{0, -1, -1}},
		{[]int{0, 0}, 0, []int{0, 0}},
	} {
		shown := append([]int(nil), c.cells...)
		var cells []*int
		for i := range shown {
			cells = append(cells, &shown[i])
		}
		few := activity.Minimum(5).Hide(cells...)
		for i := range shown {
			if few != c.few || shown[i] != c.shown[i] {
				t.Errorf("%v: %v and %d in few, want %v and %d", c.cells, shown, few, c.shown, c.few)
				break
			}
		}
	}
}

// However often people came, no number of days is that of a few, and nobody is lost.
func TestMergedDays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var habit [activity.HabitDays + 1]int
		before := 0
		for range rapid.IntRange(0, 20).Draw(t, "cells") {
			n := rapid.IntRange(0, 9).Draw(t, "people")
			habit[rapid.IntRange(1, activity.HabitDays).Draw(t, "days")] += n
			before += n
		}
		activity.Minimum(5).MergeDays(&habit)
		after := 0
		for days, n := range habit {
			after += n
			if n > 0 && n < 5 && n != before {
				t.Fatalf("%d people on %d days", n, days)
			}
		}
		if after != before || habit[0] != 0 {
			t.Fatalf("%d people, before %d", after, before)
		}
	})
}
