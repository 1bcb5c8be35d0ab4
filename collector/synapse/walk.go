package synapse

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// A walk reads user_ips page by page, in the order in which they lie on disk, through as
// many Reads as it takes. That costs PostgreSQL less for a row than to find slices of time
// in an index, but what it reads has no order in time: nothing is known before all is.
//
// A row may move to a page that was read before. Synapse moves it when it writes a later
// moment into it, and a Read finds that among the new ones.
type walk struct {
	Table changes // as it was when it began; unknown for no walk
	Page  int64   // the next one
	End   int64   // the number of pages when it began
}

// canWalk says whether the rest of the slices is better read by a walk: everything is read
// for the first time, and the classes of a day are known, so that something is shown.
func (r *reading) canWalk(p activity.Progress) bool {
	return r.changes["user_ips"].Known && r.readsPages() && r.extras.seenPages && !p.ClientsSince.IsZero() && !p.ClientsSince.After(activity.Daily().Since(r.now))
}

// walkOn reads some pages, as many as have about a number of rows, and returns how many
// rows there were.
func (r *reading) walkOn(ctx context.Context, rows, after int64) (read int64, err error) {
	w, now := &r.Walk, r.changes["user_ips"]
	if !now.sameTable(w.Table) { // else rows may be where there were none
		*w = walk{Table: now}
		if w.End, err = r.pages(ctx, "user_ips"); err != nil {
			return 0, err
		}
	}
	pages := max(1, w.End*rows/max(1, r.density.rows))
	err = r.Stream(ctx, r.pageRows(w.Page, w.Page+pages, after), 3, func(row *sqldb.Row) {
		read++
		r.seen(row)
	})
	if err != nil {
		return read, err
	}
	if w.Page += pages; w.Page >= w.End {
		p := r.rec.Progress(r.server)
		p.Unread, p.ClientsSince, *w = time.Time{}, time.Time{}, walk{}
		r.rec.SetProgress(r.server, p)
	}
	return read, nil
}

// readsPages says whether the database can find rows by their pages.
func (r *reading) readsPages() bool {
	major, _, _ := strings.Cut(r.Version, ".")
	version, err := strconv.Atoi(major)
	return r.Engine == sqldb.PostgreSQL && err == nil && version >= 14
}

// pages returns how many pages a table of PostgreSQL has.
func (r *reading) pages(ctx context.Context, table string) (n int64, err error) {
	err = r.GetContext(ctx, &n, `SELECT pg_relation_size('`+table+`') / current_setting('block_size')::bigint`)
	return n, err
}

// pageRows are the rows seen later than a moment on some pages, the last excluded.
func (r *reading) pageRows(from, to, after int64) string {
	return fmt.Sprintf(`SELECT user_id, %s, last_seen FROM user_ips WHERE ctid >= '(%d,0)' AND ctid < '(%d,0)' AND last_seen > %d`, r.agentColumn(), from, to, after)
}
