package synapse

import (
	"context"
	"fmt"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// accountKinds reports the kind of each account, and returns true if those that are
// known are then as many of each kind as there are in the database.
//
// All are read when everything is asked for, and at the first Read of a UTC day; if there
// are patterns of bots, also at the first Read of a Reader, for what is remembered may be
// from before they were changed. At others only those that were created since, then, if
// the numbers still differ, those that are deactivated, and only then all of them:
// somebody has changed the type of an account, or has activated one again.
func (r *reading) accountKinds(ctx context.Context, groups []accountGroup, first bool) (complete bool, err error) {
	if !r.extras.kinds.readable {
		return false, nil
	}
	steps := []func() error{
		func() error { return r.newKinds(ctx) },
		func() error { return r.kindsOf(ctx, `deactivated <> 0`) }, // a scan of users
	}
	fresh := r.since.IsZero() || activity.DayOf(r.since) != activity.DayOf(r.now) || first && len(r.bots) > 0
	all := func() error { return r.kindsOf(ctx, `name IS NOT NULL`) } // a scan of users
	return collector.ReportAccounts(r.rec, r.server, wanted(groups), fresh, steps, all)
}

// newKinds reports the kinds of the accounts that were created since the last Read.
func (r *reading) newKinds(ctx context.Context) error {
	if !r.extras.created.readable {
		return nil
	}
	// By index users_creation_ts (creation_ts).
	return r.kindsOf(ctx, fmt.Sprintf(`creation_ts >= %d`, r.since.Add(-overlap).Unix()))
}

// wanted are the numbers of accounts by kind.
func wanted(groups []accountGroup) (want activity.KindCounts) {
	for _, g := range groups {
		want[g.Kind] += g.Accounts
	}
	return want
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
	return r.Stream(ctx, `SELECT name, `+kindColumn(r.made())+`, `+traced+` FROM users WHERE `+condition, 3, func(row *sqldb.Row) {
		age := activity.Unremembered
		if row.Integer(2) == 1 {
			age = activity.Never
		}
		r.rec.Account(r.server, row.Text(0), activity.Kind(row.Integer(1)), age)
	})
}
