package web

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/web/chart"
)

// section is a chart of the page of a domain, with the sentence that says what it
// shows, and its numbers.
type section struct {
	ID, Title, Sentence string
	Of                  string // the domain, where a page has several
	Wide, Narrow        template.HTML
	Legend              []legend
	Heat                *heatMap // instead of a drawing
	Table               table
	Data                string // where the table is as CSV
}

// legend names a series of a chart.
type legend struct{ Class, Name string }

// table has texts and whole numbers.
type table struct {
	Text bool // whether there are texts in all columns
	Head []string
	Rows [][]any
}

// sections are the charts for which there are numbers.
func (v domainView) sections(drawer *chart.Drawer) (all []section) {
	for _, draw := range []func(*chart.Drawer) (section, bool){v.visitors, v.weeks, v.cohorts, v.habit, v.clients, v.kinds, v.accounts, v.modules} {
		if s, ok := draw(drawer); ok {
			all = append(all, s)
		}
	}
	return all
}

// draw draws a chart for wide and for narrow screens.
func (s *section) draw(with func(chart.About, chart.Size) template.HTML) {
	about := chart.About{ID: s.ID, Title: s.Title, Desc: s.Sentence}
	s.Wide, s.Narrow = with(about, chart.Wide()), with(about, chart.Narrow())
}

func (v domainView) visitors(drawer *chart.Drawer) (section, bool) {
	t := v.timeline
	n := min(v.days, len(t.Daily))
	if n < 2 {
		return section{}, false
	}
	s := section{
		ID: "visitors", Title: "People who came",
		Legend: []legend{{"monthly", "within 30 days (MAU)"}, {"weekly", "within 7 days (WAU)"}, {"daily", "on the day (DAU)"}},
		Table:  table{Head: []string{"Day", "DAU", "WAU", "MAU"}},
	}
	days, weekly, monthly := lastOf(t.Daily, n), lastOf(t.Weekly, n), lastOf(t.Monthly, n)
	s.Sentence = visitorsSentence(t.Visitors)
	names, daily := make([]string, n), make([]int, n)
	first := t.Last - activity.Day(n) + 1
	for i, d := range days {
		day := first + activity.Day(i)
		names[i], daily[i] = day.Start().Format("2 Jan"), d.Number
		row := []any{day.String(), ""}
		if d.Known {
			row[1] = d.Number
		}
		for _, series := range [][]int{weekly, monthly} {
			if missing := n - len(series); i >= missing {
				row = append(row, series[i-missing])
			} else {
				row = append(row, "")
			}
		}
		s.Table.Rows = append(s.Table.Rows, row)
	}
	weekend := func(i int) bool {
		w := (first + activity.Day(i)).Start().Weekday()
		return w == time.Saturday || w == time.Sunday
	}
	s.draw(func(a chart.About, size chart.Size) template.HTML {
		return drawer.Lines(a, size, names, weekend, chart.Series{Class: "monthly", Values: monthly}, chart.Series{Class: "weekly", Values: weekly}, chart.Series{Class: "daily", Values: daily, Gap: func(i int) bool { return !days[i].Known }})
	})
	return s, true
}

// visitorsSentence says how many people came lately, within the longest window that
// is known.
func visitorsSentence(t collector.Visitors) string {
	series, days := t.Monthly, activity.GrowthDays
	if len(series) == 0 {
		series, days = t.Weekly, activity.WeekDays
	}
	if len(series) == 0 {
		if yesterday := t.Daily[len(t.Daily)-1]; yesterday.Known {
			return fmt.Sprintf("On %s, %s came.", date(t.Last), people(yesterday.Number))
		}
		return "It is not known who came on " + date(t.Last) + "."
	}
	sentence := fmt.Sprintf("Between %s and %s, %s came", date(t.Last-activity.Day(days)+1), date(t.Last), people(series[len(series)-1]))
	if c := change(series, days); c != "" {
		sentence += fmt.Sprintf(", %s in the %d days before", c, days)
	}
	return sentence + "."
}

