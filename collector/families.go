package collector

import (
	"slices"
	"strconv"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/metric"
)

// families are the metric families of every chat server, in the order in which the
// documentation lists them. What only one kind of server has is in its own folder.
func families() []metric.Family[Status] {
	return slices.Concat(activeUsers(), returningUsers(), lifecycles(), habits(), registered(), messages(), records(), modules(), refreshes())
}

// owner labels their samples with the configured name of the server.
func owner() metric.Owner[Status] {
	return metric.Owner[Status]{Label: "server", Name: func(s Status) string { return s.Server }}
}

// activeUsers are the families about who is there.
func activeUsers() []metric.Family[Status] {
	return []metric.Family[Status]{
		{
			Name: "chat_active_users", Kind: metric.Gauge, Labels: []string{"domain", "window"},
			Help: "Distinct users whose last activity lies within the window before the refresh: 1d is DAU, 7d is WAU, 30d is MAU. Do not add up windows.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				for _, a := range d.Active {
					emit(float64(a.Users), d.Name, a.Window.String())
				}
			}),
		},
		{
			Name: "chat_active_client_users", Kind: metric.Gauge, Labels: []string{"domain", "client", "window"},
			Help: "Distinct users of chat_active_users by class of client. A user of two clients counts in both classes: do not add them up.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				for _, a := range d.Active {
					for _, c := range a.Clients {
						emit(float64(c.Users), d.Name, c.Client, a.Window.String())
					}
				}
			}),
		},
		{
			Name: "chat_active_type_users", Kind: metric.Gauge, Labels: []string{"domain", "type", "window"},
			Help: "Users of chat_active_users by type of account: native, bridged, guest, bot, support, deactivated or anonymous. Each has one type: they add up to chat_active_users.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				for _, a := range d.Active {
					for _, k := range a.Kinds {
						emit(float64(k.Users), d.Name, k.Kind.String(), a.Window.String())
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
			Help: "Users with two daily visits more than 30 days apart within the last 60 days, over all clients (Synapse's r30v2_users_all).",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				if d.Retention != nil {
					emit(float64(d.Retention.Users), d.Name)
				}
			}),
		},
		{
			Name: "chat_r30v2_client_users", Kind: metric.Gauge, Labels: []string{"domain", "client"},
			Help: "Users with two daily visits of one class of client more than 30 days apart within the last 60 days (Synapse's r30v2_users_android and so on).",
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
			Name: "chat_r30v2_type_users", Kind: metric.Gauge, Labels: []string{"domain", "type"},
			Help: "Users of chat_r30v2_users by type of account, as in chat_active_type_users. Each has one type: they add up to chat_r30v2_users.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				if d.Retention == nil {
					return
				}
				for _, k := range d.Retention.Kinds {
					emit(float64(k.Users), d.Name, k.Kind.String())
				}
			}),
		},
		{
			Name: "chat_growth_users", Kind: metric.Gauge, Labels: []string{"domain", "state"},
			Help: "30-day growth accounting by UTC days: active now = active 30 days ago + new + resurrected - churned; retained users are in both periods.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				if g := d.Growth; g != nil {
					emitCell(emit, g.New, d.Name, "new")
					emitCell(emit, g.Retained, d.Name, "retained")
					emitCell(emit, g.Resurrected, d.Name, "resurrected")
					emitCell(emit, g.Churned, d.Name, "churned")
					emitFew(emit, g.Few, d.Name, activity.FewName)
				}
			}),
		},
	}
}

