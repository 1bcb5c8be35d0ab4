package collector

import (
	"slices"
	"strconv"
	"time"

	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/metric"
)

// families are the metric families of every chat server, in the order in which the
// documentation lists them. What only one kind of server has is in its own folder.
func families() []metric.Family[Status] {
	return slices.Concat(activeUsers(), returningUsers(), habits(), accountsAndSessions(), modules(), refreshes())
}

// owner labels their samples with the configured name of the server.
func owner() metric.Owner[Status] {
	return metric.Owner[Status]{Label: "server", Name: func(s Status) string { return s.Server }}
}

// cached ends the HELP of all that a refresh counts.
const cached = " Counted in the background by the last refresh, not at the scrape."

// activeUsers are the families about who is there.
func activeUsers() []metric.Family[Status] {
	return []metric.Family[Status]{
		{
			Name: "chat_active_users", Kind: metric.Gauge, Labels: []string{"domain", "window"},
			Help: "Distinct users whose last recorded activity lies within the trailing window before the refresh: 1d is DAU, 7d WAU, 30d MAU. " +
				"Windows contain one another: never add them up. " +
				"Synapse: the whole window, where its own monthly_active_users is cut at user_ips_max_age, 28 days by default; before that age devices and daily visits speak. " +
				"Prosody: as mod_measure_active_users, given admin_socket; without it, users who stay connected count by their login." + cached,
			Read: forDomains(func(d Domain, emit metric.Emit) {
				for _, a := range d.Active {
					emit(float64(a.Users), d.Name, a.Window.String())
				}
			}),
		},
		{
			Name: "chat_active_client_users", Kind: metric.Gauge, Labels: []string{"domain", "client", "window"},
			Help: "The users of chat_active_users by class of client. A user of two classes is in both: never add them up." + cached,
			Read: forDomains(func(d Domain, emit metric.Emit) {
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
func returningUsers() []metric.Family[Status] {
	return []metric.Family[Status]{
		{
			Name: "chat_r30v2_users", Kind: metric.Gauge, Labels: []string{"domain"},
			Help: "Users with two daily visits more than 30 days apart within the last 60 days, over all clients (Synapse's r30v2_users_all)." + cached,
			Read: forDomains(func(d Domain, emit metric.Emit) {
				if d.Retention != nil {
					emit(float64(d.Retention.Users), d.Name)
				}
			}),
		},
		{
			Name: "chat_r30v2_client_users", Kind: metric.Gauge, Labels: []string{"domain", "client"},
			Help: "Users with two daily visits by the same class of client more than 30 days apart within the last 60 days (Synapse's r30v2_users_android, _ios, _electron, _web). " +
				"The classes do not add up to chat_r30v2_users." + cached,
			Read: forDomains(func(d Domain, emit metric.Emit) {
				if d.Retention == nil {
					return
				}
				for _, c := range d.Retention.Clients {
					emit(float64(c.Users), d.Name, c.Client)
				}
			}),
		},
		{
			Name: "chat_growth_users", Kind: metric.Gauge, Labels: []string{"domain", "state"},
			Help: "Accounting of 30 UTC days, today included: new were never seen before, retained also in the 30 days before, resurrected not then but earlier, churned then and not now. " +
				"Users active in these days are those of the 30 days before + new + resurrected - churned." + cached,
			Read: forDomains(func(d Domain, emit metric.Emit) {
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
func habits() []metric.Family[Status] {
	return []metric.Family[Status]{
		{
			Name: "chat_l28_activity", Labels: []string{"domain"},
			Help: "Users by the number of UTC days, of the last 28 and today included, on which they came at least once (L28); those who did not come are not counted." + cached,
			Histogram: func(s Status, observe metric.Observe) {
				forDomains(func(d Domain, _ metric.Emit) {
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
			Name: "chat_cohort_users", Kind: metric.Gauge, Labels: []string{"domain", "cohort", "week"},
			Help: "Users who came for the first time in the week that began on the Monday \"cohort\", by the number of weeks after it in which they came again: week 0 is their first. Of the last 12 weeks, with --cohorts." + cached,
			Read: forDomains(func(d Domain, emit metric.Emit) {
				for _, c := range d.Cohorts {
					for week, users := range c.Users {
						emit(float64(users), d.Name, c.Week.String(), strconv.Itoa(week))
					}
				}
			}),
		},
		{
			Name: "chat_history_days", Kind: metric.Gauge, Labels: []string{"domain"},
			Help: "UTC days, today included, for which daily visits are completely known: kept by the server itself, or recorded by this exporter. Retention needs more than 31, it is complete at 60, as is growth.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
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
func accountsAndSessions() []metric.Family[Status] {
	return []metric.Family[Status]{
		{
			Name: "chat_registered_users", Kind: metric.Gauge, Labels: []string{"domain", "type"},
			Help: "Accounts that exist, by type: native, bridged (made by an application service) or guest; without those that Synapse has deactivated." + cached,
			Read: forDomains(func(d Domain, emit metric.Emit) {
				for _, a := range d.Registered {
					emit(float64(a.Users), d.Name, string(a.Type))
				}
			}),
		},
		{
			Name: "chat_created_users", Kind: metric.Gauge, Labels: []string{"domain", "type"},
			Help: "Accounts created in the 24 hours before the refresh, by type, as far as they exist; without those that Synapse has deactivated." + cached,
			Read: forDomains(func(d Domain, emit metric.Emit) {
				for _, a := range d.Created {
					emit(float64(a.Users), d.Name, string(a.Type))
				}
			}),
		},
		{
			Name: "chat_online_users", Kind: metric.Gauge, Labels: []string{"domain"},
			Help: "Distinct users connected at the last refresh, where the running server tells (Prosody: admin_socket, ejabberd: api_url, MongooseIM: graphql_url)." + cached,
			Read: forDomains(func(d Domain, emit metric.Emit) {
				if d.Online.Known {
					emit(float64(d.Online.Number), d.Name)
				}
			}),
		},
		{
			Name: "chat_damaged_records", Kind: metric.Gauge, Labels: []string{"domain"},
			Help: "Activity records that could not be read and were left out of all figures; the log says where they are." + cached,
			Read: forDomains(func(d Domain, emit metric.Emit) { emit(float64(d.Damaged), d.Name) }),
		},
	}
}

// modules are the families about the parts of a server.
func modules() []metric.Family[Status] {
	return []metric.Family[Status]{
		{
			Name: "chat_module_status", Kind: metric.Gauge, Labels: []string{"domain", "module"},
			Help: "State of a loaded module on Prosody's scale: 0 core, 1 info, 2 warn, 3 error. Global modules have the domain *. " +
				"A module that failed to load is absent: see chat_module_loaded. ejabberd and MongooseIM tell no state: theirs are 0, by host type of MongooseIM." + cached,
			Read: forModules(func(m Module, emit metric.Emit) {
				if m.Loaded {
					emit(float64(m.Status), m.Domain, m.Name)
				}
			}),
		},
		{
			Name: "chat_module_loaded", Kind: metric.Gauge, Labels: []string{"domain", "module"},
			Help: "1 if a required module is loaded, 0 if it is absent; domain * if it was required anywhere and is nowhere." + cached,
			Read: forModules(func(m Module, emit metric.Emit) {
				if m.Required {
					emit(metric.Bool(m.Loaded), m.Domain, m.Name)
				}
			}),
		},
		{
			Name: "chat_module_status_timestamp_seconds", Unit: "seconds", Kind: metric.Gauge,
			Help: "Unix time at which the states of modules were last read.",
			Read: func(s Status, emit metric.Emit) {
				if s.Snapshot != nil && !s.Snapshot.ModulesAt.IsZero() {
					emit(metric.Seconds(s.Snapshot.ModulesAt))
				}
			},
		},
	}
}

// refreshes are the families about the reading itself.
func refreshes() []metric.Family[Status] {
	return []metric.Family[Status]{
		{
			Name: "chat_server_info", Kind: metric.Gauge, Labels: []string{"software", "version", "database"},
			Help: "1, with the server's software, its version where it is recorded, and the storage that is read.",
			Read: func(s Status, emit metric.Emit) {
				if s.Snapshot != nil {
					emit(1, s.Software, s.Snapshot.Version, s.Snapshot.Database)
				}
			},
		},
		{
			Name: "chat_server_up", Kind: metric.Gauge,
			Help: "1 if everything could be read at the last refresh, else 0; the last good values are then kept until they are stale.",
			Read: func(s Status, emit metric.Emit) { emit(metric.Bool(s.Up)) },
		},
		{
			Name: "chat_refresh_duration_seconds", Unit: "seconds", Kind: metric.Gauge,
			Help: "How long the last refresh took, successful or not.",
			Read: func(s Status, emit metric.Emit) {
				if !s.Attempted.IsZero() {
					emit(s.Duration.Seconds())
				}
			},
		},
		{
			Name: "chat_last_refresh_timestamp_seconds", Unit: "seconds", Kind: metric.Gauge,
			Help: "Unix time of the last refresh, successful or not.",
			Read: whenKnown(func(s Status) time.Time { return s.Attempted }),
		},
		{
			Name: "chat_last_refresh_success_timestamp_seconds", Unit: "seconds", Kind: metric.Gauge,
			Help: "Unix time of the last refresh whose figures could be used: the moment that they are true of.",
			Read: whenKnown(func(s Status) time.Time { return s.Succeeded }),
		},
		{
			Name: "chat_history_saved_timestamp_seconds", Unit: "seconds", Kind: metric.Gauge,
			Help: "Unix time of the last refresh that the history on disk holds; absent without a history.",
			Read: whenKnown(func(s Status) time.Time { return s.HistorySaved }),
		},
		{
			Name: "chat_history_failures_total", Kind: metric.Counter,
			Help: "How often the history could not be read or written since the exporter was started; figures go on from memory.",
			Read: func(s Status, emit metric.Emit) { emit(float64(s.HistoryFailures)) },
		},
		{
			Name: "chat_refresh_failures_total", Kind: metric.Counter, Labels: []string{"reason"},
			Help: "Refreshes that failed, or failed in part, since the exporter was started, by reason.",
			Read: func(s Status, emit metric.Emit) {
				for _, r := range failure.Reasons() {
					emit(float64(s.Failures[r]), string(r))
				}
			},
		},
	}
}

func forDomains(read func(Domain, metric.Emit)) func(Status, metric.Emit) {
	return func(s Status, emit metric.Emit) {
		if s.Snapshot == nil {
			return
		}
		for _, d := range s.Snapshot.Domains {
			read(d, emit)
		}
	}
}

func forModules(read func(Module, metric.Emit)) func(Status, metric.Emit) {
	return func(s Status, emit metric.Emit) {
		if s.Snapshot == nil {
			return
		}
		for _, m := range s.Snapshot.Modules {
			read(m, emit)
		}
	}
}

func whenKnown(at func(Status) time.Time) func(Status, metric.Emit) {
	return func(s Status, emit metric.Emit) {
		if t := at(s); !t.IsZero() {
			emit(metric.Seconds(t))
		}
	}
}
