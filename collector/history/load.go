package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"active_users_exporter/collector/activity"
)

// Loaded is what Load found.
type Loaded struct {
	// Moment is when it was saved; the zero Moment if the domains were saved
	// at different times or there are none.
	Moment
	// Damage names what could not be used, for the log.
	Damage []string
}

// row of history_domains.
type domainRow struct {
	Domain   string
	ID       int64
	Saved    int64  `db:"saved_at"`
	FullRead int64  `db:"anew_at"`
	Since    *int64 `db:"recorded_since"`
	Rules    string
}

// Load adds to an empty calendar what was saved of a server. What is damaged is
// left out and named: the server is read again for it where it keeps visits
// itself, else it is lost. So is, of servers that keep visits, all that was
// sorted into other classes of clients.
func (s *Store) Load(ctx context.Context, server string, cal *activity.Calendar, classes *activity.Classes) (l Loaded, err error) {
	s.using.Lock()
	defer s.using.Unlock()
	if err := s.open(ctx); err != nil {
		return l, err
	}
	var rows []domainRow
	if err := s.db.SelectContext(ctx, &rows, s.db.Rebind(`SELECT domain, id, saved_at, anew_at, recorded_since, rules FROM history_domains WHERE server = ?`), server); err != nil {
		return l, fmt.Errorf("read the history: %w", err)
	}
	for i, row := range rows {
		moment := Moment{At: time.UnixMilli(row.Saved), FullRead: time.UnixMilli(row.FullRead)}
		switch {
		case i == 0:
			l.Moment = moment
		case l.Moment != moment:
			l.Moment = Moment{}
		}
		if row.Since == nil && row.Rules != classes.Fingerprint() {
			l.Moment = Moment{}
			continue
		}
		r := reader{Store: s, row: row, classes: classes, huffman: make(map[activity.Day]bool)}
		state, err := r.state(ctx)
		if err != nil {
			return l, fmt.Errorf("read the history of %s: %w", row.Domain, err)
		}
		l.Damage = append(l.Damage, r.damage...)
		if r.unusable {
			l.Moment = Moment{}
			continue
		}
		cal.Restore(row.Domain, state)
		if len(r.damage) == 0 { // else all is written again
			if s.written[server] == nil {
				s.written[server] = make(map[string]*contents)
			}
			s.written[server][row.Domain] = r.contents(cal.State(row.Domain))
		}
	}
	return l, nil
}

// reader reads one domain.
type reader struct {
	*Store
	row         domainRow
	classes     *activity.Classes
	damage      []string
	unusable    bool // so damaged that reading the server again is better
	users       map[int]uint64
	lastSeen    map[int]uint64
	observedSum uint64
	progressSum uint64
	notesSum    uint64
	huffman     map[activity.Day]bool
	stored      messageContents
	accountSums map[int]uint64
}

func (r *reader) damaged(what string) {
	consequence := "it is read again from the chat server"
	if r.row.Since != nil {
		consequence = "it is lost"
	}
	r.damage = append(r.damage, fmt.Sprintf("history of %s: %s is damaged; %s", r.row.Domain, what, consequence))
}

func (r *reader) state(ctx context.Context) (state activity.State, err error) {
	state.Days = make(map[activity.Day]activity.DayState)
	if r.row.Since != nil {
		state.Recorded, state.Since = true, activity.Day(*r.row.Since)
	}
	var damaged bool
	if state.Hashes, _, r.users, damaged, err = parts[uint64](ctx, r, "users", "users"); err != nil {
		return state, err
	}
	if damaged && r.row.Since == nil {
		r.unusable = true
	}
	if r.row.Since == nil {
		var newest, others []int64
		if newest, others, r.lastSeen, damaged, err = parts[int64](ctx, r, "last_seen", "moments"); err != nil {
			return state, err
		}
		state.Seen = func() ([]int64, []int64) { return newest, others }
		r.unusable = r.unusable || damaged
		if state.Progress, err = r.progress(ctx); err != nil {
			return state, err
		}
		if state.Accounts, err = r.accounts(ctx); err != nil {
			return state, err
		}
		if state.Notes, err = r.notes(ctx); err != nil {
			return state, err
		}
	}
	if err := r.days(ctx, state.Days); err != nil {
		return state, err
	}
	if state.Messages, err = r.messages(ctx); err != nil {
		return state, err
	}
	state.Observed, err = r.observed(ctx, state)
	if len(r.damage) > 0 { // what the reader has left goes with all of the rest
		state.Notes = nil
	}
	return state, err
}

// observedName names the observed days, for their checksum.
const observedName = "observed"

// observed returns the days on which the records were read. Where they are not
// stored, as by an earlier exporter, all days are taken for such since the history
// began.
func (r *reader) observed(ctx context.Context, state activity.State) (days []activity.Day, err error) {
	blob, err := r.blob(ctx, `SELECT days FROM history_observed WHERE domain = ?`)
	if err != nil {
		return nil, err
	}
	if blob != nil {
		content, err := verifyChecksum(observedName, blob)
		var set *roaring.Bitmap
		if err == nil {
			set, err = decodeSet(content)
		}
		if err == nil {
			for _, date := range set.ToArray() {
				days = append(days, activity.Day(date))
			}
			r.observedSum = storedChecksum(blob)
			return days, nil
		}
		r.damaged("which days were observed")
	}
	if !state.Recorded {
		return nil, nil
	}
	last := activity.DayOf(time.UnixMilli(r.row.Saved))
	for date := range state.Days {
		last = max(last, date)
	}
	for date := state.Since; date <= last; date++ {
		days = append(days, date)
	}
	return days, nil
}

