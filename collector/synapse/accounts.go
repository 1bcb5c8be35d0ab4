package synapse

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// serverName returns the homeserver's name. Synapse stores it nowhere as such,
// but every account's name ends with it, after the first colon. It is empty if
// it is not configured and there are no accounts yet.
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

// How an account belongs to an application service (a bridge). An empty
// appservice_id is none for Synapse's gauge synapse_non_deactivated_user_count,
// but some for its usage report, which looks at NULL alone.
const (
	noService = iota
	emptyService
	someService
)

// accountGroup is a number of accounts that are alike.
type accountGroup struct {
	Guest, Service       int
	Deactivated, Created bool // created in the last 24 hours
	Kind                 activity.Kind
	Accounts             int
}

// kindColumn is the kind of an account: the types of chat_registered_users, with
// natives by what administrators have made of them (users.user_type). Synapse lets
// them invent other types, which are natives here.
const kindColumn = `CASE WHEN deactivated <> 0 THEN 6 WHEN is_guest = 1 THEN 3 WHEN appservice_id <> '' THEN 2
	WHEN user_type = 'bot' THEN 4 WHEN user_type = 'support' THEN 5 ELSE 1 END`

// accountGroups counts all accounts there are. Created means later than now −
// 24 h, in whole seconds; moments in the future count, as for Synapse.
func (r *reading) accountGroups(ctx context.Context) (groups []accountGroup, err error) {
	// A scan of users: no index knows these columns, and the table is small
	// beside all others.
	created := "creation_ts"
	if !r.extras.created.readable {
		created = "NULL"
	}
	kind := kindColumn
	if !r.extras.kinds.readable {
		kind = "0"
	}
	query := r.Rebind(`
		SELECT COALESCE(is_guest, 0) AS guest,
		       CASE WHEN appservice_id IS NULL THEN 0 WHEN appservice_id = '' THEN 1 ELSE 2 END AS service,
		       CASE WHEN deactivated <> 0 THEN 1 ELSE 0 END AS deactivated,
		       CASE WHEN ` + created + ` > ? THEN 1 ELSE 0 END AS created,
		       ` + kind + ` AS kind,
		       COUNT(*) AS accounts
		FROM users GROUP BY 1, 2, 3, 4, 5`)
	err = r.SelectContext(ctx, &groups, query, r.now.Add(-24*time.Hour).Unix())
	return groups, err
}

// accountType is the type of accounts as chat_registered_users has it: guests
// are guests even if a service made them.
func (g accountGroup) accountType() collector.AccountType {
	switch {
	case g.Guest == 1:
		return collector.Guest
	case g.Service == someService:
		return collector.Bridged
	}
	return collector.Native
}

// reported is the type of accounts as Synapse's daily_user_type_* has it. A
// guest of an application service has none there.
func (g accountGroup) reported() (collector.AccountType, bool) {
	switch {
	case g.Guest == 1:
		return collector.Guest, g.Service == noService
	case g.Service == noService:
		return collector.Native, true
	}
	return collector.Bridged, true
}
