package collector

import (
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"active_users_exporter/collector/failure"
)

// A family is one metric family: everything about it but its values, and how
// to read those from the status of one server. Every name stands here and
// nowhere else.
type family struct {
	name   string
	help   string
	unit   string // of OpenMetrics; must be the end of the name
	kind   prometheus.ValueType
	labels []string // after "server", "homeserver" or "cluster", which is emitted for all
	// One of these reads the values: of a chat server, of a Matrix homeserver
	// whoever told of it, of a cluster of MongooseIM, of the receiver of reports.
	read       func(Status, emit)
	homeserver func(Homeserver, emit)
	cluster    func(Cluster, emit)
	receiver   func(*Reports, emit)
	prosody    func(*Snapshot, emit) // under Prosody's own names; the first label is "host"
	histogram  func(Status, observe) // of a chat server, in place of single values
}

// observe takes a histogram with the values of a family's labels: counts of
// observations up to each bound, cumulated.
type observe func(count uint64, sum float64, buckets map[float64]uint64, labels ...string)

// emit takes one sample with the values of a family's labels.
type emit func(value float64, labels ...string)

// catalogue is every metric family of the chat servers, in the order in which
// the documentation lists them.
func catalogue() []family {
	return slices.Concat(activeUsers(), returningUsers(), habits(), accountsAndSessions(), modules(), refreshes(), usage(), systemMetrics(), received(), prosodysOwn())
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue

	// cached ends the HELP of all that a refresh counts.
	cached = " Counted in the background by the last refresh, not at the scrape."
)

// activeUsers are the families about who is there.
func activeUsers() []family {
	return []family{
		{
			name: "chat_active_users", kind: gauge, labels: []string{"domain", "window"},
			help: "Distinct users whose last recorded activity lies within the trailing window before the refresh: 1d is DAU, 7d WAU, 30d MAU. " +
				"Windows contain one another: never add them up. " +
				"Synapse: the whole window, where its own monthly_active_users is cut at user_ips_max_age, 28 days by default; before that age devices and daily visits speak. " +
				"Prosody: as mod_measure_active_users, given admin_socket; without it, users who stay connected count by their login." + cached,
			read: forDomains(func(d Domain, emit emit) {
				for _, a := range d.Active {
					emit(float64(a.Users), d.Name, a.Window.String())
				}
			}),
		},
		{
			name: "chat_active_client_users", kind: gauge, labels: []string{"domain", "client", "window"},
			help: "The users of chat_active_users by class of client. A user of two classes is in both: never add them up." + cached,
			read: forDomains(func(d Domain, emit emit) {
				for _, a := range d.Active {
					for _, c := range a.Clients {
						emit(float64(c.Users), d.Name, c.Client, a.Window.String())
					}
				}
			}),
		},
	}
}

// returningUsers are the families about who comes back, from daily visits.
func returningUsers() []family {
	return []family{
		{
			name: "chat_r30v2_users", kind: gauge, labels: []string{"domain"},
			help: "Users with two daily visits more than 30 days apart within the last 60 days, over all clients (Synapse's r30v2_users_all)." + cached,
			read: forDomains(func(d Domain, emit emit) {
				if d.Retention != nil {
					emit(float64(d.Retention.Users), d.Name)
				}
			}),
		},
		{
			name: "chat_r30v2_client_users", kind: gauge, labels: []string{"domain", "client"},
			help: "Users with two daily visits by the same class of client more than 30 days apart within the last 60 days (Synapse's r30v2_users_android, _ios, _electron, _web). " +
				"The classes do not add up to chat_r30v2_users." + cached,
			read: forDomains(func(d Domain, emit emit) {
				if d.Retention == nil {
					return
				}
				for _, c := range d.Retention.Clients {
					emit(float64(c.Users), d.Name, c.Client)
				}
			}),
		},
		{
			name: "chat_growth_users", kind: gauge, labels: []string{"domain", "state"},
			help: "Accounting of 30 UTC days, today included: new were never seen before, retained also in the 30 days before, resurrected not then but earlier, churned then and not now. " +
				"Users active in these days are those of the 30 days before + new + resurrected - churned." + cached,
			read: forDomains(func(d Domain, emit emit) {
				if d.Growth != nil {
					emit(float64(d.Growth.New), d.Name, "new")
					emit(float64(d.Growth.Retained), d.Name, "retained")
					emit(float64(d.Growth.Resurrected), d.Name, "resurrected")
					emit(float64(d.Growth.Churned), d.Name, "churned")
				}
			}),
		},
	}
}

