package synapse

import (
	"context"
	"fmt"
	"maps"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/usagereport"
)

// usage adds the accounts and the statistics of Synapse's usage report that are
// not counted from activity (synapse/app/phone_stats_home.py, 1.160).
func (r *reading) usage(ctx context.Context, domain *collector.DomainFacts) (*usagereport.Homeserver, error) {
	engine := "psycopg2" // Synapse names the driver
	if r.Engine == sqldb.SQLite {
		engine = "sqlite3"
	}
	h := &usagereport.Homeserver{
		Name:       domain.Name,
		Software:   usagereport.Synapse,
		Statistics: make(map[string]float64),
		Info:       map[string]string{"database_engine": engine, "database_server_version": r.Version},
	}
	groups, kindsKnown, err := r.accounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("count accounts in users: %w", err)
	}
	domain.AllAccounts = kindsKnown
	r.addAccounts(domain, h.Statistics, groups)
	if err := r.rooms(ctx, h); err != nil {
		return nil, err
	}
	if r.extras.events.readable {
		if err := r.messages(ctx, h.Statistics); err != nil {
			return nil, fmt.Errorf("count the messages of a day in events: %w", err)
		}
	} else { // what was known grows old
		r.rec.Messages(r.server).Forget()
	}
	if r.extras.limitMAU.readable {
		if h.LimitMAU, err = r.limitMAU(ctx); err != nil {
			return nil, fmt.Errorf("count monthly_active_users: %w", err)
		}
	}
	return h, nil
}

func (r *reading) addAccounts(domain *collector.DomainFacts, statistics map[string]float64, groups []accountGroup) {
	zero := func() map[collector.AccountType]int {
		return map[collector.AccountType]int{collector.Native: 0, collector.Bridged: 0, collector.Guest: 0}
	}
	domain.Registered, domain.Created = zero(), zero()
	reported := zero()
	var total, nonbridged int
	for _, g := range groups {
		total += g.Accounts
		if g.Service == noService {
			nonbridged += g.Accounts
		}
		if t, ok := g.reported(); ok && g.Created {
			reported[t] += g.Accounts
		}
		if g.Deactivated {
			continue
		}
		domain.Registered[g.accountType()] += g.Accounts
		if g.Created {
			domain.Created[g.accountType()] += g.Accounts
		}
	}
	statistics["total_users"] = float64(total)
	statistics["total_nonbridged_users"] = float64(nonbridged)
	if !r.extras.created.readable {
		domain.Created = nil
		return
	}
	for t, n := range reported {
		statistics["daily_user_type_"+string(t)] = float64(n)
	}
}

// limitMAU counts the table by which Synapse limits monthly active users, which
// it fills only under limit_usage_by_mau or mau_stats_only: native users as its
// gauge synapse_admin_mau_current does, those of application services apart.
// It is nil for a table that is empty or that Synapse no longer keeps.
func (r *reading) limitMAU(ctx context.Context) (map[string]int, error) {
	const kept = 30*24*time.Hour + time.Hour // Synapse's own rule, applied once an hour
	var newest *int64
	// The end of index monthly_active_users_time_stamp (timestamp).
	if err := r.GetContext(ctx, &newest, `SELECT MAX(timestamp) FROM monthly_active_users`); err != nil {
		return nil, err
	}
	if newest == nil || r.now.Sub(time.UnixMilli(*newest)) > kept {
		return nil, nil
	}
	var counts struct{ Total, Bridged int }
	// A scan of the table, joined by the unique index of users.name.
	const query = `
		SELECT COUNT(*) AS total, COUNT(CASE WHEN users.appservice_id <> '' THEN 1 END) AS bridged
		FROM monthly_active_users LEFT JOIN users ON users.name = monthly_active_users.user_id`
	if err := r.GetContext(ctx, &counts, query); err != nil {
		return nil, err
	}
	return map[string]int{string(collector.Native): counts.Total - counts.Bridged, string(collector.Bridged): counts.Bridged}, nil
}

// addConfigured adds what Synapse's configuration says.
func (r *Reader) addConfigured(h *usagereport.Homeserver) {
	if c := r.options.Configured; c != nil {
		h.Info["server_context"] = c.ServerContext
		h.Statistics["cache_factor"] = c.CacheFactor
		h.Statistics["event_cache_size"] = float64(c.EventCacheSize)
	}
}

// withActivity returns the usage statistics together with those that are counted
// from activity, as Synapse's own report has them: last-seen times that the server
// has pruned do not count, even where they are known, so its monthly_active_users
// is cut at user_ips_max_age.
func withActivity(h usagereport.Homeserver, now, lastSeenSince time.Time, cal *activity.Calendar) usagereport.Homeserver {
	h.Statistics = maps.Clone(h.Statistics)
	for name, w := range map[string]activity.Window{
		"daily_active_users":   activity.Daily(),
		"monthly_active_users": activity.Monthly(),
	} {
		after := w.Since(now)
		if first := lastSeenSince.Add(-time.Millisecond); first.After(after) {
			after = first
		}
		h.Statistics[name] = float64(cal.ActiveAfter(h.Name, after, time.Time{}).Users)
	}
	retention := cal.Retention(h.Name, now)
	h.Statistics["r30v2_users_all"] = float64(retention.Users)
	for class, name := range activity.SynapseNames() {
		if name != "unknown" { // Synapse computes it and throws it away
			h.Statistics["r30v2_users_"+name] = float64(retention.Synapse[class])
		}
	}
	return h
}
