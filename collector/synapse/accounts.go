package synapse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
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
	Guest, Service int
	Deactivated    bool
	Created        bool // in the last 24 hours
	Settled        bool // created so long ago that no other account of that time can come
	Kind           activity.Kind
	Accounts       int
}

// kindColumn is the kind of an account, with natives by what has been made of them: the
// types of chat_registered_users know none of that.
func kindColumn(made string) string {
	return `CASE WHEN deactivated <> 0 THEN 6 WHEN is_guest = 1 THEN 3 WHEN appservice_id <> '' THEN 2
	ELSE (CASE ` + made + ` WHEN 'bot' THEN 4 WHEN 'support' THEN 5 ELSE 1 END) END`
}

// made is what administrators have made of an account (users.user_type), or else the
// configuration by the account's name. Synapse lets administrators invent types, which make
// nothing else of it here.
func (r *reading) made() string {
	if len(r.bots) == 0 {
		return "user_type"
	}
	// Names are compared only where it matters.
	return `CASE WHEN user_type IN ('bot', 'support') OR deactivated <> 0 OR is_guest = 1 OR appservice_id <> '' THEN user_type
		WHEN ` + r.bots.Match("name", "@", ":"+string(r.server), r.Engine) + ` THEN 'bot' END`
}

// accountCount is what is known of the accounts at a Read. Moments are in Unix seconds.
type accountCount struct {
	ByTime  bool   // whether moments could be read
	ByKind  bool   // whether kinds could be read
	Bots    uint32 // see reading.botsSum
	Old     int64  // no account up to then was created in the last 24 hours
	Settled int64  // all accounts up to then are settled
	Groups  []accountGroup
}

// botsSum tells the patterns of bots from others, 0 if there are none.
func (r *reading) botsSum() uint32 { return crc32.ChecksumIEEE([]byte(strings.Join(r.bots, "\n"))) }

// countNow returns what groups that were counted now are to the next Read.
func (r *reading) countNow(groups []accountGroup) accountCount {
	return accountCount{r.extras.created.readable, r.extras.kinds.readable, r.botsSum(), r.dayAgo(), r.settled(), groups}
}

// canResume says that what is known can be brought up to date by what came since: as much can
// be read as then, no clock was set back, and less than a day has passed.
func (c accountCount) canResume(r *reading) bool {
	return c.ByTime && r.extras.created.readable && c.ByKind == r.extras.kinds.readable && c.Bots == r.botsSum() && c.Old <= r.dayAgo() && r.dayAgo() < c.Settled
}

// accounts counts all accounts there are, and returns true if the kind of each is known.
//
// Most Reads count only the accounts that were created since the last one, and those that
// have left the last 24 hours. A scan is needed if the database server says that more was
// inserted than these, or that anything was updated or deleted: somebody may have been
// deactivated.
func (r *reading) accounts(ctx context.Context) (groups []accountGroup, kindsKnown bool, err error) {
	last, now := &r.Counts.Accounts, r.changes["users"]
	if !last.forgotten(r) && last.Value.canResume(r) {
		found, err := r.newAccounts(ctx, &last.Value)
		if err != nil {
			return nil, false, err
		}
		if last.Changes.Inserted += found; !last.expired(r, now) {
			known := r.extras.kinds.readable && r.kindsAreThose(last.Value.Groups)
			if known || !r.extras.kinds.readable {
				return last.Value.Groups, known, nil
			}
		}
	}
	if r.kindsExpired(last.Value) {
		r.rec.ForgetAccounts(r.server)
		groups, err = r.readAccounts(ctx, "") // a scan of users
		kindsKnown = r.kindsAreThose(groups)
	} else if groups, err = r.countAccounts(ctx, ""); err == nil { // likewise
		kindsKnown, err = r.accountKinds(ctx, groups)
	}
	if err == nil {
		*last = counted[accountCount]{r.countNow(groups), r.now, now}
	}
	return groups, kindsKnown, err
}

