package collector

import (
	"math/rand/v2"

	"active_users_exporter/collector/activity"
)

// InventedStatus returns the status of a server with a domain of arbitrary numbers, shown
// with a minimum.
func InventedStatus(seed int64, minimum activity.Minimum) Status {
	r := rand.New(rand.NewPCG(uint64(seed), 7))
	people := func() int { return r.IntN(4) * r.IntN(8) }
	clients := func() (all []ClientUsers) {
		for _, name := range activity.SynapseNames() {
			all = append(all, ClientUsers{name, people()})
		}
		return all
	}
	kinds := func() (all []KindUsers, users int) {
		for _, kind := range homeserverKinds() {
			all = append(all, KindUsers{kind, people()})
			users += all[len(all)-1].Users
		}
		return all, users
	}
	d := Domain{
		Name:       "example.org",
		Growth:     &activity.Growth{New: people(), Retained: people(), Resurrected: people(), Churned: people()},
		Lifecycles: []activity.Lifecycle{{Days: 7, New: people(), Retained: people(), Resurrected: people(), Dormant: people()}},
		Habit:      new([activity.HabitDays + 1]int), Retention: &Retention{Clients: clients()}, Dormancy: new(activity.Dormancy),
		Created: []Accounts{{Bridged, people()}, {Guest, people()}, {Native, people()}},
	}
	for _, w := range activity.DefaultWindows() {
		a := ActiveUsers{Window: w, Clients: clients()}
		a.Kinds, a.Users = kinds()
		d.Active = append(d.Active, a)
	}
	d.Retention.Kinds, d.Retention.Users = kinds()
	for i := range d.Dormancy {
		d.Dormancy[i] = people()
	}
	d.Registered = []Accounts{{Bridged, people()}, {Guest, people()}, {Native, d.Dormancy.Accounts()}}
	for week := range 4 {
		c := activity.Cohort{Week: activity.Day(20_000 + 7*week)}
		for range 4 - week {
			c.Users = append(c.Users, people())
		}
		d.Cohorts = append(d.Cohorts, c)
	}
	s := &Snapshot{Domains: []Domain{d}}
	s.withMinimum(minimum)
	return Status{Server: "matrix", Up: true, Snapshot: s}
}
