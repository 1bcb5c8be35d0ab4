package dendrite

import (
	"context"
	"time"

	"active_users_exporter/collector"
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
	Deactivated, Created bool // created in the last 24 hours
	Accounts             int
}

// accountType is what the accounts are for whoever counts them. Old databases may
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

// accountGroups counts all accounts there are.
func (r *reading) accountGroups(ctx context.Context) (groups []accountGroup, err error) {
	// A scan of the table: no index knows these columns. is_deactivated may be NULL.
	query := r.Rebind(`
		SELECT account_type AS type,
		       CASE WHEN appservice_id <> '' THEN 1 ELSE 0 END AS service,
		       CASE WHEN is_deactivated THEN 1 ELSE 0 END AS deactivated,
		       CASE WHEN created_ts > ? THEN 1 ELSE 0 END AS created,
		       COUNT(*) AS accounts
		FROM userapi_accounts WHERE server_name = ? GROUP BY 1, 2, 3, 4`)
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
