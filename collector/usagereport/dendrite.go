package usagereport

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"active_users_exporter/collector/metric"
)

// The software of homeservers that report.
const (
	Synapse  = "synapse"
	Dendrite = "dendrite"
)

// dendritePrefix is before the names of statistics that Dendrite counts otherwise than
// Synapse, or that it alone has.
const dendritePrefix = "dendrite."

// dendriteStatistics are the numbers of Dendrite's usage report that do not mean what
// Synapse's of the same name mean, and those that Synapse has not, each with what it
// really counts (userapi/util/phonehomestats.go and userapi/storage/*/stats_table.go,
// 0.15.2). total_room_count is not there: Dendrite always sends 0.
func dendriteStatistics() []statistic {
	return []statistic{
		{"daily_user_type_native", maxCount, "Accounts of users and administrators created in the last 30 days, deactivated ones included; absent if there are none."},
		{"daily_user_type_guest", maxCount, "Guest accounts created in the last 30 days; absent if there are none."},
		{"daily_user_type_bridged", maxCount, "Accounts of application services created in the last 30 days; absent if there are none."},
		{"daily_active_rooms", maxCount, "Largest number of rooms since 00:00 UTC whose last message was unencrypted; a restart counts from 0 again."},
		{"daily_active_e2ee_rooms", maxCount, "Largest number of rooms since 00:00 UTC whose last message was encrypted; a restart counts from 0 again."},
		{"daily_messages", maxCount, "Unencrypted messages since 00:00 UTC, as far as report_stats was enabled."},
		{"daily_e2ee_messages", maxCount, "Encrypted messages since 00:00 UTC, as far as report_stats was enabled."},
		{"daily_sent_messages", maxCount, "Those of daily_messages whose sender is of the homeserver."},
		{"daily_sent_e2ee_messages", maxCount, "Those of daily_e2ee_messages whose sender is of the homeserver."},
		{"r30v2_users_all", maxCount, "Sum of the r30v2 figures of four classes of clients: a user of two classes counts twice, one of other clients not at all."},
		{"r30_users_all", maxCount, "Sum of the r30 figures of four classes of clients: a user of two classes counts twice, one of other clients not at all."},
		{"cpu_average", maxFactor, "Processor cores that were busy all the time since the last report, times 100: 0 unless a whole core was."},
		{"num_cpu", maxCount, "Processor cores that the process may use."},
		{"num_go_routine", maxCount, "Goroutines of the process."},
	}
}

// sharedStatistics are those that Dendrite reports with the meaning that they have in
// Synapse's report.
func sharedStatistics() []statistic {
	return slices.DeleteFunc(statistics(), func(s statistic) bool {
		return s.name == "total_room_count" ||
			slices.ContainsFunc(dendriteStatistics(), func(own statistic) bool { return own.name == s.name })
	})
}

// DendriteInfoNames returns the names of the strings that Dendrite's reports have
// beside InfoNames.
func DendriteInfoNames() []string {
	return []string{"go_version", "go_os", "go_arch", "federation_disabled", "nats_embedded", "nats_in_memory"}
}

// The keys that keep with a report what only the User-Agent said.
const (
	softwareKey = "software"
	versionKey  = "version"
)

// homeserverAgent is the User-Agent of a homeserver, with its version: Synapse adds the
// branch in brackets if it is no release.
var homeserverAgent = regexp.MustCompile(`^(?:Synapse|Dendrite)/([0-9A-Za-z][0-9A-Za-z.+~_-]{0,63})(?: |$)`)

// softwareOf distinguishes Dendrite's reports from Synapse's, which have neither of two keys
// that Dendrite has always sent.
func softwareOf(values map[string]json.RawMessage) string {
	has := func(name string) bool { _, there := values[name]; return there }
	switch {
	case string(values[softwareKey]) == `"`+Dendrite+`"`:
		return Dendrite
	case (has("go_version") || has("monolith")) && !has("python_version") && !has("server_context"):
		return Dendrite
	}
	return Synapse
}

// Mark returns the body of a report with a key that says what it is from, if only the
// User-Agent of the request says that it is Dendrite's: the body is what is stored.
// All others are returned as they are.
func Mark(body []byte, userAgent string) []byte {
	var values map[string]json.RawMessage
	if !strings.HasPrefix(userAgent, "Dendrite/") || json.Unmarshal(body, &values) != nil || len(values) == 0 || softwareOf(values) == Dendrite {
		return body
	}
	return withKey(body, softwareKey, Dendrite)
}

// withKey returns the body of a report, which has keys, with one more. Neither text needs
// to be escaped.
func withKey(body []byte, key, text string) []byte {
	open := bytes.TrimSuffix(bytes.TrimRight(body, " \t\r\n"), []byte("}"))
	return slices.Concat(open, []byte(`,"`+key+`":"`+text+`"}`))
}

// takeVersion takes the version from the User-Agent, if the report does not say it, and
// returns the body with it.
func (r *Report) takeVersion(body []byte, userAgent string) []byte {
	found := homeserverAgent.FindStringSubmatch(userAgent)
	if found == nil || r.Info[versionKey] != "" || r.textBytes()+len(found[1]) > maxTexts {
		return body
	}
	r.Info[versionKey] = found[1]
	return withKey(body, versionKey, found[1])
}

// dendriteFamilies are the metric families about what Dendrite counts otherwise than
// Synapse.
func dendriteFamilies() []metric.Family[Homeserver] {
	var families []metric.Family[Homeserver]
	for _, s := range dendriteStatistics() {
		families = append(families, metric.Family[Homeserver]{
			Name: "dendrite_usage_" + s.name, Kind: metric.Gauge, Help: s.help + " Statistic " + s.name + " of Dendrite's usage report.",
			Read: func(h Homeserver, emit metric.Emit) {
				if value, known := h.Statistics[dendritePrefix+s.name]; known {
					emit(value)
				}
			},
		})
	}
	return append(families, metric.Family[Homeserver]{
		Name: "dendrite_usage_info", Kind: metric.Gauge, Labels: append([]string{softwareKey, versionKey}, DendriteInfoNames()...),
		Help: "1 for each homeserver that is a Dendrite, with the strings of its usage report, empty where they are not known.",
		Read: func(h Homeserver, emit metric.Emit) {
			if h.Software != Dendrite {
				return
			}
			labels := []string{h.Software, h.Info[versionKey]}
			for _, name := range DendriteInfoNames() {
				labels = append(labels, h.Info[name])
			}
			emit(1, labels...)
		},
	})
}
