package main

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/test/must"
)

// Whatever the names and figures, each domain is there with its whole name, in lines of
// 80 characters, and its figures stand below their headings.
func TestTablesFitInAFewColumns(t *testing.T) {
	domain := func(name string, users int) collector.Domain {
		d := collector.Domain{Name: name, Online: collector.Known(users), Registered: []collector.Accounts{{Type: collector.Native, Users: users}}, Retention: &collector.Retention{Users: users}}
		for _, w := range activity.DefaultWindows() {
			d.Active = append(d.Active, collector.ActiveUsers{Window: w, Users: users})
		}
		return d
	}
	status := func(server string, domains ...collector.Domain) collector.Status {
		return collector.Status{Server: server, Snapshot: &collector.Snapshot{Domains: domains}}
	}
	long := strings.Repeat("long.", 14) + "example" // 77
	for name, statuses := range map[string][]collector.Status{
		"one":       {status("synapse", domain("example.org", 12))},
		"millions":  {status("synapse", domain("matrix.example.org", 12_345_678))},
		"long":      {status("xmpp", domain(long, 1_234_567), domain("b.example", 2))},
		"servers":   {status("a-name-of-more-than-sixteen", domain("example.org", 1)), status("b", domain("bücher.example", 1000))},
		"no domain": {status("synapse")},
		"gone":      {{Server: "synapse"}, status("b", domain("example.org", 1000))},
	} {
		var out strings.Builder
		must.Succeed(t, writeTables(&out, statuses, false))
		lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > maxWidth && !strings.Contains(line, long) {
				t.Errorf("%s: %d characters: %s", name, n, line)
			}
			if strings.TrimRight(line, " ") != line {
				t.Errorf("%s: a blank at the end: %q", name, line)
			}
		}
		for _, s := range statuses {
			if s.Snapshot == nil && !regexp.MustCompile(`(?m)^`+s.Server+` +could not be read$`).MatchString(out.String()) {
				t.Errorf("%s: %s", name, &out)
			}
			if s.Snapshot == nil {
				continue
			}
			for _, d := range s.Snapshot.Domains {
				if strings.Count(out.String(), d.Name) != 1 || !strings.Contains(out.String(), s.Server) {
					t.Errorf("%s: %s is not there once:\n%s", name, d.Name, &out)
				}
			}
		}
		heading, last := lines[0], lines[len(lines)-1]
		if name == "millions" {
			heading = lines[1]
		}
		if !strings.HasSuffix(heading, "  ONLINE") || name != "no domain" && utf8.RuneCountInString(last) != utf8.RuneCountInString(heading) {
			t.Errorf("%s: figures are not below their headings:\n%s", name, &out)
		}
	}
	if got := figures(domain("d", 1_234_567), activity.DefaultWindows()); strings.Join(got, " ") != strings.Repeat("1,234,567 ", 5)+"1,234,567" {
		t.Errorf("figures %q", got)
	}
	if got := figures(collector.Domain{}, activity.DefaultWindows()); strings.Join(got, "") != strings.Repeat(unknown, 6) {
		t.Errorf("figures that are not known: %q", got)
	}
}
