package mas

import (
	"maps"
	"slices"
	"strings"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/metric"
)

// Moment implements collector.Lasting.
func (f *Figures) Moment() time.Time { return f.At }

// NewCollector returns a collector of what the MAS beside each homeserver knows.
func NewCollector(statuses func() []collector.Status) metric.Described {
	owner := metric.Owner[subject]{Label: "server", Name: func(s subject) string { return s.Server }}
	return metric.NewCollector(owner, func() []subject { return collector.Specials[*Figures](statuses()) }, families())
}

type subject = collector.Special[*Figures]

func families() []metric.Family[subject] {
	return []metric.Family[subject]{
		{
			Name: "mas_active_users", Kind: metric.Gauge, Labels: []string{"domain", "kind", "window"},
			Help: "Distinct users by MAS' sessions whose last activity lies within the window; kind matrix is any session for Matrix. Not the homeserver's figure.",
			Read: byActivity(func(f *Figures) map[Activity]int { return f.Active }),
		},
		{
			Name: "mas_active_client_users", Kind: metric.Gauge, Labels: []string{"domain", "client_name", "window"},
			Help: "Distinct users by the client that MAS signed in, within the window: names of static clients and of configured rules, compat, personal, other.",
			Read: byActivity(func(f *Figures) map[Activity]int { return f.Clients }),
		},
		{
			Name: "mas_sessions", Kind: metric.Gauge, Labels: []string{"domain", "kind", "rights"},
			Help: "Open sessions of MAS by kind; rights admin for an administrator's scope or right, else user.",
			Read: func(s subject, emit metric.Emit) {
				for session, n := range s.Value.Sessions {
					emit(float64(n), s.Value.Domain, session.Kind, session.Rights)
				}
			},
		},
		{
			Name: "mas_accounts", Kind: metric.Gauge, Labels: []string{"domain", "state"},
			Help: "Accounts of MAS by state: active, locked or deactivated. They add up to all accounts.",
			Read: byName(func(f *Figures) map[string]int { return f.Accounts }),
		},
		{
			Name: "mas_created_accounts", Kind: metric.Gauge, Labels: []string{"domain"},
			Help: "Accounts of MAS created in the 24 hours before the refresh.",
			Read: single(func(f *Figures) *int { return f.Created }),
		},
		{
			Name: "mas_accounts_without_password", Kind: metric.Gauge, Labels: []string{"domain"},
			Help: "Accounts of MAS that are not deactivated and have no password.",
			Read: single(func(f *Figures) *int { return f.WithoutPassword }),
		},
		{
			Name: "mas_registrations", Kind: metric.Gauge, Labels: []string{"domain", "step"},
			Help: "Registrations started and completed in the 24 hours before the refresh, and those of the last 30 days abandoned for more than an hour.",
			Read: byName(func(f *Figures) map[string]int { return f.Registrations }),
		},
		{
			Name: "mas_linked_accounts", Kind: metric.Gauge, Labels: []string{"domain", "provider"},
			Help: "Accounts of MAS that are not deactivated and are linked to an identity provider. An account may be linked to several.",
			Read: byName(func(f *Figures) map[string]int { return f.Linked }),
		},
	}
}

func byActivity(of func(*Figures) map[Activity]int) func(subject, metric.Emit) {
	return func(s subject, emit metric.Emit) {
		for a, n := range of(s.Value) {
			emit(float64(n), s.Value.Domain, a.Name, a.Window.String())
		}
	}
}

func byName(of func(*Figures) map[string]int) func(subject, metric.Emit) {
	return func(s subject, emit metric.Emit) {
		values := of(s.Value)
		for _, name := range slices.SortedFunc(maps.Keys(values), strings.Compare) {
			emit(float64(values[name]), s.Value.Domain, name)
		}
	}
}

func single(of func(*Figures) *int) func(subject, metric.Emit) {
	return func(s subject, emit metric.Emit) {
		if n := of(s.Value); n != nil {
			emit(float64(*n), s.Value.Domain)
		}
	}
}
