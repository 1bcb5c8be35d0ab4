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
	options := sqldb.Options{PasswordFile: r.options.PasswordFile}
	return database.Source.Read(ctx, options, func(ctx context.Context, view sqldb.View) error {
		r.facts.Database = strings.TrimSpace(string(view.Engine) + " " + view.Version)
		host := database.Host
		if host == "" && r.server != nil && len(r.server.hosts) == 1 {
			host = r.server.hosts[0]
		}
		tables := &tables{r, view, host}
		if err := tables.last(ctx); err != nil {
			return fmt.Errorf("read the table last: %w", err)
		}
		if err := tables.accounts(ctx); err != nil {
			return fmt.Errorf("read the table users: %w", err)
		}
		if r.server == nil {
			if err := tables.sessions(ctx); err != nil {
				return fmt.Errorf("read the table sm: %w", err)
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
	query := `SELECT ` + selected + `, username, CASE WHEN state = 'Registered but didn''t login' THEN '' ELSE seconds END FROM "last"`
	oldest := t.now.Add(-activity.MaxWindow).Unix()
	return t.Stream(ctx, query, 3, func(row *sqldb.Row) {
		name := name(row)
		found := t.found.Of(name)
		found.HasLastSeen = true
		text := string(row.Text(2))
		if text == "" { // never, also in imported rows
			found.AnyReadable = true
			t.rec.Exists(name, row.Text(1))
			return
		}
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			found.Damaged++
			return
		}
		found.AnyReadable = true
		if seconds > oldest {
			t.rec.Seen(name, row.Text(1), activity.Unknown, time.Unix(seconds, 0))
			return
		}
		t.rec.Exists(name, row.Text(1))
	})
}

// accounts counts accounts, which have a row for each kind of stored password
// since 25.03. Servers that keep accounts elsewhere have none here.
func (t *tables) accounts(ctx context.Context) error {
	columns, err := t.Columns(ctx, "users")
	if err != nil || !slices.Contains(columns, "username") {
		return err
	}
	hostOf, group := `''`, ""
	if slices.Contains(columns, hostColumn) {
		hostOf, group = hostColumn, ` GROUP BY `+hostColumn
	}
	older := `-1`
	if slices.Contains(columns, "created_at") {
		older = `COUNT(DISTINCT CASE WHEN ` + t.createdBefore(t.now.Add(-newAccount)) + ` THEN username END)`
	}
	// In the order of the primary key, (server_host, username, type) or
	// (username, type).
	query := `SELECT ` + hostOf + `, COUNT(DISTINCT username), ` + older + ` FROM users` + group
	return t.Stream(ctx, query, 3, func(row *sqldb.Row) {
		name, n, older := row.Text(0), int(row.Integer(1)), int(row.Integer(2))
		if group == "" {
			name = []byte(t.host)
		}
		if n == 0 {
			return
		}
		found := t.found.Of(name)
		found.Registered = collector.Known(n)
		if older >= 0 {
			found.Created = collector.Known(n - older)
		}
	})
}

// sessions reads who is connected from the table of sessions, which is filled
// with sm_db_type: sql alone. Without a row in it, nothing is known: it may be
// there for nothing.
func (t *tables) sessions(ctx context.Context) error {
	columns, err := t.Columns(ctx, "sm")
	if err != nil || !slices.Contains(columns, "username") {
		return err
	}
	selected, name, err := t.names(columns)
	if err != nil {
		return err
	}
	online := false
	// A scan of the table; its rows are sessions, of which a user may have
	// several.
	err = t.Stream(ctx, `SELECT DISTINCT `+selected+`, username FROM sm`, 2, func(row *sqldb.Row) {
		online = true
		found := t.found.Of(name(row))
		found.Online = collector.Known(found.Online.Number + 1)
		t.rec.Seen(name(row), row.Text(1), activity.Unknown, t.now)
	})
	if online && selected == hostColumn { // on all of its hosts
		for _, found := range t.found {
			found.Online.Known = true
		}
	}
	return err
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
