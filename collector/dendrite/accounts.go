package dendrite

import (
	"context"
	"fmt"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// The types of accounts (clientapi/auth/authtypes; userapi/api). Their numbers are
// stored.
const (
	typeUser = iota + 1
	typeGuest
	typeAdmin
	typeService
)

// accountGroup is a number of accounts that are alike.
type accountGroup struct {
	Type                 int
	Service              bool // belongs to an application service (a bridge)
	Bot                  bool // by its name, as configured
	Deactivated, Created bool // created in the last 24 hours
	Accounts             int
}

// accountType is what the accounts are for those who count them. Old databases may
// hold accounts of application services that have the type of a user; an empty
// appservice_id is none.
func (g accountGroup) accountType() (t collector.AccountType, known bool) {
	switch {
	case g.Type == typeGuest:
		return collector.Guest, true
	case g.Type == typeService || g.Service:
		return collector.Bridged, true
	case g.Type == typeUser || g.Type == typeAdmin:
		return collector.Native, true
	}
	return "", false
}

// kind is the same as a kind, which a deactivated account has for itself, and so has a
// native one of a bot.
func (g accountGroup) kind() activity.Kind {
	t, known := g.accountType()
	switch {
	case !known:
		return activity.NoAccount
	case g.Deactivated:
		return activity.Deactivated
	case t == collector.Bridged:
		return activity.Bridged
	case t == collector.Guest:
		return activity.Guest
	case g.Bot:
		return activity.Bot
	}
	return activity.Native
}

// What an account is; its is_deactivated may be NULL.
const (
	ofService     = `CASE WHEN appservice_id <> '' THEN 1 ELSE 0 END`
	isDeactivated = `CASE WHEN is_deactivated THEN 1 ELSE 0 END`
)

// isBot is whether the configuration says so.
func (r *reading) isBot() string {
	return `CASE WHEN ` + r.bots.Match("localpart", "", "", r.Engine) + ` THEN 1 ELSE 0 END`
}

// accountGroups counts all accounts there are.
func (r *reading) accountGroups(ctx context.Context) (groups []accountGroup, err error) {
	// A scan of the table: no index knows these columns.
	query := r.Rebind(`
		SELECT account_type AS type,
		       ` + ofService + ` AS service,
		       ` + isDeactivated + ` AS deactivated,
		       CASE WHEN created_ts > ? THEN 1 ELSE 0 END AS created,
		       ` + r.isBot() + ` AS bot,
		       COUNT(*) AS accounts
		FROM userapi_accounts WHERE server_name = ? GROUP BY 1, 2, 3, 4, 5`)
	err = r.SelectContext(ctx, &groups, query, r.now.Add(-24*time.Hour).UnixMilli(), string(r.server))
	return groups, err
}

// accounts adds the accounts to the domain, and returns the statistics about them as
// Synapse's usage report defines them.
func (r *reading) accounts(ctx context.Context, domain *collector.DomainFacts) (map[string]float64, error) {
	groups, err := r.accountGroups(ctx)
	if err != nil {
		return nil, err
	}
	if domain.AllAccounts, err = r.accountKinds(ctx, groups); err != nil {
		return nil, err
	}
	zero := func() map[collector.AccountType]int {
		return map[collector.AccountType]int{collector.Native: 0, collector.Bridged: 0, collector.Guest: 0}
	}
	domain.Registered, domain.Created = zero(), zero()
	reported := zero() // created, those that were deactivated since as well
	var total, nonbridged int
	for _, g := range groups {
		total += g.Accounts
		t, known := g.accountType()
		if !known {
			continue
		}
		if t != collector.Bridged {
			nonbridged += g.Accounts
		}
		if g.Created {
			reported[t] += g.Accounts
		}
		if g.Deactivated {
			continue
		}
		domain.Registered[t] += g.Accounts
		if g.Created {
			domain.Created[t] += g.Accounts
		}
	}
	statistics := map[string]float64{"total_users": float64(total), "total_nonbridged_users": float64(nonbridged)}
	for t, n := range reported {
		statistics["daily_user_type_"+string(t)] = float64(n)
	}
	return statistics, nil
}

// accountKinds reports the kind of each account; see collector.ReportAccounts. All are
// read when everything is asked for, and at the first Read of a UTC day; if there are
// patterns of bots, also at the first Read of a Reader, for what is remembered may be from
// before they were changed.
func (r *reading) accountKinds(ctx context.Context, groups []accountGroup) (complete bool, err error) {
	var want activity.KindCounts
	for _, g := range groups {
		want[g.kind()] += g.Accounts
	}
	want[activity.NoAccount] = 0
	// Scans of userapi_accounts: no index knows these columns.
	var steps []func() error
	for _, condition := range []string{fmt.Sprintf(`created_ts >= %d`, r.since.Add(-overlap).UnixMilli()), `is_deactivated`} {
		steps = append(steps, func() error { return r.kindsOf(ctx, condition) })
	}
	fresh := r.since.IsZero() || activity.DayOf(r.since) != activity.DayOf(r.now) || r.first && len(r.bots) > 0
	return collector.ReportAccounts(r.rec, r.server, want, fresh, steps, func() error { return r.kindsOf(ctx, `TRUE`) })
}

// kindsOf reports the kinds of the accounts that meet a condition. All activity of an
// account is known if it was created when visits of today's horizon were already
// written.
func (r *reading) kindsOf(ctx context.Context, condition string) error {
	never := int64(0)
	if r.visitsSince != nil {
		never = max(*r.visitsSince, activity.FirstDay(r.now, activity.MaxWindow).Start().UnixMilli())
	}
	query := `SELECT localpart, account_type, ` + ofService + `, ` + isDeactivated + `, ` + r.isBot() + `, created_ts FROM userapi_accounts WHERE server_name = ` + r.literal() + ` AND ` + condition
	return r.Stream(ctx, query, 6, func(row *sqldb.Row) {
		g := accountGroup{Type: int(row.Integer(1)), Service: row.Integer(2) == 1, Deactivated: row.Integer(3) == 1, Bot: row.Integer(4) == 1}
		age := activity.Unremembered
		if r.visitsSince != nil && row.Integer(5) >= never {
			age = activity.Never
		}
		r.rec.Account(r.server, row.Text(0), g.kind(), age)
	})
}
