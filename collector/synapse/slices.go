package synapse

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// With access tokens of five minutes, as a Matrix Authentication Service gives them,
// user_ips has hundreds of rows for each user. A table that is too large to be read at
// once is read in an order in which figures become known early: the newest row of each
// user, found by skipping from user to user in an index, makes all totals exact; then
// slices of time, the newest first, show which other classes of clients a user came
// with; see walk for the rest of a first load. What costs how much is in
// docs/benchmarks.md, BenchmarkTokens.

// limits are how much is read at a time.
type limits struct {
	atOnce  int64 // rows of a table that one statement reads in full
	slice   int64 // rows of a statement that reads a part of a table
	users   int   // users of a statement that skips from user to user
	refresh int64 // rows of slices in one refresh; the time below ends it as well
	time    time.Duration
	// wholeDay is how many visits of a day are read again rather than asking what is new.
	wholeDay int64
	mas      time.Duration // for which Synapse's figures wait for those of MAS
}

// defaultLimits let no statement work for more than about a second, and let the slices
// of a refresh take some.
func defaultLimits(engine sqldb.Engine) limits {
	l := limits{atOnce: 2_000_000, slice: 500_000, users: 20_000, refresh: 2_000_000, time: 30 * time.Second, wholeDay: 1000, mas: 30 * time.Second}
	if engine == sqldb.SQLite { // which takes four times as long for a row
		const slower = 4
		l.atOnce, l.slice, l.refresh = l.atOnce/slower, l.slice/slower, l.refresh/slower
	}
	return l
}

// afterFailures are smaller with each Read in a row that failed: what a line or a standby
// does not bear at once, it may bear in parts.
func (l limits) afterFailures(n int) limits {
	const most = 6 // times by half
	l.slice = max(1, l.slice>>min(n, most))
	l.users = max(1, l.users>>min(n, most))
	return l
}

// How long a slice can be, and how long the first one of a refresh is at most: more may
// have happened lately than on average.
const (
	longestSlice  = 24 * time.Hour
	firstSlice    = time.Hour
	shortestSlice = time.Second
)

// estimate returns about how many rows a table has, without reading it: on PostgreSQL
// from the number of its pages and the rows on each at its last vacuum or analysis, as
// the planner does; on SQLite from its row numbers, which are never fewer.
func (r *reading) estimate(ctx context.Context, table string) (rows int64, err error) {
	query := fmt.Sprintf(`SELECT COALESCE((SELECT MAX(rowid) FROM %[1]s) - (SELECT MIN(rowid) FROM %[1]s) + 1, 0)`, table)
	if r.Engine == sqldb.PostgreSQL {
		const bytesPerRow = 200 // of user_ips; more than that for devices
		query = fmt.Sprintf(`
			SELECT COALESCE(MAX(CASE WHEN reltuples > 0 AND relpages > 0
				THEN pg_relation_size(oid) / current_setting('block_size')::bigint * (reltuples / relpages)::float8
				ELSE pg_relation_size(oid) / %d END), 0)::bigint
			FROM pg_class WHERE oid = to_regclass('%s')`, bytesPerRow, table)
	}
	err = r.GetContext(ctx, &rows, query)
	return rows, err
}

// density is how many rows user_ips has in which time.
type density struct {
	rows     int64
	from, to time.Time
}

// after returns about how many rows are later than a moment.
func (d density) after(moment time.Time) int64 {
	whole, part := d.to.Sub(d.from), d.to.Sub(moment)
	if whole <= part {
		return d.rows
	}
	return int64(float64(d.rows) * max(0, float64(part)) / float64(whole))
}

// lengthOf returns about how long it takes for some rows to come together.
func (d density) lengthOf(rows int64) time.Duration {
	return sliceLength(float64(d.to.Sub(d.from)) * float64(rows) / float64(max(1, d.rows)))
}

func sliceLength(length float64) time.Duration {
	return time.Duration(max(float64(shortestSlice), min(float64(longestSlice), length)))
}

// newestOfEach reports the newest row of each user. It goes on where a full read was
// interrupted, and reports what came since that one began, or since the last Read.
func (r *reading) newestOfEach(ctx context.Context) error {
	p := r.rec.Progress(r.server)
	if p.Since.IsZero() || p.Since.After(r.now) || r.density.after(p.Since) > r.limits.atOnce {
		r.rec.ForgetSeen(r.server)
		p = activity.Progress{Since: r.newest()}
		r.rec.SetProgress(r.server, p)
	} else if err := r.seenIn(ctx, r.lastSeenRows(p.Since.Add(-overlap))); err != nil {
		return err
	}
	if p.Newest {
		return nil
	}
	for last := false; !last; {
		found := 0
		err := r.Stream(ctx, r.newestRows(p.After), 3, func(row *sqldb.Row) {
			found, p.After = found+1, string(row.Text(0))
			if row.Integer(2) > r.horizon().UnixMilli() {
				r.seen(row)
			}
		})
		if err != nil {
			return err
		}
		last = found < r.limits.users
		r.rec.SetProgress(r.server, p)
	}
	p.Newest, p.After = true, ""
	top := time.UnixMilli(max(r.ends.newest(), r.now.UnixMilli()))
	if !r.rec.KeepClients(r.server, r.ends.kept(r.now)) {
		p.ClientsSince = top
	}
	p.Unread = top
	if !r.extras.agents.readable {
		p.ClientsSince, p.Unread = time.Time{}, time.Time{}
	}
	r.rec.SetProgress(r.server, p)
	return nil
}

