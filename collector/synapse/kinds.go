package synapse

import (
	"context"
	"fmt"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// accountKinds reports the kind of each account, and returns true if those that are
// known are then as many of each kind as there are in the database.
//
// All are read when everything is asked for, and at the first Read of a UTC day. At
// others only those that were created since, then, if the numbers still differ,
// those that are deactivated, and only then all of them: somebody has changed the
// type of an account, or has activated one again.
func (r *reading) accountKinds(ctx context.Context, groups []accountGroup) (complete bool, err error) {
	if !r.extras.kinds.readable {
		return false, nil
	}
	var want activity.KindCounts
	for _, g := range groups {
		want[g.Kind] += g.Accounts
	}
	agree := func() bool {
		counts, known := r.rec.Accounts(r.server)
		return known && counts == want
	}
	_, known := r.rec.Accounts(r.server)
	if known && !r.since.IsZero() && activity.DayOf(r.since) == activity.DayOf(r.now) {
		// By index users_creation_ts (creation_ts), and by a scan of users.
		steps := []string{fmt.Sprintf(`creation_ts >= %d`, r.since.Add(-overlap).Unix()), `deactivated <> 0`}
		if !r.extras.created.readable {
			steps = steps[1:]
		}
		for _, step := range steps {
			if err := r.kindsOf(ctx, step); err != nil {
				return false, err
			}
			if agree() {
				return true, nil
			}
		}
	}
	r.rec.ForgetAccounts(r.server)
	if err := r.kindsOf(ctx, `name IS NOT NULL`); err != nil { // a scan of users
		return false, err
	}
	return agree(), nil
}

// kindsOf reports the kinds of the accounts that meet a condition. All activity of an
// account is known if it was created when visits of today's horizon were already
// written.
func (r *reading) kindsOf(ctx context.Context, condition string) error {
	traced := "0"
	if r.extras.created.readable && r.visitsSince != nil {
		first := max(*r.visitsSince/time.Second.Milliseconds(), activity.FirstDay(r.now, activity.MaxWindow).Start().Unix())
		traced = fmt.Sprintf(`CASE WHEN creation_ts >= %d THEN 1 ELSE 0 END`, first)
	}
	return r.Stream(ctx, `SELECT name, `+kindColumn+`, `+traced+` FROM users WHERE `+condition, 3, func(row *sqldb.Row) {
		r.rec.Account(r.server, row.Text(0), activity.Kind(row.Integer(1)), row.Integer(2) == 1)
	})
}
