package web

import (
	"fmt"
	"strconv"

	"active_users_exporter/collector/activity"
	"active_users_exporter/web/chart"
)

// heatMap is a table that is its own picture.
type heatMap struct {
	Weeks []int
	Rows  []heatRow
}

// heatRow follows the newcomers of a week.
type heatRow struct {
	Week  string
	Users int
	Cells []heatCell
}

// heatCell is the share of them who came in a later week, in percent. Its class is
// one of ten shades, or that of few.
type heatCell struct{ Share, Class string }

// cohorts shows who of the newcomers of a week came in later weeks that are over.
func (v domainView) cohorts(*chart.Drawer) (section, bool) {
	s := section{
		ID: "retention", Title: "Do newcomers stay?",
		Heat:  &heatMap{},
		Table: table{Head: []string{"First week from", "Weeks later", "People"}},
	}
	for _, c := range v.timeline.Cohorts {
		if len(c.Users) == 0 || c.Users[0] <= 0 { // nobody, or few
			continue
		}
		row := heatRow{Week: date(c.Week), Users: c.Users[0]}
		for week, n := range c.Users {
			cell, number := heatCell{activity.FewName, "heat0"}, any(activity.FewName)
			if n != activity.Merged {
				percent := percentOf(n, c.Users[0])
				cell, number = heatCell{strconv.Itoa(percent), fmt.Sprintf("heat%d", min(9, percent/10))}, n
			}
			row.Cells = append(row.Cells, cell)
			s.Table.Rows = append(s.Table.Rows, []any{c.Week.String(), week, number})
			if week == len(s.Heat.Weeks) {
				s.Heat.Weeks = append(s.Heat.Weeks, week)
			}
		}
		s.Heat.Rows = append(s.Heat.Rows, row)
	}
	for week, n := range v.timeline.FewCohorts {
		if n > 0 {
			s.Table.Rows = append(s.Table.Rows, []any{activity.FewName, week, n})
		}
	}
	if len(s.Heat.Rows) == 0 {
		return section{}, false
	}
	first := s.Heat.Rows[0]
	s.Sentence = fmt.Sprintf("In the week from %s, %s came for the first time.", first.Week, people(first.Users))
	if later := len(first.Cells) - 1; later > 0 && first.Cells[later].Share != activity.FewName {
		s.Sentence = fmt.Sprintf("%[3]s %% of the %[1]s who came for the first time in the week from %[2]s came again %[4]s later.",
			people(first.Users), first.Week, first.Cells[later].Share, counted(later, "week", "weeks"))
	}
	return s, true
}

// percentOf returns a part of a whole that is not 0 in percent, rounded.
func percentOf(part, whole int) int { return (200*part + whole) / (2 * whole) }
