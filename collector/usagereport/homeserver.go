package usagereport

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Homeserver is a Matrix homeserver with what is known of its usage, as its own
// usage report names and counts it (Synapse: synapse/app/phone_stats_home.py,
// 1.160).
type Homeserver struct {
	// Name is the server name; of one that reported, in lower case.
	Name string
	// Software is Synapse or Dendrite.
	Software string
	// Statistics are numbers by name, such as "total_users".
	Statistics map[string]float64
	// Info are strings by name, such as "database_engine".
	Info map[string]string
	// LimitMAU is the number of users in the table by which Synapse limits
	// monthly active users, by type of account; empty where it is not filled.
	LimitMAU map[string]int
	// Rooms is how many rooms there are by state, "known" and "joined", and
	// FederationServers how many other servers, "reachable" and "unreachable"; empty
	// where they were not read.
	Rooms, FederationServers map[string]int
	// Reported is when its newest report was received, the zero time if none
	// was; Reports is how many there have been.
	Reported time.Time
	Reports  uint64
}

// Union unites homeservers whose databases were read with those that reported,
// sorted by name in lower case. Where both know a figure the database wins; the
// report adds what no database holds. If two of those that were read have the same
// name, the first one wins.
func Union(read, reported []Homeserver) []Homeserver {
	byName := make(map[string]Homeserver) // in lower case
	for _, h := range read {
		if _, there := byName[strings.ToLower(h.Name)]; !there {
			byName[strings.ToLower(h.Name)] = h
		}
	}
	for _, h := range reported {
		if known, there := byName[h.Name]; there {
			h = known.with(h)
		}
		byName[strings.ToLower(h.Name)] = h
	}
	var all []Homeserver
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, byName[name])
	}
	return all
}

// WithMinimum returns the homeserver without the statistics by class of client or by type
// of account if one of them is of fewer people than the minimum, and not of nobody. They
// have names and no label, so that they cannot be merged.
func (h Homeserver) WithMinimum(minimum int) any {
	small := func(n float64) bool { return n > 0 && n < float64(minimum) }
	for _, prefix := range []string{"r30v2_users_", "daily_user_type_"} {
		part := func(name string, _ float64) bool {
			return strings.HasPrefix(name, prefix) && name != "r30v2_users_all"
		}
		for name, n := range h.Statistics {
			if part(name, n) && small(n) {
				h.Statistics = maps.Clone(h.Statistics)
				maps.DeleteFunc(h.Statistics, part)
				break
			}
		}
	}
	const all, nonbridged = "total_users", "total_nonbridged_users"
	if n, there := h.Statistics[nonbridged]; there && n < h.Statistics[all] { // else it says nothing of bridged users
		h.Statistics = maps.Clone(h.Statistics)
		delete(h.Statistics, nonbridged)
	}
	for _, n := range h.LimitMAU {
		if small(float64(n)) {
			h.LimitMAU = nil
			break
		}
	}
	return h
}

// with returns what was read together with what was reported.
func (h Homeserver) with(reported Homeserver) Homeserver {
	united := h
	united.Reported, united.Reports = reported.Reported, reported.Reports
	united.Software = cmp.Or(h.Software, reported.Software)
	united.Statistics, united.Info = maps.Clone(reported.Statistics), maps.Clone(reported.Info)
	maps.Copy(united.Statistics, h.Statistics)
	for name, text := range h.Info {
		united.Info[name] = cmp.Or(text, united.Info[name])
	}
	return united
}