// habits are the families about how often people come, and since when that is
// known.
func habits() []family {
	return []family{
		{
			name: "chat_l28_activity", labels: []string{"domain"},
			help: "Users by the number of UTC days, of the last 28 and today included, on which they came at least once (L28); those who did not come are not counted." + cached,
			histogram: func(s Status, observe observe) {
				forDomains(func(d Domain, _ emit) {
					if d.Habit == nil {
						return
					}
					buckets := make(map[float64]uint64)
					count, sum := uint64(0), 0.0
					for days, users := range d.Habit {
						count += uint64(users)
						sum += float64(days * users)
						if slices.Contains(habitBounds(), float64(days)) {
							buckets[float64(days)] = count
						}
					}
					observe(count, sum, buckets, d.Name)
				})(s, nil)
			},
		},
		{
			name: "chat_cohort_users", kind: gauge, labels: []string{"domain", "cohort", "week"},
			help: "Users who came for the first time in the week that began on the Monday \"cohort\", by the number of weeks after it in which they came again: week 0 is their first. Of the last 12 weeks, with --cohorts." + cached,
			read: forDomains(func(d Domain, emit emit) {
				for _, c := range d.Cohorts {
					for week, users := range c.Users {
						emit(float64(users), d.Name, c.Week.String(), strconv.Itoa(week))
					}
				}
			}),
		},
		{
			name: "chat_history_days", kind: gauge, labels: []string{"domain"},
			help: "UTC days, today included, for which daily visits are completely known: kept by the server itself, or recorded by this exporter. Retention needs more than 31, it is complete at 60, as is growth.",
			read: forDomains(func(d Domain, emit emit) {
				if d.History.Known {
					emit(float64(d.History.Number), d.Name)
				}
			}),
		},
	}
}

// habitBounds are the upper bounds of chat_l28_activity, in days.
func habitBounds() []float64 { return []float64{1, 2, 3, 5, 7, 10, 14, 21, 28} }

// accountsAndSessions are the families about accounts, and who is connected.
func accountsAndSessions() []family {
	return []family{
		{
			name: "chat_registered_users", kind: gauge, labels: []string{"domain", "type"},
			help: "Accounts that exist, by type: native, bridged (made by an application service) or guest; without those that Synapse has deactivated." + cached,
			read: forDomains(func(d Domain, emit emit) {
				for _, a := range d.Registered {
					emit(float64(a.Users), d.Name, string(a.Type))
				}
			}),
		},
		{
			name: "chat_created_users", kind: gauge, labels: []string{"domain", "type"},
			help: "Accounts created in the 24 hours before the refresh, by type, as far as they exist; without those that Synapse has deactivated." + cached,
			read: forDomains(func(d Domain, emit emit) {
				for _, a := range d.Created {
					emit(float64(a.Users), d.Name, string(a.Type))
				}
			}),
		},
		{
			name: "chat_online_users", kind: gauge, labels: []string{"domain"},
			help: "Distinct users connected at the last refresh, where the running server tells (Prosody: admin_socket, ejabberd: api_url, MongooseIM: graphql_url)." + cached,
			read: forDomains(func(d Domain, emit emit) {
				if d.Online.Known {
					emit(float64(d.Online.Number), d.Name)
				}
			}),
		},
		{
			name: "chat_damaged_records", kind: gauge, labels: []string{"domain"},
			help: "Activity records that could not be read and were left out of all figures; the log says where they are." + cached,
			read: forDomains(func(d Domain, emit emit) { emit(float64(d.Damaged), d.Name) }),
		},
	}
}

