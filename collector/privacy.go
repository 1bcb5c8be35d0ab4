package collector

import (
	"slices"

	"active_users_exporter/collector/activity"
)

// A Splitting value splits people into cells, as those of Facts.Special do. It is never
// changed: withMinimum shows a copy.
type Splitting interface {
	// WithMinimum returns a value of the same type without cells that are too small.
	WithMinimum(minimum int) any
}

// withMinimum merges the small cells of everything that splits people in a snapshot that
// is being made: this is the one place where it is done for all that shows snapshots.
func (s *Snapshot) withMinimum(m activity.Minimum) {
	s.minimum = m
	if m <= 1 {
		return
	}
	for i := range s.Domains {
		s.Domains[i].withMinimum(m)
	}
	for i, special := range s.Special {
		if splitting, ok := special.(Splitting); ok {
			s.Special[i] = splitting.WithMinimum(int(m))
		}
	}
}

func (d *Domain) withMinimum(m activity.Minimum) {
	for i := range d.Active {
		d.Active[i].Clients = mergeClients(m, d.Active[i].Clients)
		d.Active[i].Kinds = mergeKinds(m, d.Active[i].Kinds)
	}
	if d.Retention != nil {
		d.Retention.Clients = mergeClients(m, d.Retention.Clients)
		d.Retention.Kinds = mergeKinds(m, d.Retention.Kinds)
	}
	if d.Growth != nil {
		m.HideGrowth(d.Growth)
	}
	for i := range d.Lifecycles {
		m.HideLifecycle(&d.Lifecycles[i])
	}
	if d.Habit != nil {
		m.MergeDays(d.Habit)
	}
	d.FewCohorts = m.MergeCohorts(d.Cohorts)
	natives := func(all []Accounts) bool {
		return slices.ContainsFunc(all, func(a Accounts) bool { return a.Type == Native })
	}
	shown := natives(d.Registered)
	d.Registered, d.Created = mergeAccounts(m, d.Registered), mergeAccounts(m, d.Created)
	switch {
	case d.Dormancy == nil:
	case shown && !natives(d.Registered): // the ages add up to a number that is merged
		d.Dormancy = nil
	default:
		cells := make([]*int, len(d.Dormancy))
		for i := range d.Dormancy {
			cells[i] = &d.Dormancy[i]
		}
		d.FewDormant = m.Hide(cells...)
	}
}

func mergeClients(m activity.Minimum, all []ClientUsers) []ClientUsers {
	return activity.MergeList(m, all, func(c ClientUsers) int { return c.Users }, func(n int) ClientUsers { return ClientUsers{activity.FewName, n} })
}

func mergeKinds(m activity.Minimum, all []KindUsers) []KindUsers {
	return activity.MergeList(m, all, func(k KindUsers) int { return k.Users }, func(n int) KindUsers { return KindUsers{activity.FewKinds, n} })
}

func mergeAccounts(m activity.Minimum, all []Accounts) []Accounts {
	return activity.MergeList(m, all, func(a Accounts) int { return a.Users }, func(n int) Accounts { return Accounts{activity.FewName, n} })
}

// withMinimum merges the small cells of a timeline. Weeks with a cell that would have to be
// hidden are left out.
func (t *Timeline) withMinimum(m activity.Minimum) {
	if m <= 1 {
		return
	}
	t.Weeks = slices.DeleteFunc(t.Weeks, func(w activity.WeekGrowth) bool {
		return m.Small(w.New) || m.Small(w.Back) || m.Small(w.Gone) || m.Small(w.Active-w.New-w.Back)
	})
	t.FewCohorts = m.MergeCohorts(t.Cohorts)
}
