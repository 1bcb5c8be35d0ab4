package collector

import (
	"maps"
	"slices"
	"time"

	"active_users_exporter/collector/activity"
)

// withActivity returns the usage statistics together with those that are
// counted from activity, as Synapse's own report has them: last-seen times
// that the server has pruned do not count, even where they are known, so its
// monthly_active_users is cut at user_ips_max_age.
func (u Usage) withActivity(now time.Time, f DomainFacts, cal *activity.Calendar) *Usage {
	u.Statistics = maps.Clone(u.Statistics)
	for name, w := range map[string]activity.Window{
		"daily_active_users":   activity.Daily(),
		"monthly_active_users": activity.Monthly(),
	} {
		after := w.Since(now)
		if first := f.LastSeenSince.Add(-time.Millisecond); first.After(after) {
			after = first
		}
		u.Statistics[name] = float64(cal.ActiveAfter(f.Name, after, time.Time{}).Users)
	}
	retention := cal.Retention(f.Name, now)
	u.Statistics["r30v2_users_all"] = float64(retention.Users)
	for class, name := range activity.SynapseNames() {
		if name != "unknown" { // Synapse computes it and throws it away
			u.Statistics["r30v2_users_"+name] = float64(retention.Synapse[class])
		}
	}
	return &u
}

// statistic is a number of Synapse's usage report.
type statistic struct{ name, help string }

// statistics are all of them, in the order of Synapse's documentation
// (docs/usage/administration/monitoring/reporting_homeserver_usage_statistics.md,
// 1.160), each with what it really counts.
func statistics() []statistic {
	return []statistic{
		{"total_users", "All accounts there are: deactivated ones, guests and bridged ones too."},
		{"total_nonbridged_users", "Accounts that belong to no application service; deactivated ones and guests too."},
		{"daily_user_type_native", "Accounts created in the last 24 hours that are neither guests nor bridged."},
		{"daily_user_type_guest", "Guest accounts created in the last 24 hours."},
		{"daily_user_type_bridged", "Accounts of application services created in the last 24 hours."},
		{"total_room_count", "All rooms the homeserver knows, those it has left too."},
		{"daily_active_users", "Distinct users who made a request in the last 24 hours, guests and bridged ones too."},
		{"monthly_active_users", "Distinct users who made a request in the last 30 days, as far as Synapse has not pruned it: user_ips_max_age is 28 days by default. See chat_active_users for the whole month."},
		{"daily_active_rooms", "Distinct rooms with an unencrypted message in the last 24 hours."},
		{"daily_active_e2ee_rooms", "Distinct rooms with an encrypted message in the last 24 hours."},
		{"daily_messages", "Unencrypted messages that arrived in the last 24 hours, whoever sent them; the first event of these hours is not looked at."},
		{"daily_e2ee_messages", "Encrypted messages that arrived in the last 24 hours; the first event of these hours is not looked at."},
		{"daily_sent_messages", "Those of daily_messages that a user of the homeserver sent."},
		{"daily_sent_e2ee_messages", "Those of daily_e2ee_messages that a user of the homeserver sent."},
		{"r30v2_users_all", "Users with two daily visits more than 30 days apart within the last 60 days, over all clients."},
		{"r30v2_users_android", "The same with clients of the class android alone."},
		{"r30v2_users_ios", "The same with clients of the class ios alone."},
		{"r30v2_users_electron", "The same with clients of the class electron alone."},
		{"r30v2_users_web", "The same with clients of the class web alone."},
		{"timestamp", "Unix time of the newest report by the homeserver's own clock."},
		{"uptime_seconds", "Seconds since the process that reports was started."},
		{"memory_rss", "Largest resident memory of the process that reports since its start, in kilobytes on Linux."},
		{"cpu_average", "Processor time of the process that reports since its last report, in percent of one core."},
		{"cache_factor", "Global factor of Synapse's caches."},
		{"event_cache_size", "Configured number of events in Synapse's event cache."},
		{"r30_users_all", "Users seen within 30 days and more than 30 days after their registration, which Synapse reported before 1.85."},
		{"r30_users_android", "The same with Android clients."},
		{"r30_users_ios", "The same with iOS clients."},
		{"r30_users_electron", "The same with desktop clients."},
		{"r30_users_web", "The same with web clients."},
		{"r30_users_unknown", "The same with other clients."},
	}
}

// infoLabels are the strings of the report that synapse_usage_info shows.
func infoLabels() []string {
	return []string{"server_context", "python_version", "database_engine", "database_server_version", "log_level"}
}

// usage are the families about what a Matrix homeserver reports of itself.
func usage() []family {
	var families []family
	for _, s := range statistics() {
		families = append(families, family{
			name: "synapse_usage_" + s.name, kind: gauge,
			help: s.help + " As " + s.name + " of Synapse's usage report.",
			homeserver: func(h Homeserver, emit emit) {
				if value, known := h.Statistics[s.name]; known {
					emit(value)
				}
			},
		})
	}
	return append(families,
		family{
			name: "synapse_usage_info", kind: gauge, labels: infoLabels(),
			help: "1, with the strings of Synapse's usage report, empty where they are not known.",
			homeserver: func(h Homeserver, emit emit) {
				var labels []string
				for _, name := range infoLabels() {
					labels = append(labels, h.Info[name])
				}
				emit(1, labels...)
			},
		},
		family{
			name: "synapse_limit_mau_users", kind: gauge, labels: []string{"type"},
			help: "Users in the table monthly_active_users, by which Synapse limits them; absent if it does not keep the table (limit_usage_by_mau, mau_stats_only). " +
				"native is Synapse's synapse_admin_mau_current." + cached,
			homeserver: func(h Homeserver, emit emit) {
				for _, t := range slices.Sorted(maps.Keys(h.LimitMAU)) {
					emit(float64(h.LimitMAU[t]), string(t))
				}
			},
		},
		family{
			name: "synapse_usage_last_report_timestamp_seconds", unit: "seconds", kind: gauge,
			help: "Unix time, by the receiver's clock, at which the homeserver's newest usage report was received.",
			homeserver: func(h Homeserver, emit emit) {
				if !h.Reported.IsZero() {
					emit(seconds(h.Reported))
				}
			},
		},
		family{
			name: "synapse_usage_reports_total", kind: counter,
			help: "Usage reports that were ever received from the homeserver.",
			homeserver: func(h Homeserver, emit emit) {
				if !h.Reported.IsZero() {
					emit(float64(h.Reports))
				}
			},
		},
	)
}
