// Package series is for tests alone: what a scrape shows.
package series

import (
	"maps"
	"strings"
)

// Series are samples by name and labels, as they are written.
type Series map[string]string

// Parse reads a page of metrics, in text or OpenMetrics.
func Parse(page string) Series {
	all := make(Series)
	for line := range strings.Lines(page) {
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			all[line[:at]] = strings.TrimSpace(line[at+1:])
		}
	}
	return all
}

// Figures are the series of one server, except those about refreshes.
func (s Series) Figures(server string) Series {
	all := make(Series)
	for name, value := range s {
		family, _, _ := strings.Cut(name, "{")
		switch {
		case !strings.Contains(name, `server="`+server+`"`):
		case family == "chat_server_up", family == "chat_online_known", strings.Contains(family, "refresh"), strings.Contains(family, "timestamp"):
		default:
			all[name] = value
		}
	}
	return all
}

// Only are the series of families whose names begin with the prefix.
func (s Series) Only(prefix string) Series {
	all := maps.Clone(s)
	maps.DeleteFunc(all, func(name, _ string) bool { return !strings.HasPrefix(name, prefix) })
	return all
}

// Except are all others.
func (s Series) Except(prefix string) Series {
	all := maps.Clone(s)
	maps.DeleteFunc(all, func(name, _ string) bool { return strings.HasPrefix(name, prefix) })
	return all
}