// kindsAreThose says that the accounts whose kinds are known are as many of each as some
// accounts are.
func (r *reading) kindsAreThose(groups []accountGroup) bool {
	counts, known := r.rec.Accounts(r.server)
	return known && counts == wanted(groups)
}

// newAccounts brings what is known of the accounts up to date, reports their kinds, and
// returns how many are new.
func (r *reading) newAccounts(ctx context.Context, c *accountCount) (found int64, err error) {
	// Both by index users_creation_ts (creation_ts).
	groups, err := r.readAccounts(ctx, fmt.Sprintf(`WHERE creation_ts > %d OR creation_ts > %d AND creation_ts <= %d`, c.Settled, c.Old, r.dayAgo()))
	if err != nil {
		return 0, err
	}
	number := make(map[accountGroup]int)
	add := func(g accountGroup, n int) {
		g.Accounts = 0
		number[g] += n
	}
	for _, g := range c.Groups {
		if g.Settled {
			add(g, g.Accounts)
		} else {
			found -= int64(g.Accounts)
		}
	}
	for _, g := range groups {
		add(g, g.Accounts)
		if g.Created {
			found += int64(g.Accounts)
		} else { // of the last 24 hours no longer
			g.Created = true
			add(g, -g.Accounts)
		}
	}
	*c = r.countNow(nil)
	for g, n := range number {
		g.Accounts = n
		c.Groups = append(c.Groups, g)
	}
	return found, nil
}

// dayAgo is the second after which accounts were created in the last 24 hours. Moments in
// the future count, as for Synapse.
func (r *reading) dayAgo() int64 { return r.now.Add(-24 * time.Hour).Unix() }

// settled is the second up to which no account can come any more: Synapse's clock may be
// behind, as a standby may be.
func (r *reading) settled() int64 {
	if r.ends.Newest == nil {
		return r.now.Add(-overlap).Unix()
	}
	return r.newest().Add(-overlap).Unix()
}

// countAccounts counts the accounts that meet a condition, alike ones together.
func (r *reading) countAccounts(ctx context.Context, where string) ([]accountGroup, error) {
	query := `SELECT code, COUNT(*) FROM (SELECT ` + r.accountCode() + ` AS code FROM users ` + where + `) AS coded GROUP BY code`
	if r.Engine == sqldb.SQLite { // which would sort all of them to group them
		query = `SELECT ` + r.accountCode() + `, 1 FROM users ` + where
	}
	number := make(accountNumbers)
	err := r.Stream(ctx, query, 2, func(row *sqldb.Row) { number[row.Integer(0)] += int(row.Integer(1)) })
	return number.groups(), err
}

// accountNumbers are numbers of accounts by accountCode.
type accountNumbers map[int64]int

func (n accountNumbers) groups() (groups []accountGroup) {
	for code, accounts := range n {
		g := accountGroupOf(code)
		g.Accounts = accounts
		groups = append(groups, g)
	}
	return groups
}

// accountCode is the group of an account as a number, with a digit for each of its fields.
func (r *reading) accountCode() string {
	code := `CASE WHEN is_guest = 1 THEN 1 ELSE 0 END
		+ CASE WHEN appservice_id IS NULL THEN 0 WHEN appservice_id = '' THEN 10 ELSE 20 END
		+ CASE WHEN deactivated <> 0 THEN 100 ELSE 0 END`
	if r.extras.created.readable {
		code += fmt.Sprintf(`
		+ CASE WHEN creation_ts > %d THEN 1000 ELSE 0 END + CASE WHEN creation_ts > %d THEN 10000 ELSE 0 END`, r.dayAgo(), r.settled())
	}
	if r.extras.kinds.readable {
		code += ` + 100000 * ` + kindColumn(r.made())
	}
	return code
}

// accountGroupOf is the inverse of accountCode.
func accountGroupOf(code int64) accountGroup {
	digit := func(n int64) int { return int(code / n % 10) }
	return accountGroup{
		Guest: digit(1), Service: digit(10), Deactivated: digit(100) == 1, Created: digit(1000) == 1, Settled: digit(10000) == 0, Kind: activity.Kind(digit(100000)),
	}
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