// lifecycles are the families about newcomers and those who stay away, by intervals,
// and about calendar months.
func lifecycles() []metric.Family[Status] {
	return []metric.Family[Status]{
		{
			Name: "chat_lifecycle_users", Kind: metric.Gauge, Labels: []string{"domain", "interval", "state"},
			Help: "Growth accounting of 1, 7 and 28 UTC days: active now = active in the interval before + new + resurrected - dormant; retained are in both.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				for _, l := range d.Lifecycles {
					interval := strconv.Itoa(l.Days) + "d"
					emitCell(emit, l.New, d.Name, interval, "new")
					emitCell(emit, l.Retained, d.Name, interval, "retained")
					emitCell(emit, l.Resurrected, d.Name, interval, "resurrected")
					emitCell(emit, l.Dormant, d.Name, interval, "dormant")
					emitFew(emit, l.Few, d.Name, interval, activity.FewName)
				}
			}),
		},
		{
			Name: "chat_month_users", Kind: metric.Gauge, Labels: []string{"domain", "month"},
			Help: "Distinct users of a UTC calendar month, for the last 13 months that the history covers from the first day on; the running month up to now.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				for _, m := range d.Months {
					emit(float64(m.Users), d.Name, m.First.Start().Format("2006-01"))
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
			Help: "Users by the number of UTC days on which they came within the last 28 days, today included (L28).",
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
						if slices.Contains(HabitBounds(), days) {
							buckets[float64(days)] = count
						}
					}
					observe(count, sum, buckets, d.Name)
				})(s, nil)
			},
		},
		{
			Name: "chat_cohort_users", Kind: metric.Gauge, Labels: []string{"domain", "cohort", "week"},
			Help: "Users who came for the first time in the week that began on the Monday \"cohort\" and came again \"week\" weeks later; with --cohorts.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				for _, c := range d.Cohorts {
					for week, users := range c.Users {
						emitCell(emit, users, d.Name, c.Week.String(), strconv.Itoa(week))
					}
				}
				for week, users := range d.FewCohorts {
					emitFew(emit, users, d.Name, activity.FewName, strconv.Itoa(week))
				}
			}),
		},
		{
			Name: "chat_history_days", Kind: metric.Gauge, Labels: []string{"domain"},
			Help: "UTC days, today included, for which daily visits are known. Retention needs 32 days and is complete at 60, growth needs 60.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				if d.History.Known {
					emit(float64(d.History.Number), d.Name)
				}
			}),
		},
	}
}

// HabitBounds are the upper bounds of chat_l28_activity, in days.
func HabitBounds() []int { return []int{1, 2, 3, 5, 7, 10, 14, 21, 28} }

// registered are the families about those who may come.
func registered() []metric.Family[Status] {
	return []metric.Family[Status]{
		{
			Name: "chat_registered_users", Kind: metric.Gauge, Labels: []string{"domain", "type"},
			Help: "Accounts that exist, by type: native, bridged (made by an application service) or guest; deactivated accounts are left out.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				for _, a := range d.Registered {
					emit(float64(a.Users), d.Name, string(a.Type))
				}
			}),
		},
		{
			Name: "chat_created_users", Kind: metric.Gauge, Labels: []string{"domain", "type"},
			Help: "Accounts created in the 24 hours before the refresh that still exist, by type; deactivated accounts are left out.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				for _, a := range d.Created {
					emit(float64(a.Users), d.Name, string(a.Type))
				}
			}),
		},
		{
			Name: "chat_dormant_users", Kind: metric.Gauge, Labels: []string{"domain", "age"},
			Help: "Native accounts by time since they were last seen; never: not since they were created; unknown: not as far back as records go. They add up to chat_registered_users.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				if d.Dormancy != nil {
					for i, age := range activity.DormancyAges() {
						emitCell(emit, d.Dormancy[i], d.Name, age)
					}
					emitFew(emit, d.FewDormant, d.Name, activity.FewName)
				}
			}),
		},
	}
}

