package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// unknown stands for a figure that is not known.
const unknown = "–"

// row is a line of a table for people: a server and a domain, and the figures of it, or a
// sentence instead of them.
type row struct {
	server, domain string
	figures        []string
	sentence       string
}

const (
	// maxWidth is how many characters a line of a table has at most, if figures and
	// names permit.
	maxWidth = 80
	// maxServer is how wide the column of servers is at most.
	maxServer = 16
)

// writeRows writes a table: the head, then the rows, with figures on the right. Names that
// are too long for a line with their figures have one of their own.
func writeRows(w io.Writer, head row, rows []row) error {
	all := append([]row{head}, rows...)
	server, figures := 0, make([]int, len(head.figures))
	for _, r := range all {
		server = max(server, min(maxServer, utf8.RuneCountInString(r.server)))
		for i, figure := range r.figures {
			figures[i] = max(figures[i], utf8.RuneCountInString(figure))
		}
	}
	room := maxWidth
	for _, width := range figures {
		room -= width + 2
	}
	names := 0
	for _, r := range all {
		if width := utf8.RuneCountInString(r.name(server)); width <= room && r.sentence == "" {
			names = max(names, width)
		}
	}
	var text strings.Builder
	for _, r := range all {
		name := r.name(server)
		if r.sentence == "" && utf8.RuneCountInString(name) > names {
			text.WriteString(name + "\n")
			name = ""
		}
		fmt.Fprintf(&text, "%-*s", names, name)
		for i, figure := range r.figures {
			fmt.Fprintf(&text, "  %*s", figures[i], figure)
		}
		if r.sentence != "" {
			text.WriteString("  " + r.sentence)
		}
		text.WriteString("\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// name returns the names of a row, with a server at least so wide.
func (r row) name(server int) string {
	return strings.TrimRight(fmt.Sprintf("%-*s  %s", server, r.server, r.domain), " ")
}

// writeTables prints a row for each domain, or all of its figures in rows of their own.
func writeTables(w io.Writer, statuses []collector.Status, long bool) error {
	if long {
		return writeDetails(w, statuses)
	}
	windows := windowsOf(statuses)
	head := row{server: "SERVER", domain: "DOMAIN"}
	for _, window := range windows {
		head.figures = append(head.figures, strings.ToUpper(window.Abbreviation()))
	}
	head.figures = append(head.figures, "R30V2", "ACCOUNTS", "ONLINE")
	var rows []row
	troubled := 0
	for _, s := range statuses {
		if s.Snapshot == nil {
			rows = append(rows, row{server: s.Server, sentence: "could not be read"})
			continue
		}
		for _, d := range s.Snapshot.Domains {
			rows = append(rows, row{server: s.Server, domain: d.Name, figures: figures(d, windows)})
		}
		for _, m := range s.Snapshot.Modules {
			if m.Trouble() != "" {
				troubled++
			}
		}
	}
	if err := writeRows(w, head, rows); err != nil || troubled == 0 {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s in trouble: --long says which\n", number(troubled, "module"))
	return err
}

// mostWindows is how many windows there is room for.
const mostWindows = 3

// windowsOf returns the first windows that any domain has.
func windowsOf(statuses []collector.Status) (windows []activity.Window) {
	for _, s := range statuses {
		if s.Snapshot == nil {
			continue
		}
		for _, d := range s.Snapshot.Domains {
			for _, a := range d.Active {
				if len(windows) < mostWindows && !slices.Contains(windows, a.Window) {
					windows = append(windows, a.Window)
				}
			}
		}
	}
	if windows == nil {
		return activity.DefaultWindows()
	}
	return windows
}

// figures returns the figures of the row of a domain.
func figures(d collector.Domain, windows []activity.Window) []string {
	count := func(n int, known bool) string {
		if !known {
			return unknown
		}
		return humanize.Comma(int64(n))
	}
	var all []string
	for _, window := range windows {
		i := slices.IndexFunc(d.Active, func(a collector.ActiveUsers) bool { return a.Window == window })
		if i < 0 {
			all = append(all, unknown)
			continue
		}
		all = append(all, count(d.Active[i].Users, true))
	}
	retained := 0
	if d.Retention != nil {
		retained = d.Retention.Users
	}
	total, known := d.Accounts()
	return append(all, count(retained, d.Retention != nil), count(total, known), count(d.Online.Number, d.Online.Known))
}
