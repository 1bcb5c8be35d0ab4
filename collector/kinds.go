package collector

import (
	"slices"
	"time"

	"active_users_exporter/collector/activity"
)

// homeserverKinds are the kinds that users of Matrix homeservers can have, visitingKinds
// those of them whose visits homeservers keep.
func homeserverKinds() []activity.Kind {
	return slices.DeleteFunc(activity.ActiveKinds(), func(k activity.Kind) bool { return k == activity.Anonymous })
}

func visitingKinds() []activity.Kind {
	return []activity.Kind{activity.Native, activity.Bot, activity.Support, activity.Deactivated}
}

// hasSeveralKinds returns false for an XMPP domain whose users are all native, or all
// anonymous.
func (f DomainFacts) hasSeveralKinds() bool { return f.KeepsVisits || f.Guests == SomeGuests }

// kinds returns a number of users by the kind of their accounts. They have been counted
// by kind if there can be several. Those that are listed are there although
// they are none. It returns nil if the kinds are not known.
func (f DomainFacts) kinds(users int, counts activity.KindCounts, listed []activity.Kind) (all []KindUsers) {
	stranger := activity.Bridged // the sender of an application service, who has no account
	switch {
	case !f.hasSeveralKinds() && f.Guests == OnlyGuests:
		return []KindUsers{{activity.Anonymous, users}}
	case !f.hasSeveralKinds():
		return []KindUsers{{activity.Native, users}}
	case !f.AllAccounts:
		return nil
	case !f.KeepsVisits:
		stranger, listed = activity.Anonymous, []activity.Kind{activity.Native, activity.Anonymous}
	}
	listed = slices.DeleteFunc(listed, func(k activity.Kind) bool {
		return k == activity.Bot && !f.MarksBots || k == activity.Support && !f.MarksSupport
	})
	counts[stranger] += counts[activity.NoAccount]
	counts[activity.NoAccount] = 0
	for kind, n := range counts {
		if kind := activity.Kind(kind); n > 0 || slices.Contains(listed, kind) {
			all = append(all, KindUsers{kind, n})
		}
	}
	return all
}

// addDormancy adds the ages of accounts, if all are known and all that was recorded of
// their activity.
func (d *Domain) addDormancy(now time.Time, f DomainFacts, cal *activity.Calendar) {
	if !f.AllAccounts || !f.HasLastSeen || f.KeepsVisits && !f.AllVisits {
		return
	}
	dormancy, known := cal.Dormancy(f.Name, now)
	if natives, counted := f.Registered[Native]; known && counted && dormancy.Accounts() == natives {
		d.Dormancy = &dormancy
	}
}

// ReportAccounts reports the accounts of a homeserver and returns true if those that are
// known are then as many of each kind as are wanted. If fresh is set, or none are known
// yet, it forgets all and reads all. Else it takes the steps one after the other, the
// cheapest first, until the numbers agree, and reads all only if none of them helps:
// somebody has changed what no index knows.
func ReportAccounts(rec activity.Recorder, domain []byte, want activity.KindCounts, fresh bool, steps []func() error, all func() error) (complete bool, err error) {
	agree := func() bool {
		counts, known := rec.Accounts(domain)
		return known && counts == want
	}
	if _, known := rec.Accounts(domain); known && !fresh {
		for _, step := range steps {
			if err := step(); err != nil {
				return false, err
			}
			if agree() {
				return true, nil
			}
		}
	}
	rec.ForgetAccounts(domain)
	if err := all(); err != nil {
		return false, err
	}
	return agree(), nil
}