// records are the families about who is connected, and about what the server records.
func records() []metric.Family[Status] {
	return []metric.Family[Status]{
		{
			Name: "chat_online_users", Kind: metric.Gauge, Labels: []string{"domain"},
			Help: "Distinct users connected at the last refresh, where the running server reports it.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				if d.Online.Known {
					emit(float64(d.Online.Number), d.Name)
				}
			}),
		},
		{
			Name: "chat_online_known", Kind: metric.Gauge,
			Help: "1 if the running server told at the last refresh who is connected, else 0: people who stay connected may then be missing. Absent for servers that record activity at once.",
			Read: func(s Status, emit metric.Emit) {
				if s.Online != OnlineNotApplicable {
					emit(metric.Bool(s.Online == OnlineKnown))
				}
			},
		},
		{
			Name: "chat_activity_recorded", Kind: metric.Gauge, Labels: []string{"domain"},
			Help: "1 if some store records the activity of the domain, 0 if none does, so that nobody can be counted; check-config names what is missing.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				if recorded, known := d.ActivityRecorded(); known {
					emit(metric.Bool(recorded), d.Name)
				}
			}),
		},
		{
			Name: "chat_damaged_records", Kind: metric.Gauge, Labels: []string{"domain"},
			Help: "Activity records that could not be read and are left out of all figures. The log says where they are.",
			Read: forDomains(func(d Domain, emit metric.Emit) { emit(float64(d.Damaged), d.Name) }),
		},
	}
}

// modules are the families about the parts of a server.
func modules() []metric.Family[Status] {
	return []metric.Family[Status]{
		{
			Name: "chat_module_status", Kind: metric.Gauge, Labels: []string{"domain", "module"},
			Help: "State of a loaded module on Prosody's scale: 0 core, 1 info, 2 warn, 3 error. Global modules have the domain *.",
			Read: forModules(func(m Module, emit metric.Emit) {
				if m.Loaded {
					emit(float64(m.Status), m.Domain, m.Name)
				}
			}),
		},
		{
			Name: "chat_module_loaded", Kind: metric.Gauge, Labels: []string{"domain", "module"},
			Help: "1 if a required module is loaded, 0 if it is absent. The domain is * if the module is required on any domain and is on none.",
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
			Help: "1, with the software of the chat server, its version if it is recorded, and the storage that is read.",
			Read: func(s Status, emit metric.Emit) {
				if s.Snapshot != nil {
					emit(1, s.Software, s.Snapshot.Version, s.Snapshot.Database)
				}
			},
		},
		{
			Name: "chat_server_up", Kind: metric.Gauge,
			Help: "1 if the last refresh could read everything, else 0. The last good figures stay until they are stale.",
			Read: func(s Status, emit metric.Emit) { emit(metric.Bool(s.Up)) },
		},
		{
			Name: "chat_refresh_duration_seconds", Unit: "seconds", Kind: metric.Gauge,
			Help: "Duration of the last refresh, successful or not.",
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
			Help: "Unix time of the last refresh that gave figures: the moment for which they are true.",
			Read: whenKnown(func(s Status) time.Time { return s.Succeeded }),
		},
		{
			Name: "chat_history_saved_timestamp_seconds", Unit: "seconds", Kind: metric.Gauge,
			Help: "Unix time of the last refresh that is in the history on disk; absent without a history.",
			Read: whenKnown(func(s Status) time.Time { return s.HistorySaved }),
		},
		{
			Name: "chat_history_failures_total", Kind: metric.Counter,
			Help: "Failures to read or write the history since the exporter started. Figures continue from memory.",
			Read: func(s Status, emit metric.Emit) { emit(float64(s.HistoryFailures)) },
		},
		{
			Name: "chat_refresh_failures_total", Kind: metric.Counter, Labels: []string{"reason"},
			Help: "Refreshes that failed, wholly or in part, since the exporter started, by reason.",
			Read: func(s Status, emit metric.Emit) {
				for _, r := range failure.Reasons() {
					emit(float64(s.Failures[r]), string(r))
				}
			},
		},
	}
}

// emitCell emits a number of people unless it is part of few.
func emitCell(emit metric.Emit, users int, labels ...string) {
	if users != activity.Merged {
		emit(float64(users), labels...)
	}
}

// emitFew emits the people of cells that were merged, if there are any.
func emitFew(emit metric.Emit, users int, labels ...string) {
	if users > 0 {
		emit(float64(users), labels...)
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
