package synapse

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// visitsEnd is where user_daily_visits ended at a Read. Synapse only ever adds rows, and
// PostgreSQL puts them on new pages or behind the others on one of the last: each of its
// processes goes on with the page on which it wrote last.
type visitsEnd struct {
	Date    activity.Day // of that Read, in UTC
	Rows    [2]int       // that were then known of this day and of the next one
	Changes changes      // of the table, up to then
	From    uint32       // the number of the first of the last pages
	Last    []uint16     // the position of the last row on each of them; nil if that is not known
}

// watchedPages is on how many pages, the last of the table, new rows are looked for.
const watchedPages = 256

// newVisits reports the visits that were added since the last Read, and returns how many,
// if it is certain that these are all that has changed. The new rows on the last pages must
// then be as many as the database server says were inserted, none updated or deleted, and
// all of them of today: a row in a gap of an older page, one that was committed late, a
// deleted one and a restored backup change these numbers.
//
// The database server's word comes seconds late. That could hide a row in a gap, or a
// deletion, from one Read, but not from the next; and it is asked only where reading
// the whole day would be work.
func (r *reading) newVisits(ctx context.Context) (added int64, all bool, err error) {
	end := r.VisitsEnd
	r.VisitsEnd = visitsEnd{}
	today := activity.DayOf(r.now)
	now := r.changes["user_daily_visits"]
	unread := now.Inserted - end.Changes.Inserted
	if r.readsAllVisits() || !r.extras.visitPages || !end.fits(today, r.rowsOf(today)) || !now.only(end.Changes) || unread < 0 || unread > r.limits.slice {
		return 0, false, nil
	}
	// Most of the time one process writes, and goes on with the last page.
	visits, after, err := r.visitsBehind(ctx, end, end.From+uint32(max(0, len(end.Last)-1)))
	if err == nil && int64(len(visits)) < unread {
		visits, after, err = r.visitsBehind(ctx, end, end.From)
	}
	if err != nil || int64(len(visits)) != unread || slices.ContainsFunc(visits, func(v visit) bool { return v.date != today && v.date != today+1 }) {
		return 0, false, err
	}
	for _, v := range visits {
		r.rec.Visit(r.server, v.user, v.client, v.date)
	}
	if older := len(after.Last) - watchedPages; older > 0 {
		after.From, after.Last = after.From+uint32(older), after.Last[older:]
	}
	after.Rows, after.Changes = r.rowsOf(today), now
	r.VisitsEnd = after
	return unread, true, nil
}

// A visit is a row of user_daily_visits.
type visit struct {
	user   []byte
	client activity.Client
	date   activity.Day
}

// visitsBehind returns the visits from a page on that are behind an end, and where they
// end.
func (r *reading) visitsBehind(ctx context.Context, end visitsEnd, from uint32) (visits []visit, after visitsEnd, err error) {
	after, after.Last = end, slices.Clone(end.Last)
	err = r.Stream(ctx, visitsFrom(`ctid, user_id, user_agent, timestamp`, from), 4, func(row *sqldb.Row) {
		if after.add(row.Text(0)) {
			visits = append(visits, visit{slices.Clone(row.Text(1)), r.classify.Of(row.Text(2)), dayOfMillis(row.Integer(3))})
		}
	})
	return visits, after, err
}

// fits says that the end is known, and belongs to a day and to what is known of its rows.
func (e *visitsEnd) fits(date activity.Day, rows [2]int) bool {
	return e.Last != nil && e.Date == date && e.Rows == rows
}

// add notes that a row is there, by its `ctid`, and returns whether it is new. The rows of a
// page must come in order.
func (e *visitsEnd) add(ctid []byte) (isNew bool) {
	page, position := binary.BigEndian.Uint32(ctid), binary.BigEndian.Uint16(ctid[4:])
	for uint32(len(e.Last)) <= page-e.From {
		e.Last = append(e.Last, 0)
	}
	last := &e.Last[page-e.From]
	isNew = position > *last
	*last = max(*last, position)
	return isNew
}

// rowsOf returns how many visits are known of a day and of the next one, where a clock
// that is ahead puts them.
func (r *reading) rowsOf(date activity.Day) (rows [2]int) {
	for i := range rows {
		rows[i], _ = r.rec.Rows(r.server, date+activity.Day(i))
	}
	return rows
}

// lookUpVisitsEnd notes where the table ends, if that is worth something.
func (r *reading) lookUpVisitsEnd(ctx context.Context) error {
	today := activity.DayOf(r.now)
	end := visitsEnd{Date: today, Rows: r.rowsOf(today), Changes: r.changes["user_daily_visits"], Last: []uint16{}}
	if !end.Changes.Known || !r.readsPages() || !r.extras.visitPages || int64(end.Rows[0]) < r.limits.wholeDay {
		return nil
	}
	pages, err := r.pages(ctx, "user_daily_visits")
	if err != nil {
		return err
	}
	end.From = uint32(max(0, pages-watchedPages))
	err = r.Stream(ctx, visitsFrom(`ctid`, end.From), 1, func(row *sqldb.Row) { _ = end.add(row.Text(0)) })
	if err == nil {
		r.VisitsEnd = end
	}
	return err
}

// visitsFrom are the rows from a page on, in the order of pages and of positions on each.
func visitsFrom(columns string, page uint32) string {
	return fmt.Sprintf(`SELECT %s FROM user_daily_visits WHERE ctid >= '(%d,0)'`, columns, page)
}
