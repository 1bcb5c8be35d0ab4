package synapse

import (
	"context"
	"fmt"
	"slices"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// accountKinds reports the kinds of accounts as far as they are not known yet, and returns
// true if those that are known are then as many of each kind as there are in the database.
//
// It reads those that were created since the last Read, then, if the numbers still differ,
// those that are deactivated, and only then all of them: somebody has changed the type of
// an account, or has activated one again.
func (r *reading) accountKinds(ctx context.Context, groups []accountGroup) (complete bool, err error) {
	if !r.extras.kinds.readable {
		return false, nil
	}
	report := func(where string) func() error {
		return func() error {
			_, err := r.readAccounts(ctx, where)
			return err
		}
	}
	steps := []func() error{report(`WHERE deactivated <> 0`)} // a scan of users
	if r.extras.created.readable {
		// By index users_creation_ts (creation_ts).
		steps = slices.Insert(steps, 0, report(fmt.Sprintf(`WHERE creation_ts >= %d`, r.since.Add(-overlap).Unix())))
	}
	return collector.ReportAccounts(r.rec, r.server, wanted(groups), false, steps, report(""))
}

// kindsExpired says that the kinds of all accounts are read, whatever is known of them: when
// everything is asked for, at the first Read of a UTC day, and if other patterns of bots
// were known before, or the right to read when accounts were created is another one.
func (r *reading) kindsExpired(last accountCount) bool {
	return r.extras.kinds.readable && (r.beginsDay() || last.Bots != r.botsSum() || last.ByTime != r.extras.created.readable)
}

// wanted are the numbers of accounts by kind.
func wanted(groups []accountGroup) (want activity.KindCounts) {
	for _, g := range groups {
		want[g.Kind] += g.Accounts
	}
	return want
}

// readAccounts reports the kinds of the accounts that meet a condition, and counts them. If
// kinds cannot be read, it counts alone. All activity of an account is known if it was
// created when visits of today's horizon were already written.
func (r *reading) readAccounts(ctx context.Context, where string) ([]accountGroup, error) {
	if !r.extras.kinds.readable {
		return r.countAccounts(ctx, where)
	}
	traced := "0"
	if r.extras.created.readable && r.visitsSince != nil {
		first := max(*r.visitsSince/time.Second.Milliseconds(), activity.FirstDay(r.now, activity.MaxWindow).Start().Unix())
		traced = fmt.Sprintf(`CASE WHEN creation_ts >= %d THEN 1 ELSE 0 END`, first)
	}
	number := make(accountNumbers)
	err := r.Stream(ctx, `SELECT name, `+r.accountCode()+`, `+traced+` FROM users `+where, 3, func(row *sqldb.Row) {
		number[row.Integer(1)]++
		age := activity.Unremembered
		if row.Integer(2) == 1 {
			age = activity.Never
		}
		if name := row.Text(0); name != nil {
			r.rec.Account(r.server, name, accountGroupOf(row.Integer(1)).Kind, age)
		}
	})
	return number.groups(), err
}