func (v domainView) weeks(drawer *chart.Drawer) (section, bool) {
	all := lastOf(v.timeline.Weeks, max(4, v.days/activity.WeekDays))
	if len(all) == 0 {
		return section{}, false
	}
	last := all[len(all)-1]
	s := section{
		ID: "growth", Title: "Who is new, back again, and gone, by week",
		Sentence: fmt.Sprintf("In the week from %s, %s came for the first time and %s came back after at least a week away; %s of the week before did not come.",
			date(last.Week), people(last.New), people(last.Back), people(last.Gone)),
		Legend: []legend{{"new", "new"}, {"back", "back again"}, {"gone", "gone (below zero)"}},
		Table:  table{Head: []string{"Week from", "Came", "New", "Back again", "Gone"}},
	}
	names := make([]string, len(all))
	fresh, back, gone := make([]int, len(all)), make([]int, len(all)), make([]int, len(all))
	for i, w := range all {
		names[i] = w.Week.Start().Format("2 Jan")
		fresh[i], back[i], gone[i] = w.New, w.Back, -w.Gone
		s.Table.Rows = append(s.Table.Rows, []any{w.Week.String(), w.Active, w.New, w.Back, w.Gone})
	}
	s.draw(func(a chart.About, size chart.Size) template.HTML {
		return drawer.Bars(a, size, names, chart.Series{Class: "new", Values: fresh}, chart.Series{Class: "back", Values: back}, chart.Series{Class: "gone", Values: gone})
	})
	return s, true
}

func (v domainView) habit(drawer *chart.Drawer) (section, bool) {
	h := v.domain.Habit
	if h == nil {
		return section{}, false
	}
	total := 0
	for _, users := range h {
		total += users
	}
	if total == 0 {
		return section{}, false
	}
	s := section{
		ID: "habit", Title: "On how many of the last 28 days people came",
		Table: table{Head: []string{"Days", "People"}},
	}
	names := make([]string, activity.HabitDays)
	above, median := total, 0
	for days := 1; days <= activity.HabitDays; days++ {
		names[days-1] = strconv.Itoa(days)
		if 2*above >= total {
			median = days
		}
		above -= h[days]
		s.Table.Rows = append(s.Table.Rows, []any{days, h[days]})
	}
	s.Sentence = fmt.Sprintf("At least half of the %s of the last 28 days came on %s or more.", people(total), counted(median, "day", "days"))
	s.draw(func(a chart.About, size chart.Size) template.HTML {
		return drawer.Bars(a, size, names, chart.Series{Class: "daily", Values: h[1:]})
	})
	return s, true
}

func (v domainView) clients(drawer *chart.Drawer) (section, bool) {
	active := v.domain.Active
	if len(active) == 0 || len(active[len(active)-1].Clients) == 0 {
		return section{}, false
	}
	longest := active[len(active)-1]
	clients := slices.Clone(longest.Clients)
	slices.SortStableFunc(clients, func(a, b collector.ClientUsers) int { return b.Users - a.Users })
	if clients[0].Users == 0 {
		return section{}, false
	}
	s := section{
		ID: "clients", Title: "What people use",
		Sentence: fmt.Sprintf("Within the last %s, most people used %s: %s of %s. A person with two kinds of client counts in both.",
			span(longest.Window.Duration()), clients[0].Client, humanize.Comma(int64(clients[0].Users)), humanize.Comma(int64(longest.Users))),
		Table: table{Head: []string{"Client", "People"}},
	}
	var bars bars
	for _, c := range clients {
		bars.add(&s, c.Client, c.Client, c.Users)
	}
	bars.draw(&s, drawer)
	return s, true
}

// lastOf returns the last n of a slice, or all.
func lastOf[T any](all []T, n int) []T { return all[max(0, len(all)-n):] }

func date(d activity.Day) string { return d.Start().Format("2 January 2006") }

func people(n int) string { return counted(n, "person", "people") }

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(int64(n)) + " " + many
}