// modules are the families about the parts of a server.
func modules() []family {
	return []family{
		{
			name: "chat_module_status", kind: gauge, labels: []string{"domain", "module"},
			help: "State of a loaded module on Prosody's scale: 0 core, 1 info, 2 warn, 3 error. Global modules have the domain *. " +
				"A module that failed to load is absent: see chat_module_loaded. ejabberd and MongooseIM tell no state: theirs are 0, by host type of MongooseIM." + cached,
			read: forModules(func(m Module, emit emit) {
				if m.Loaded {
					emit(float64(m.Status), m.Domain, m.Name)
				}
			}),
		},
		{
			name: "chat_module_loaded", kind: gauge, labels: []string{"domain", "module"},
			help: "1 if a required module is loaded, 0 if it is absent; domain * if it was required anywhere and is nowhere." + cached,
			read: forModules(func(m Module, emit emit) {
				if m.Required {
					emit(truth(m.Loaded), m.Domain, m.Name)
				}
			}),
		},
		{
			name: "chat_module_status_timestamp_seconds", unit: "seconds", kind: gauge,
			help: "Unix time at which the states of modules were last read.",
			read: func(s Status, emit emit) {
				if s.Snapshot != nil && !s.Snapshot.ModulesAt.IsZero() {
					emit(seconds(s.Snapshot.ModulesAt))
				}
			},
		},
	}
}

// refreshes are the families about the reading itself.
func refreshes() []family {
	return []family{
		{
			name: "chat_server_info", kind: gauge, labels: []string{"software", "version", "database"},
			help: "1, with the server's software, its version where it is recorded, and the storage that is read.",
			read: func(s Status, emit emit) {
				if s.Snapshot != nil {
					emit(1, s.Software, s.Snapshot.Version, s.Snapshot.Database)
				}
			},
		},
		{
			name: "chat_server_up", kind: gauge,
			help: "1 if everything could be read at the last refresh, else 0; the last good values are then kept until they are stale.",
			read: func(s Status, emit emit) { emit(truth(s.Up)) },
		},
		{
			name: "chat_refresh_duration_seconds", unit: "seconds", kind: gauge,
			help: "How long the last refresh took, successful or not.",
			read: func(s Status, emit emit) {
				if !s.Attempted.IsZero() {
					emit(s.Duration.Seconds())
				}
			},
		},
		{
			name: "chat_last_refresh_timestamp_seconds", unit: "seconds", kind: gauge,
			help: "Unix time of the last refresh, successful or not.",
			read: whenKnown(func(s Status) time.Time { return s.Attempted }),
		},
		{
			name: "chat_last_refresh_success_timestamp_seconds", unit: "seconds", kind: gauge,
			help: "Unix time of the last refresh whose figures could be used: the moment that they are true of.",
			read: whenKnown(func(s Status) time.Time { return s.Succeeded }),
		},
		{
			name: "chat_history_saved_timestamp_seconds", unit: "seconds", kind: gauge,
			help: "Unix time of the last refresh that the history on disk holds; absent without a history.",
			read: whenKnown(func(s Status) time.Time { return s.HistorySaved }),
		},
		{
			name: "chat_history_failures_total", kind: counter,
			help: "How often the history could not be read or written since the exporter was started; figures go on from memory.",
			read: func(s Status, emit emit) { emit(float64(s.HistoryFailures)) },
		},
		{
			name: "chat_refresh_failures_total", kind: counter, labels: []string{"reason"},
			help: "Refreshes that failed, or failed in part, since the exporter was started, by reason.",
			read: func(s Status, emit emit) {
				for _, r := range failure.Reasons() {
					emit(float64(s.Failures[r]), string(r))
				}
			},
		},
	}
}

func forDomains(read func(Domain, emit)) func(Status, emit) {
	return func(s Status, emit emit) {
		if s.Snapshot == nil {
			return
		}
		for _, d := range s.Snapshot.Domains {
			read(d, emit)
		}
	}
}

func forModules(read func(Module, emit)) func(Status, emit) {
	return func(s Status, emit emit) {
		if s.Snapshot == nil {
			return
		}
		for _, m := range s.Snapshot.Modules {
			read(m, emit)
		}
	}
}

func whenKnown(at func(Status) time.Time) func(Status, emit) {
	return func(s Status, emit emit) {
		if t := at(s); !t.IsZero() {
			emit(seconds(t))
		}
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
