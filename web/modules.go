package web

import (
	"fmt"
	"strings"

	"active_users_exporter/collector"
	"active_users_exporter/web/chart"
)

// modules says how the modules of the domain, and of the whole server, are, and since
// when. It has no drawing.
func (v domainView) modules(*chart.Drawer) (section, bool) {
	s := section{
		ID: "modules", Title: "Modules of the server, and their last changes",
		Table: table{Text: true, Head: []string{"Module", "Of", "State", "Since"}},
	}
	snapshot := v.status.Snapshot
	ours := func(domain string) bool { return domain == v.domain.Name || domain == collector.AllDomains }
	var troubles []string
	for _, m := range snapshot.Modules {
		if !ours(m.Domain) {
			continue
		}
		of, since := m.Domain, "before the exporter was started"
		if m.Domain == collector.AllDomains {
			of = "the whole server"
		}
		for _, c := range snapshot.ModuleChanges {
			if c.Domain == m.Domain && c.Name == m.Name {
				since = c.At.UTC().Format("2 January 2006, 15:04 UTC") + ", before: " + c.From
			}
		}
		s.Table.Rows = append(s.Table.Rows, []any{m.Name, of, m.State(), since})
		if trouble := m.Trouble(); trouble != "" {
			troubles = append(troubles, m.Name+" ("+trouble+")")
		}
	}
	if len(s.Table.Rows) == 0 {
		return section{}, false
	}
	s.Sentence = fmt.Sprintf("All of %s are well.", counted(len(s.Table.Rows), "module", "modules"))
	if len(troubles) > 0 {
		s.Sentence = fmt.Sprintf("Of %s, %d in trouble: %s.", counted(len(s.Table.Rows), "module", "modules"), len(troubles), strings.Join(troubles, ", "))
	}
	changed := 0
	for _, c := range snapshot.ModuleChanges {
		if ours(c.Domain) {
			changed++
		}
	}
	s.Sentence += fmt.Sprintf(" In the last 14 days, as far as the exporter ran, states changed %s.", counted(changed, "time", "times"))
	return s, true
}
