package collector

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Reports are what the receiver of pushed usage reports knows.
type Reports struct {
	// Homeservers are those with series of their own.
	Homeservers []Homeserver
	// Overflow is the number of homeservers beyond the cap.
	Overflow int
	// Contexts add up the homeservers of each server_context.
	Contexts []Context
	// Clusters are those of MongooseIM whose system metrics were received.
	Clusters []Cluster
	// Rejected is how often something was refused, by reason.
	Rejected map[string]uint64
}

// A Homeserver is a Matrix homeserver with what is known of its usage.
type Homeserver struct {
	Name string
	Usage
	// Reported is when its newest report was received, the zero time if none
	// was; Reports is how many there have been.
	Reported time.Time
	Reports  uint64
}

// Context adds up the newest reports of the homeservers with one
// server_context.
type Context struct {
	Name        string
	Homeservers int
	Users       map[string]float64 // by statistic
}

// homeservers unites what was read from databases with what was reported: the
// database wins, the report adds what no database holds. Of two of our servers
// that are one homeserver the first speaks for it.
func homeservers(statuses []Status, reports *Reports) []Homeserver {
	byName := make(map[string]*Homeserver) // in lower case, as reports have it
	for _, s := range statuses {
		if s.Snapshot == nil {
			continue
		}
		for _, d := range s.Snapshot.Domains {
			if name := strings.ToLower(d.Name); d.Usage != nil && byName[name] == nil {
				byName[name] = &Homeserver{Name: d.Name, Usage: *d.Usage}
			}
		}
	}
	if reports != nil {
		for _, reported := range reports.Homeservers {
			read := byName[reported.Name]
			if read == nil {
				byName[reported.Name] = &reported
				continue
			}
			reported.Name, reported.LimitMAU = read.Name, read.LimitMAU
			reported.Statistics, reported.Info = maps.Clone(reported.Statistics), maps.Clone(reported.Info)
			maps.Copy(reported.Statistics, read.Statistics)
			for name, text := range read.Info {
				if text != "" {
					reported.Info[name] = text
				}
			}
			byName[strings.ToLower(read.Name)] = &reported
		}
	}
	var all []Homeserver
	for _, name := range slices.SortedFunc(maps.Keys(byName), strings.Compare) {
		all = append(all, *byName[name])
	}
	return all
}

// received are the families about the receiver of reports.
func received() []family {
	return []family{
		{
			name: "active_users_exporter_reports_rejected_total", kind: counter, labels: []string{"reason"},
			help: "Pushed reports, or parts of them, that were refused since the exporter was started, by reason; unbelievable values cost a report nothing else.",
			receiver: func(r *Reports, emit emit) {
				for _, reason := range slices.Sorted(maps.Keys(r.Rejected)) {
					emit(float64(r.Rejected[reason]), reason)
				}
			},
		},
		{
			name: "active_users_exporter_reports_overflow_homeservers", kind: gauge,
			help:     "Homeservers that report but have no series of their own, since there are more than max_homeservers; the sums by context have them. MongooseIM clusters that report and are not shown are among them.",
			receiver: func(r *Reports, emit emit) { emit(float64(r.Overflow)) },
		},
		{
			name: "active_users_exporter_reports_homeservers", kind: gauge, labels: []string{"server_context"},
			help: "Homeservers heard within expire_after, by the server_context that they report.",
			receiver: func(r *Reports, emit emit) {
				for _, c := range r.Contexts {
					emit(float64(c.Homeservers), c.Name)
				}
			},
		},
		{
			name: "active_users_exporter_reports_users", kind: gauge, labels: []string{"server_context", "statistic"},
			help: "Sums of the newest reports of all homeservers with a server_context, by statistic, those without series of their own included.",
			receiver: func(r *Reports, emit emit) {
				for _, c := range r.Contexts {
					for _, statistic := range slices.Sorted(maps.Keys(c.Users)) {
						emit(c.Users[statistic], c.Name, statistic)
					}
				}
			},
		},
	}
}
