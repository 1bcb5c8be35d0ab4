package web

import (
	"fmt"
	"html/template"

	"github.com/dustin/go-humanize"

	"active_users_exporter/collector/activity"
	"active_users_exporter/web/chart"
)

// bars are those of a chart with a name for each, which are in its table as well.
type bars struct {
	names  []string
	values []int
}

// add adds a bar. Its name is short; the table has a longer one.
func (b *bars) add(s *section, name, short string, n int) {
	b.names, b.values = append(b.names, short), append(b.values, n)
	s.Table.Rows = append(s.Table.Rows, []any{name, n})
}

func (b *bars) draw(s *section, drawer *chart.Drawer) {
	s.draw(func(a chart.About, size chart.Size) template.HTML {
		size.Ticks = min(len(b.names), size.Names(b.names))
		return drawer.Bars(a, size, b.names, chart.Series{Class: "daily", Values: b.values})
	})
}

// kinds says what accounts the active users have, if they can have several kinds.
func (v domainView) kinds(drawer *chart.Drawer) (section, bool) {
	active := v.domain.Active
	if len(active) == 0 || len(active[len(active)-1].Kinds) < 2 {
		return section{}, false
	}
	longest := active[len(active)-1]
	s := section{
		ID: "kinds", Title: "Who they are",
		Table: table{Head: []string{"Type of account", "People"}},
	}
	var bars bars
	most := longest.Kinds[0]
	for _, k := range longest.Kinds {
		bars.add(&s, k.Kind.String(), k.Kind.String(), k.Users)
		if k.Users > most.Users {
			most = k
		}
	}
	if most.Users == 0 {
		return section{}, false
	}
	s.Sentence = fmt.Sprintf("Within the last %s, %s of %s active users had accounts of the type %s.",
		span(longest.Window.Duration()), humanize.Comma(int64(most.Users)), humanize.Comma(int64(longest.Users)), most.Kind)
	bars.draw(&s, drawer)
	return s, true
}

// accounts says when the people of accounts were last seen.
func (v domainView) accounts(drawer *chart.Drawer) (section, bool) {
	total, known := v.domain.Accounts()
	if !known {
		return section{}, false
	}
	s := section{
		ID: "accounts", Title: "Accounts, and when their people were last seen",
		Sentence: fmt.Sprintf("There are %s.", counted(total, "account", "accounts")),
		Table:    table{Head: []string{"Accounts", "Number"}},
	}
	var bars bars
	for _, a := range v.domain.Registered {
		bars.add(&s, "of type "+string(a.Type), string(a.Type), a.Users)
	}
	if ages := v.domain.Dormancy; ages != nil {
		s.Sentence = v.dormantSentence()
		for i, age := range activity.DormancyAges() {
			if ages[i] != activity.Merged {
				bars.add(&s, "of people, last seen: "+age, age, ages[i])
			}
		}
		if few := v.domain.FewDormant; few > 0 {
			bars.add(&s, "of people, last seen at other times", activity.FewName, few)
		}
	}
	bars.draw(&s, drawer)
	return s, true
}

// dormantSentence says how many accounts sleep.
func (v domainView) dormantSentence() string {
	ages := v.domain.Dormancy
	sentence := "Of " + counted(nativesOf(v.domain), "account", "accounts") + " of people"
	if ages[activity.Year] == activity.Merged || ages[activity.Never] == activity.Merged {
		return sentence + ", too few to be named have not been used for a year or never."
	}
	sentence += fmt.Sprintf(", %s have not been used for a year or more, and %s never", humanize.Comma(int64(ages[activity.Year])), humanize.Comma(int64(ages[activity.Never])))
	if unknown := ages[activity.Unremembered]; unknown > 0 {
		sentence += fmt.Sprintf("; for %s it is not known", humanize.Comma(int64(unknown)))
	}
	return sentence + "."
}
