package ejabberd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/sqldb"
)

// hostColumn is there in the multihost schema ("new" before 25.10) alone.
const hostColumn = "server_host"

// newAccount is how long an account counts as created.
const newAccount = 24 * time.Hour

var (
	errNoLast  = errors.New("no table last, or no permission to read it: is this the database of ejabberd, with mod_last in it?")
	errNoState = errors.New("no permission to read the column state of the table last, which tells accounts that never logged in")
)

// tables are those of one database.
type tables struct {
	*reading
	sqldb.View
	host string // of a database with the legacy schema
}

// readDatabase reads one database and adds to what is found.
func (r *reading) readDatabase(ctx context.Context, database Database) error {
	needed := func(records kind) bool { return r.options.inDatabase(database, records) }
	askSessions := r.server == nil && needed(sessionsOf)
	if !needed(lastOf) && !needed(accountsOf) && !askSessions {
		return nil
	}
	options := sqldb.Options{PasswordFile: r.options.PasswordFile}
	return database.Source.Read(ctx, options, func(ctx context.Context, view sqldb.View) error {
		r.facts.Database = strings.TrimSpace(string(view.Engine) + " " + view.Version)
		host := database.Host
		if host == "" && len(r.served) == 1 {
			host = r.served[0]
		}
		tables := &tables{r, view, host}
		for _, table := range []struct {
			name   string
			needed bool
			read   func(context.Context) error
		}{{"last", needed(lastOf), tables.last}, {"users", needed(accountsOf), tables.accounts}, {"sm", askSessions, tables.sessions}} {
			if !table.needed {
				continue
			}
			if err := table.read(ctx); err != nil {
				return fmt.Errorf("read the table %s: %w", table.name, err)
			}
		}
		return nil
	})
}

// names returns the column with the name of the virtual host, as a part of a
// statement, and how to take the name from a row, given where it is.
func (t *tables) names(columns []string) (selected string, name func(row *sqldb.Row) []byte, err error) {
	if slices.Contains(columns, hostColumn) {
		return hostColumn, func(row *sqldb.Row) []byte { return row.Text(0) }, nil
	}
	if t.host == "" {
		return "", nil, whichOne(t.options.Modules != nil)
	}
	host := []byte(t.host)
	return "username", func(*sqldb.Row) []byte { return host }, nil
}

// whichOne returns the error of a database that does not say whose it is. Where
// ejabberd.yml names it, several virtual hosts share it: that of one is named with
// its host.
func whichOne(byConfiguration bool) error {
	const why = "its tables do not say of which virtual host they are (legacy schema)"
	if !byConfiguration {
		return errors.New(why + ": name it with domain, or give ejabberd.yml")
	}
	return errors.New(why + ", but ejabberd.yml lets several virtual hosts share them: if only one of them does, write the location of the database as from, and the name of that host as domain")
}

// last reads who was last there when. Rows that were written at registration
// (mod_last:register_user, since 16.06) are no activity. The database compares the
// text by which they are known; it never leaves the database.
func (t *tables) last(ctx context.Context) error {
	columns, err := t.Columns(ctx, "last")
	switch {
	case err != nil:
		return err
	case !slices.Contains(columns, "seconds"):
		return errNoLast
	case !slices.Contains(columns, "state"):
		return errNoState
	}
	selected, name, err := t.names(columns)
	if err != nil {
		return err
	}
	// A scan of the table: there is no index on seconds, which is text.
	query := `SELECT ` + selected + `, username, CASE WHEN state = 'Registered but didn''t login' THEN 'never' ELSE seconds END FROM "last"`
	oldest := t.now.Add(-activity.MaxWindow).Unix()
	return t.Stream(ctx, query, 3, func(row *sqldb.Row) {
		name := name(row)
		found := t.inSQL(name, lastOf)
		if found == nil {
			return
		}
		found.HasLastSeen = true
		switch text := string(row.Text(2)); text {
		case "never":
			t.rec.Exists(name, row.Text(1), activity.Never)
		case "": // in imported rows
			t.rec.Exists(name, row.Text(1), activity.Unremembered)
		default:
			seconds, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				found.Damaged++
				return
			}
			if at := time.Unix(seconds, 0); seconds > oldest {
				t.rec.Seen(name, row.Text(1), activity.Unknown, at)
			} else {
				t.rec.Exists(name, row.Text(1), activity.AgeOf(t.now, at))
			}
		}
		found.AnyReadable = true
	})
}

