package synapse

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"active_users_exporter/collector"
	"active_users_exporter/collector/sqldb"
)

// serverName returns the homeserver's name. Synapse stores it nowhere as such,
// but every account's name ends with it, after the first colon. It is empty if
// it was not told and there are no accounts yet.
func (r *Reader) serverName(ctx context.Context, view sqldb.View) (string, error) {
	if r.options.ServerName != "" {
		return r.options.ServerName, nil
	}
	var account string
	// One row, by any plan.
	err := view.GetContext(ctx, &account, `SELECT name FROM users WHERE name IS NOT NULL LIMIT 1`)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	_, server, _ := strings.Cut(account, ":")
	return server, err
}

// accounts counts the accounts that have not been deactivated. Guests are
// guests whoever made them; an empty appservice_id means none, as in Synapse's
// own gauge synapse_non_deactivated_user_count (unlike its usage report, where
// only NULL does).
func accounts(ctx context.Context, view sqldb.View) (map[collector.AccountType]int, error) {
	// A scan of users: no index knows these columns, and the table is small
	// beside all others.
	const query = `
		SELECT CASE WHEN is_guest = 1 THEN 'guest'
		            WHEN appservice_id IS NULL OR appservice_id = '' THEN 'native'
		            ELSE 'bridged' END AS type,
		       COUNT(*) AS accounts
		FROM users WHERE deactivated = 0 GROUP BY 1`
	var rows []struct {
		Type     collector.AccountType
		Accounts int
	}
	if err := view.SelectContext(ctx, &rows, query); err != nil {
		return nil, err
	}
	counts := map[collector.AccountType]int{collector.Native: 0, collector.Bridged: 0, collector.Guest: 0}
	for _, row := range rows {
		counts[row.Type] = row.Accounts
	}
	return counts, nil
}
