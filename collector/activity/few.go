package activity

import (
	"slices"
	"strings"
)

// A Minimum is the least number of people that a cell of a split may show, such as those of
// one class of client. With 0 or 1, all cells are shown.
type Minimum int

const (
	// FewName is the value of a label that stands for cells that were merged.
	FewName = "few"
	// Merged stands in place of a number that is part of few.
	Merged = -1
)

// Merge says which cells of a split are merged, and how many people those are together.
// They are all cells that are smaller than the minimum, and not empty. If they are fewer
// people together than the minimum, the next smallest cells follow: a reader who knows
// the total could else take the others from it. If all people are fewer than the minimum,
// empty cells follow too: they would say in which one those are. Nobody is left out, so
// sums stay true.
func (m Minimum) Merge(cells []int) (merged []bool, few int) {
	merged = make([]bool, len(cells))
	for {
		next := -1
		for i, n := range cells {
			if n > 0 && !merged[i] && (next < 0 || n < cells[next]) {
				next = i
			}
		}
		if next < 0 && m.Small(few) {
			return slices.Repeat([]bool{true}, len(cells)), few
		}
		if next < 0 || cells[next] >= int(m) && (few == 0 || few >= int(m)) {
			return merged, few
		}
		merged[next] = true
		few += cells[next]
	}
}

// Hide puts Merged in place of cells that are merged, and returns their sum.
func (m Minimum) Hide(cells ...*int) (few int) {
	numbers := make([]int, len(cells))
	for i, cell := range cells {
		numbers[i] = *cell
	}
	merged, few := m.Merge(numbers)
	for i, cell := range cells {
		if merged[i] {
			*cell = Merged
		}
	}
	return few
}

// Small says whether a number of people must not be shown.
func (m Minimum) Small(n int) bool { return n > 0 && n < int(m) }

// MergeList merges the cells of a list: few makes the one in their place.
func MergeList[T any](m Minimum, all []T, users func(T) int, few func(int) T) (shown []T) {
	cells := make([]int, len(all))
	for i, cell := range all {
		cells[i] = users(cell)
	}
	merged, sum := m.Merge(cells)
	for i, cell := range all {
		if !merged[i] {
			shown = append(shown, cell)
		}
	}
	if sum > 0 {
		shown = append(shown, few(sum))
	}
	return shown
}

// MergeMap merges the cells of a map, in a copy of it.
func MergeMap(m Minimum, cells map[string]int) map[string]int {
	type cell struct {
		name  string
		users int
	}
	var all []cell
	for name, n := range cells {
		all = append(all, cell{name, n})
	}
	// Among cells that are alike, it must not depend on chance which one is merged.
	slices.SortFunc(all, func(a, b cell) int { return strings.Compare(a.name, b.name) })
	if cells == nil {
		return nil
	}
	shown := make(map[string]int, len(all))
	for _, c := range MergeList(m, all, func(c cell) int { return c.users }, func(n int) cell { return cell{FewName, n} }) {
		shown[c.name] += c.users
	}
	return shown
}

// MergeDays merges the cells of Habit with those of the following numbers of days, until
// each is large enough; what is left at the end, with the one before.
func (m Minimum) MergeDays(habit *[HabitDays + 1]int) {
	waiting, last := 0, 0
	for days := 1; days <= HabitDays; days++ {
		waiting += habit[days]
		habit[days] = 0
		if waiting > 0 && waiting >= int(m) {
			habit[days], waiting, last = waiting, 0, days
		}
	}
	if waiting > 0 {
		if last == 0 {
			last = HabitDays
		}
		habit[last] += waiting
	}
}

// MergeCohorts merges, for each week after the first one, the cells of cohorts that are
// too small. It returns their sums by week.
func (m Minimum) MergeCohorts(cohorts []Cohort) (few []int) {
	for week := range CohortWeeks {
		var cells []*int
		for i := range cohorts {
			if week < len(cohorts[i].Users) {
				cells = append(cells, &cohorts[i].Users[week])
			}
		}
		few = append(few, m.Hide(cells...))
	}
	return few
}

// HideGrowth merges the parts of those who are active now. Those who have gone are no
// part of them: a small number of them is hidden.
func (m Minimum) HideGrowth(g *Growth) {
	g.Few = m.Hide(&g.New, &g.Retained, &g.Resurrected)
	if m.Small(g.Churned) {
		g.Churned = Merged
	}
}

// HideLifecycle is HideGrowth for a Lifecycle.
func (m Minimum) HideLifecycle(l *Lifecycle) {
	l.Few = m.Hide(&l.New, &l.Retained, &l.Resurrected)
	if m.Small(l.Dormant) {
		l.Dormant = Merged
	}
}
