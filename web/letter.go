package web

import (
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/web/chart"
)

// A Period is a month or a week that is over, and the one before it.
type Period struct {
	Name, Before string       // such as "November 2026" and "October 2026"
	First, Last  activity.Day // its days
	FirstBefore  activity.Day // of the period before, which ends where this one begins
}

// Letter says how many people used a community, to those who decide about it. The
// snapshots are those of the last day of the period: a letter of an old month is the
// same whenever it is written.
type Letter struct {
	Period
	Statuses []collector.Status
}

// letterDomain is the part of one domain.
type letterDomain struct {
	Domain, Server, Software string
	Sentences                []string
	Figures                  []figure
	Sections                 []section
}

// WriteHTML writes the letter as one file that needs no others.
func (l Letter) WriteHTML(w io.Writer) error {
	drawer := chart.NewDrawer()
	data := struct {
		Style   template.CSS
		Policy  string
		Period  string
		Domains []letterDomain
	}{style(), contentSecurityPolicy(), l.Name, nil}
	for i, d := range l.domains(drawer) {
		for n := range d.Sections { // IDs are unique on a page
			d.Sections[n] = d.Sections[n].forDomain(i, d.Domain)
		}
		data.Domains = append(data.Domains, d)
	}
	return parse("letter.html").Execute(w, data)
}

// WriteText writes the letter as plain text, for mail, in lines of at most 72
// characters.
func (l Letter) WriteText(w io.Writer) error {
	var text strings.Builder
	for _, d := range l.domains(chart.NewDrawer()) {
		title := fmt.Sprintf("%s, %s", d.Domain, l.Name)
		text.WriteString(title + "\n" + strings.Repeat("=", len([]rune(title))) + "\n\n")
		for _, sentence := range d.Sentences {
			text.WriteString(wrapped(sentence, "") + "\n")
		}
		for _, f := range d.Figures {
			line := f.Name + ": " + f.Value
			if f.Change != "" {
				line += ", " + f.Change
			}
			text.WriteString(wrapped(line+" ("+f.Meaning+")", "* "))
		}
		for _, s := range d.Sections {
			text.WriteString("\n" + s.Title + "\n" + wrapped(s.Sentence, ""))
		}
		text.WriteString("\n")
	}
	text.WriteString(wrapped("Counted from the chat servers’ own records, by UTC days, by active_users_exporter.", ""))
	_, err := io.WriteString(w, text.String())
	return err
}

// domains are the parts of the letter.
func (l Letter) domains(drawer *chart.Drawer) (all []letterDomain) {
	for _, s := range l.Statuses {
		for _, d := range s.Snapshot.Domains {
			v := domainView{status: s, domain: d, days: max(activity.GrowthDays, int(l.Last-l.First)+1)}
			v.count()
			part := letterDomain{Domain: d.Name, Server: s.Server, Software: s.Software, Figures: v.pastFigures(), Sections: v.sections(drawer)}
			part.Sentences = l.sentences(s.Snapshot, d.Name, v.timeline.Visitors)
			all = append(all, part)
		}
	}
	return all
}

// pastFigures are the figures of the end of a past day.
func (v domainView) pastFigures() []figure {
	all := v.figures()
	for i, a := range v.domain.Active { // the first ones
		days := int(a.Window.Duration() / (24 * time.Hour))
		all[i].Meaning = "people who came within the " + strconv.Itoa(days) + " days up to its end"
		if days == 1 {
			all[i].Meaning = "people who came on its last day"
		}
	}
	return all
}

// sentences say what was, in the period as a whole.
func (l Letter) sentences(s *collector.Snapshot, domain string, v collector.Visitors) (all []string) {
	now, known := s.VisitorsBetween(domain, l.First, l.Last)
	if !known {
		return []string{"It is not known for every day of " + l.Name + " who came."}
	}
	sentence := fmt.Sprintf("In %s, %s came", l.Name, people(now))
	if before, known := s.VisitorsBetween(domain, l.FirstBefore, l.First-1); known {
		sentence += fmt.Sprintf(": %s in %s (%s)", compared(now, before), l.Before, humanize.Comma(int64(before)))
	}
	all = append(all, sentence+".")
	days := int(l.Last-l.First) + 1
	if len(v.Daily) < days {
		return all
	}
	sum, most, when := 0, 0, l.First
	for i, d := range lastOf(v.Daily, days) {
		if sum += d.Number; d.Number > most {
			most, when = d.Number, l.First+activity.Day(i)
		}
	}
	return append(all, fmt.Sprintf("On an average day, %s came. On %s, the busiest day, %s came.", people((2*sum+days)/(2*days)), date(when), people(most)))
}

// forDomain returns the section as that of one of several domains: with IDs and names of its
// own.
func (s section) forDomain(n int, domain string) section {
	s.Of = domain
	id := fmt.Sprintf("%s%d", s.ID, n)
	old := s.ID
	s.ID = id
	for _, drawing := range []*template.HTML{&s.Wide, &s.Narrow} {
		*drawing = template.HTML(strings.ReplaceAll(string(*drawing), old+"-", id+"-")) //nolint:gosec // ids are ours
	}
	return s
}

// wrapped breaks a paragraph into lines of at most 72 characters.
func wrapped(text, mark string) string {
	const width = 72
	var lines strings.Builder
	line := mark
	for word := range strings.FieldsSeq(text) {
		if len([]rune(line))+1+len([]rune(word)) > width && strings.TrimSpace(line) != "" {
			lines.WriteString(strings.TrimRight(line, " ") + "\n")
			line = strings.Repeat(" ", len(mark))
		}
		if strings.TrimSpace(line) != "" && !strings.HasSuffix(line, " ") {
			line += " "
		}
		line += word
	}
	return lines.String() + line + "\n"
}