// newestRows are the newest rows of some users, those of the highest names first: of
// those before a user, or of all for "". Each is found by a look into the index
// user_ips_last_seen (user_id, last_seen), which costs the database as much as some
// twenty rows that are read in a row.
func (r *reading) newestRows(before string) string {
	where := ""
	if before != "" {
		where = `WHERE user_id < ` + r.literal(before)
	}
	if r.Engine == sqldb.SQLite {
		return fmt.Sprintf(`
			WITH RECURSIVE users (user_id) AS (
				SELECT MAX(user_id) FROM user_ips %[2]s
				UNION ALL
				SELECT (SELECT MAX(user_id) FROM user_ips WHERE user_id < users.user_id) FROM users WHERE users.user_id IS NOT NULL
				LIMIT %[3]d
			)
			SELECT user_id,
				(SELECT %[1]s FROM user_ips WHERE user_id = users.user_id ORDER BY last_seen DESC LIMIT 1),
				(SELECT last_seen FROM user_ips WHERE user_id = users.user_id ORDER BY last_seen DESC LIMIT 1)
			FROM users WHERE user_id IS NOT NULL`, r.agentColumn(), where, r.limits.users)
	}
	return fmt.Sprintf(`
		WITH RECURSIVE newest AS (
			(SELECT user_id, %[1]s AS user_agent, last_seen FROM user_ips %[2]s ORDER BY user_id DESC, last_seen DESC LIMIT 1)
			UNION ALL
			SELECT further.user_id, further.user_agent, further.last_seen FROM newest CROSS JOIN LATERAL (
				SELECT user_id, %[1]s AS user_agent, last_seen FROM user_ips WHERE user_id < newest.user_id
				ORDER BY user_id DESC, last_seen DESC LIMIT 1
			) AS further
		)
		SELECT user_id, user_agent, last_seen FROM newest LIMIT %[3]d`, r.agentColumn(), where, r.limits.users)
}

// literal writes a text as an expression in SQL, whatever it holds.
func (r *reading) literal(text string) string {
	if r.Engine == sqldb.SQLite {
		return `CAST(x'` + hex.EncodeToString([]byte(text)) + `' AS TEXT)`
	}
	return `convert_from(decode('` + hex.EncodeToString([]byte(text)) + `', 'hex'), 'UTF8')`
}

// slices reports slices of last-seen rows, the newest first, as many as one refresh
// should read. What they hold is known as soon as they are read; an error costs no more
// than the slice in which it came.
func (r *reading) slices(ctx context.Context) error {
	if r.rec.Progress(r.server).Unread.IsZero() {
		return nil
	}
	if err := r.preferBitmaps(ctx); err != nil {
		return err
	}
	bottom := max(r.ends.kept(r.now).UnixMilli()-1, r.horizon().UnixMilli())
	length := min(firstSlice, r.density.lengthOf(r.limits.slice))
	began, read := time.Now(), int64(0)
	for read < r.limits.refresh && time.Since(began) < r.limits.time {
		p := r.rec.Progress(r.server)
		if p.Unread.IsZero() {
			return nil
		}
		if r.canWalk(p) {
			rows, err := r.walkOn(ctx, r.limits.slice, bottom)
			if err != nil {
				return err
			}
			read += rows
			continue
		}
		until := p.Unread.UnixMilli()
		after := max(bottom, min(until, r.now.UnixMilli())-length.Milliseconds())
		rows := int64(0)
		r.rec.BeginSlice(r.server)
		err := r.Stream(ctx, r.sliceRows(after, until), 3, func(row *sqldb.Row) {
			rows++
			r.seen(row)
		})
		if err != nil {
			return err
		}
		r.rec.EndSlice(r.server, time.UnixMilli(after), p.Unread)
		switch p.Unread = time.UnixMilli(after); {
		case after == bottom:
			p.Unread, p.ClientsSince = time.Time{}, time.Time{}
		case p.Unread.Before(p.ClientsSince):
			p.ClientsSince = p.Unread
		}
		r.rec.SetProgress(r.server, p)
		read += rows
		const growth = 4 // at most, since a quiet hour says little of the next one
		length = sliceLength(float64(length) * min(growth, float64(r.limits.slice)/float64(max(1, rows))))
	}
	return nil
}

// preferBitmaps lets PostgreSQL, for what is left of the transaction, look up in an index
// where the rows are and then visit each page of the table once. The planner would rather
// follow the index from row to row, because pages fill up in the order of time; but
// within an hour there is no order, and that takes twice as long.
func (r *reading) preferBitmaps(ctx context.Context) error {
	if r.Engine != sqldb.PostgreSQL {
		return nil
	}
	for _, way := range []string{"enable_indexscan", "enable_seqscan"} {
		if _, err := r.ExecContext(ctx, `SET LOCAL `+way+` = off`); err != nil {
			return err
		}
	}
	return nil
}

// sliceRows are the rows seen later than a moment and not later than another, in
// milliseconds, by index user_ips_last_seen_only (last_seen).
func (r *reading) sliceRows(after, until int64) string {
	return fmt.Sprintf(`SELECT user_id, %s, last_seen FROM user_ips WHERE last_seen > %d AND last_seen <= %d`, r.agentColumn(), after, until)
}