// blob returns the one value of a domain in a table, nil if there is none.
func (r *reader) blob(ctx context.Context, query string) (blob []byte, err error) {
	err = r.db.GetContext(ctx, &blob, r.db.Rebind(query), r.row.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return blob, err
}

// progressName names how far the reading of last-seen times has come, for its checksum.
const progressName = "progress"

// progress returns how far the reading of last-seen times has come. If that is damaged,
// it is not known which of them are there.
func (r *reader) progress(ctx context.Context) (p activity.Progress, err error) {
	blob, err := r.blob(ctx, `SELECT moments FROM history_progress WHERE domain = ?`)
	if err != nil || blob == nil {
		return p, err
	}
	_, moments, sound := verifiedNumbers[int64](progressName, blob)
	if !sound || len(moments) != 2 {
		r.damaged("how far last-seen times were read")
		r.unusable = true
		return p, nil
	}
	r.progressSum = storedChecksum(blob)
	return activity.Progress{ClientsSince: timeOf(moments[0]), Unread: timeOf(moments[1])}, nil
}

// notesName names what the reader has left, for its checksum.
const notesName = "notes"

// notes returns what the reader has left, nil for nothing.
func (r *reader) notes(ctx context.Context) ([]byte, error) {
	blob, err := r.blob(ctx, `SELECT notes FROM history_notes WHERE domain = ?`)
	if err != nil || blob == nil {
		return nil, err
	}
	notes, sound := verifiedContent(notesName, blob)
	if !sound {
		r.damaged("what was counted beside activity")
		return nil, nil
	}
	r.notesSum = storedChecksum(blob)
	return notes, nil
}

// timeOf is the reverse of milliOf.
func timeOf(milli int64) time.Time {
	if milli == 0 {
		return time.Time{}
	}
	return time.UnixMilli(milli)
}

// parts reads numbers that were written in parts. The users of a part that is
// damaged or missing are unknown from then on. Others are those of otherSeen.
func parts[N int64 | uint64](ctx context.Context, r *reader, table, column string) (all, others []N, sums map[int]uint64, damaged bool, err error) {
	var rows []struct {
		Part    int
		Content []byte
	}
	query := r.db.Rebind(`SELECT part, ` + column + ` AS content FROM history_` + table + ` WHERE domain = ? ORDER BY part`)
	if err := r.db.SelectContext(ctx, &rows, query, r.row.ID); err != nil {
		return nil, nil, nil, false, err
	}
	sums = make(map[int]uint64)
	all = make([]N, 0, len(rows)*partSize)
	for _, row := range rows {
		what := fmt.Sprintf("%s %d", table, row.Part)
		content, err := verifyChecksum(what, row.Content)
		switch {
		case err != nil:
		case row.Part == otherSeen:
			others, err = appendNumbers(others, content)
		case row.Part >= 0 && row.Part <= math.MaxInt32/partSize:
			for len(all) < row.Part*partSize { // nobody
				all = append(all, 0)
			}
			all, err = appendNumbers(all, content)
		}
		if err != nil {
			damaged = true
			r.damaged(fmt.Sprintf("part %d of table history_%s", row.Part, table))
			continue
		}
		sums[row.Part] = storedChecksum(row.Content)
	}
	return all, others, sums, damaged, nil
}

func (r *reader) days(ctx context.Context, days map[activity.Day]activity.DayState) error {
	var rows []struct {
		Day    int64
		Client string
		Visits int
		Users  []byte
	}
	if err := r.db.SelectContext(ctx, &rows, r.db.Rebind(`SELECT day, client, visits, users FROM history_visits WHERE domain = ? ORDER BY day, client`), r.row.ID); err != nil {
		return err
	}
	broken, sets := make(map[activity.Day]bool), make(map[activity.Day][]*roaring.Bitmap)
	for _, row := range rows {
		date := activity.Day(row.Day)
		content, err := verifyChecksum(visitsOf(date, row.Client, row.Visits), row.Users)
		var set *roaring.Bitmap
		if err == nil {
			r.huffman[date] = isHuffman(content)
			set, err = decodeSet(content)
		}
		if err != nil {
			if !broken[date] {
				r.damaged("the day " + date.String())
			}
			broken[date] = true
			continue
		}
		if sets[date] == nil {
			sets[date] = make([]*roaring.Bitmap, r.classes.Clients())
			days[date] = activity.DayState{Rows: row.Visits, Sets: func() []*roaring.Bitmap { return sets[date] }}
		}
		client := r.classes.ByLabel(row.Client)
		if sets[date][client] != nil { // of a class that has become another's
			set = roaring.Or(set, sets[date][client])
		}
		sets[date][client] = set
	}
	for date := range broken {
		if r.row.Since == nil { // a day that is not known is read again
			delete(days, date)
		}
	}
	return nil
}

// contents is what is known to be in the database after reading it.
func (r *reader) contents(state activity.State) *contents {
	c := &contents{id: r.row.ID, hashes: len(state.Hashes), changed: state.Changed, users: r.users, lastSeen: r.lastSeen, observed: r.observedSum, progress: r.progressSum, notes: r.notesSum, messages: r.stored, days: make(map[activity.Day]stored)}
	c.accounts = accountContents{state.AccountsVersion, r.accountSums}
	for date, day := range state.Days {
		c.days[date] = stored{day.Version, r.huffman[date]}
	}
	return c
}
