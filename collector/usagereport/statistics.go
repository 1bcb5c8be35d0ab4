package usagereport

import "slices"

// statistic is a number of Synapse's usage report.
type statistic struct {
	name    string
	largest float64 // that is believed; the smallest is 0
	help    string
}

const (
	// maxCount is more than there are people, or messages that anybody counts;
	// maxKilobytes is more than any machine's memory; maxSeconds is the year
	// 4000.
	maxCount     = 1e10
	maxKilobytes = 1e12
	maxSeconds   = 64060588800
	maxFactor    = 1e6
)

// statistics are all of them, in the order of Synapse's documentation
// (docs/usage/administration/monitoring/reporting_homeserver_usage_statistics.md,
// 1.160; the old ones at the end in phone_stats_home.py since 0.11), each with
// what it really counts. Dendrite sends most of them; see dendriteStatistics. Keys of
// other homeservers are stored and not shown.
func statistics() []statistic {
	return []statistic{
		{"total_users", maxCount, "All accounts, including deactivated, guest and bridged ones."},
		{"total_nonbridged_users", maxCount, "Accounts that belong to no application service, including deactivated ones and guests."},
		{"daily_user_type_native", maxCount, "Accounts created in the last 24 hours that are neither guests nor bridged."},
		{"daily_user_type_guest", maxCount, "Guest accounts created in the last 24 hours."},
		{"daily_user_type_bridged", maxCount, "Accounts of application services created in the last 24 hours."},
		{"total_room_count", maxCount, "All rooms that the homeserver knows, including those it has left."},
		{"daily_active_users", maxCount, "Distinct users who made a request in the last 24 hours, including guests and bridged users."},
		{"monthly_active_users", maxCount, "Distinct users who made a request in the last 30 days, or since user_ips_max_age (28 days by default)."},
		{"daily_active_rooms", maxCount, "Distinct rooms with an unencrypted message in the last 24 hours."},
		{"daily_active_e2ee_rooms", maxCount, "Distinct rooms with an encrypted message in the last 24 hours."},
		{"daily_messages", maxCount, "Unencrypted messages that arrived in the last 24 hours, without the first event."},
		{"daily_e2ee_messages", maxCount, "Encrypted messages that arrived in the last 24 hours, without the first event."},
		{"daily_sent_messages", maxCount, "Messages of daily_messages that a user of the homeserver sent."},
		{"daily_sent_e2ee_messages", maxCount, "Messages of daily_e2ee_messages that a user of the homeserver sent."},
		{"r30v2_users_all", maxCount, "Users with two daily visits more than 30 days apart within the last 60 days, over all clients."},
		{"r30v2_users_android", maxCount, "Users of r30v2_users_all by their visits with clients of the class android alone."},
		{"r30v2_users_ios", maxCount, "Users of r30v2_users_all by their visits with clients of the class ios alone."},
		{"r30v2_users_electron", maxCount, "Users of r30v2_users_all by their visits with clients of the class electron alone."},
		{"r30v2_users_web", maxCount, "Users of r30v2_users_all by their visits with clients of the class web alone."},
		{"timestamp", maxSeconds, "Unix time of the newest report by the homeserver's own clock."},
		{"uptime_seconds", maxSeconds, "Seconds since the reporting process started."},
		{"memory_rss", maxKilobytes, "Largest resident memory of the reporting process since its start, in kilobytes on Linux."},
		{"cpu_average", maxFactor, "Processor time of the reporting process since its last report, in percent of one core."},
		{"cache_factor", maxFactor, "Global factor of Synapse's caches."},
		{"event_cache_size", maxKilobytes, "Configured number of events in Synapse's event cache."},
		{"r30_users_all", maxCount, "Users seen within 30 days and more than 30 days after registration, reported by Synapse before 1.85."},
		{"r30_users_android", maxCount, "Users of r30_users_all with Android clients."},
		{"r30_users_ios", maxCount, "Users of r30_users_all with iOS clients."},
		{"r30_users_electron", maxCount, "Users of r30_users_all with desktop clients."},
		{"r30_users_web", maxCount, "Users of r30_users_all with web clients."},
		{"r30_users_unknown", maxCount, "Users of r30_users_all with other clients."},
	}
}

// Names returns the names of all statistics that a report can have, sorted: Synapse's,
// and Dendrite's own, which begin with dendritePrefix.
func Names() (all []string) {
	for _, s := range statistics() {
		all = append(all, s.name)
	}
	for _, s := range dendriteStatistics() {
		all = append(all, dendritePrefix+s.name)
	}
	slices.Sort(all)
	return all
}

// InfoNames returns the names of the strings of a report that are shown.
// server_context is the first. All are Synapse's except versionKey, which Dendrite
// sends, and which is the version in the User-Agent otherwise.
func InfoNames() []string {
	return []string{"server_context", "python_version", "database_engine", "database_server_version", "log_level", versionKey}
}