// accounts reads the accounts, which have a row for each kind of stored password since
// 25.03. Servers that keep accounts elsewhere have none here.
func (t *tables) accounts(ctx context.Context) error {
	columns, err := t.Columns(ctx, "users")
	if err != nil || !slices.Contains(columns, "username") {
		return err
	}
	host, group := `''`, `username`
	if slices.Contains(columns, hostColumn) {
		host, group = hostColumn, hostColumn+`, username`
	}
	dated := slices.Contains(columns, "created_at")
	older := `0`
	if dated {
		older = `MAX(CASE WHEN ` + t.createdBefore(t.now.Add(-newAccount)) + ` THEN 1 ELSE 0 END)`
	}
	// In the order of the primary key, (server_host, username, type) or
	// (username, type).
	return t.Stream(ctx, `SELECT `+host+`, username, `+older+` FROM users GROUP BY `+group, 3, func(row *sqldb.Row) {
		name := row.Text(0)
		if group == "username" {
			name = []byte(t.host)
		}
		found := t.inSQL(name, accountsOf)
		if found == nil {
			return
		}
		found.AllAccounts = true
		found.Registered = collector.Known(found.Registered.Number + 1)
		if dated {
			found.Created = collector.Known(found.Created.Number + 1 - int(row.Integer(2)))
		}
		t.rec.Account(name, row.Text(1), activity.Native, activity.Unremembered)
	})
}

// believedFor is how long after the newest session of a node began its rows in the
// table sm are believed. A node that starts deletes its own; one that was killed, and
// never starts again, leaves them behind for ever.
const believedFor = 24 * time.Hour

// sessions reads who is connected from the table of sessions, which is filled
// with sm_db_type: sql alone. Without a row in it, nothing is known: it may be
// there for nothing.
func (t *tables) sessions(ctx context.Context) error {
	columns, err := t.Columns(ctx, "sm")
	for _, needed := range []string{"username", "node", "usec"} {
		if err != nil || !slices.Contains(columns, needed) {
			return err
		}
	}
	selected, name, err := t.names(columns)
	if err != nil {
		return err
	}
	byNode := make(map[string]people)
	newest := make(map[string]time.Time)
	// A scan of the table; its rows are sessions, and a user may have
	// several.
	err = t.Stream(ctx, `SELECT `+selected+`, username, node, MAX(usec) FROM sm GROUP BY `+selected+`, username, node`, 4, func(row *sqldb.Row) {
		domain, node := name(row), string(row.Text(2))
		if t.inSQL(domain, sessionsOf) == nil {
			return
		}
		if byNode[node] == nil {
			byNode[node] = make(people)
		}
		byNode[node].add(string(domain), string(row.Text(1)))
		if began := time.UnixMicro(row.Integer(3)); began.After(newest[node]) {
			newest[node] = began
		}
	})
	if err != nil {
		return err
	}
	if online := t.believed(byNode, newest); len(online) > 0 {
		t.recordSessions(online, selected == hostColumn)
	}
	return nil
}

// believed returns who is connected to nodes that are alive. Others get a warning.
func (t *tables) believed(byNode map[string]people, newest map[string]time.Time) people {
	online := make(people)
	left := 0
	for node, there := range byNode {
		if t.now.Sub(newest[node]) > believedFor {
			left++
			continue
		}
		for domain, users := range there {
			for user := range users {
				online.add(domain, user)
			}
		}
	}
	if left > 0 {
		t.facts.Warnings = append(t.facts.Warnings, fmt.Sprintf("the table sm has sessions that are left out: on %d of its nodes none began within %.0f hours, so they were probably killed and left their rows behind", left, believedFor.Hours()))
	}
	return online
}

// people are users by domain.
type people map[string]map[string]bool

func (p people) add(domain, user string) {
	if p[domain] == nil {
		p[domain] = make(map[string]bool)
	}
	p[domain][user] = true
}

// recordSessions records who is connected, on all hosts if the table is for all.
func (t *tables) recordSessions(online people, allHosts bool) {
	for domain, users := range online {
		found := t.found.Of([]byte(domain))
		found.Online = collector.Known(found.Online.Number + len(users))
		for user := range users {
			t.rec.Seen([]byte(domain), []byte(user), activity.Unknown, t.now)
		}
	}
	t.facts.Online = collector.OnlineKnown
	for name, found := range t.found {
		if h, listed := t.options.Hosts[name]; allHosts && (!listed || h.Sessions == chatserver.InSQL) {
			found.Online.Known = true
		}
	}
}

// createdBefore returns a condition on created_at, a time without zone. It is
// written as the database's own local time, which MySQL converts to that of
// our connection and PostgreSQL is asked to; SQLite has UTC.
func (t *tables) createdBefore(at time.Time) string {
	switch t.Engine {
	case sqldb.MySQL:
		return fmt.Sprintf(`created_at <= FROM_UNIXTIME(%d)`, at.Unix())
	case sqldb.SQLite:
		return fmt.Sprintf(`created_at <= datetime(%d, 'unixepoch')`, at.Unix())
	default:
	}
	return fmt.Sprintf(`CAST(created_at AS timestamptz) <= to_timestamp(%d)`, at.Unix())
}
