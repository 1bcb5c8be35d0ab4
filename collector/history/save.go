package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/activity"
)

// contents is what the store holds of one domain, as far as it takes to know
// what has changed.
type contents struct {
	id       int64
	hashes   int            // how many there are
	changed  int            // State.Changed
	users    map[int]uint64 // checksums by part
	lastSeen map[int]uint64
	observed uint64 // checksum
	progress uint64 // checksum, 0 if nothing is left to read
	notes    uint64 // checksum
	messages messageContents
	accounts accountContents
	days     map[activity.Day]stored
}

// stored says which state of a day is there.
type stored struct {
	version any // DayState.Version
	huffman bool
}

// fullDays is how many days are kept as they are in memory: those of r30v2, and a few for
// servers that were away.
const fullDays = activity.RetentionDays + 7

// partSize is the number of users in one row of hashes or last-seen times.
const partSize = 8192

// Save stores what a calendar knows of the domains of a server, in one
// transaction, and writes only what has changed since the last Save. Domains
// that are not listed are kept as they are. Last-seen times are stored only of
// domains whose visits the server itself keeps: for all others they are read again
// after a restart.
func (s *Store) Save(ctx context.Context, server string, domains []string, cal *activity.Calendar, classes *activity.Classes, at Moment) error {
	if s.readOnly {
		return ErrFollower
	}
	s.using.Lock()
	defer s.using.Unlock()
	if err := s.open(ctx); err != nil {
		return err
	}
	if s.lead != nil {
		switch leads, taken, err := s.lead.check(ctx); {
		case err != nil:
			return err
		case !leads:
			return ErrFollower
		case taken:
			clear(s.written)
			return ErrTakenOver
		}
	}
	written := make(map[string]*contents)
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	encoder := new(encoder)
	for _, domain := range domains {
		w := writer{tx: tx, encoder: encoder, classes: classes, old: s.written[server][domain]}
		if written[domain], err = w.domain(ctx, server, domain, cal.State(domain), at); err != nil {
			return fmt.Errorf("write the history of %s: %w", domain, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	if s.written[server] == nil {
		s.written[server] = make(map[string]*contents)
	}
	maps.Copy(s.written[server], written)
	return nil
}

// writer writes one domain.
type writer struct {
	tx      *sqlx.Tx
	encoder *encoder
	classes *activity.Classes
	old     *contents // nil if nothing is known of what is there
	new     *contents
}

func (w *writer) exec(ctx context.Context, statement string, args ...any) error {
	_, err := w.tx.ExecContext(ctx, w.tx.Rebind(statement), args...)
	return err
}

func (w *writer) domain(ctx context.Context, server, domain string, state activity.State, at Moment) (*contents, error) {
	w.new = &contents{users: make(map[int]uint64), lastSeen: make(map[int]uint64), days: make(map[activity.Day]stored)}
	var since any
	if state.Recorded {
		since = int64(state.Since)
	}
	id, err := w.id(ctx, server, domain)
	if err != nil {
		return nil, err
	}
	w.new.id = id
	if w.old == nil { // whatever is there is of another time
		for _, table := range dataTables() {
			if err := w.exec(ctx, `DELETE FROM `+table+` WHERE domain = ?`, id); err != nil {
				return nil, err
			}
		}
		w.old = &contents{}
	}
	if err := w.exec(ctx, `
		INSERT INTO history_domains (server, domain, id, saved_at, anew_at, recorded_since, rules) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (server, domain) DO UPDATE SET saved_at = excluded.saved_at, anew_at = excluded.anew_at, recorded_since = excluded.recorded_since, rules = excluded.rules`,
		server, domain, id, at.At.UnixMilli(), at.FullRead.UnixMilli(), since, w.classes.Fingerprint()); err != nil {
		return nil, err
	}
	w.new.hashes, w.new.changed = len(state.Hashes), state.Changed
	// What has only grown is the same up to where it ended.
	same := 0
	if w.old.changed == state.Changed {
		same = w.old.hashes / partSize
	}
	for part := range same {
		w.new.users[part] = w.old.users[part]
	}
	if err := w.parts(ctx, "users", "users", same, encodeNumbers(state.Hashes[same*partSize:]), w.old.users, w.new.users); err != nil {
		return nil, err
	}
	if !state.Recorded {
		if err := w.kept(ctx, state); err != nil {
			return nil, err
		}
	}
	if err := w.observed(ctx, state.Observed); err != nil {
		return nil, err
	}
	if err := w.messages(ctx, state.Messages); err != nil {
		return nil, err
	}
	if !state.Recorded {
		state.Days = maps.Clone(state.Days)
		maps.DeleteFunc(state.Days, func(date activity.Day, _ activity.DayState) bool { return date < at.Oldest })
	}
	return w.new, w.days(ctx, state, activity.DayOf(at.At)-fullDays)
}

// dataTables are the tables that hold what is known of a domain.
func dataTables() []string {
	return []string{"history_users", "history_last_seen", "history_visits", "history_observed", "history_progress", "history_messages", "history_rooms", "history_senders", "history_accounts", "history_notes"}
}

// observed writes the days on which the records were read, if there are new ones.
func (w *writer) observed(ctx context.Context, days []activity.Day) error {
	set := roaring.New()
	for _, date := range days {
		if date >= 0 { // else a clock was very wrong
			set.Add(uint32(date))
		}
	}
	set.RunOptimize()
	content, err := w.encoder.set(set, false)
	if err != nil {
		return err
	}
	w.new.observed = checksum(observedName, content)
	if w.new.observed == w.old.observed {
		return nil
	}
	return w.exec(ctx, `INSERT INTO history_observed (domain, days) VALUES (?, ?)
		ON CONFLICT (domain) DO UPDATE SET days = excluded.days`, w.new.id, addChecksum(observedName, content))
}

// progress writes how far the reading of last-seen times has come, while something is
// left to read.
func (w *writer) progress(ctx context.Context, p activity.Progress) error {
	if p.ClientsSince.IsZero() && p.Unread.IsZero() {
		if w.old.progress == 0 {
			return nil
		}
		return w.exec(ctx, `DELETE FROM history_progress WHERE domain = ?`, w.new.id)
	}
	content := encodeNumbers([]int64{milliOf(p.ClientsSince), milliOf(p.Unread)})
	w.new.progress = checksum(progressName, content)
	if w.new.progress == w.old.progress {
		return nil
	}
	return w.exec(ctx, `INSERT INTO history_progress (domain, moments) VALUES (?, ?)
		ON CONFLICT (domain) DO UPDATE SET moments = excluded.moments`, w.new.id, addChecksum(progressName, content))
}

// milliOf returns a moment in Unix milliseconds, 0 for the zero time.
func milliOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// id returns the number of a domain, a new one if it has none.
func (w *writer) id(ctx context.Context, server, domain string) (id int64, err error) {
	if w.old != nil {
		return w.old.id, nil
	}
	err = w.tx.GetContext(ctx, &id, w.tx.Rebind(`SELECT id FROM history_domains WHERE server = ? AND domain = ?`), server, domain)
	if errors.Is(err, sql.ErrNoRows) {
		err = w.tx.GetContext(ctx, &id, `SELECT COALESCE(MAX(id), 0) + 1 FROM history_domains`)
	}
	return id, err
}

// kept writes what is stored of domains alone whose visits the server itself keeps.
func (w *writer) kept(ctx context.Context, state activity.State) error {
	if err := w.progress(ctx, state.Progress); err != nil {
		return err
	}
	if err := w.lastSeen(ctx, state); err != nil {
		return err
	}
	if err := w.notes(ctx, state.Notes); err != nil {
		return err
	}
	return w.accounts(ctx, state)
}

// notes writes what the reader has left, if it is something else.
func (w *writer) notes(ctx context.Context, notes []byte) error {
	w.new.notes = checksum(notesName, notes)
	if w.new.notes == w.old.notes || w.old.notes == 0 && notes == nil {
		return nil
	}
	return w.exec(ctx, `INSERT INTO history_notes (domain, notes) VALUES (?, ?)
		ON CONFLICT (domain) DO UPDATE SET notes = excluded.notes`, w.new.id, addChecksum(notesName, notes))
}

// otherSeen is the part of last-seen times that those of other classes are in.
const otherSeen = -1

func (w *writer) lastSeen(ctx context.Context, state activity.State) error {
	var newest, others []int64
	if state.Seen != nil {
		newest, others = state.Seen()
	}
	if err := w.parts(ctx, "last_seen", "moments", 0, encodeNumbers(newest), w.old.lastSeen, w.new.lastSeen); err != nil {
		return err
	}
	return w.part(ctx, "last_seen", "moments", otherSeen, encodeNumbers(others), w.old.lastSeen, w.new.lastSeen)
}

// parts writes numbers in rows of partSize, from the first part on, those that
// have changed.
func (w *writer) parts(ctx context.Context, table, column string, first int, content []byte, old, now map[int]uint64) error {
	for part := first; len(content) > 0; part++ {
		size := min(len(content), 8*partSize)
		if err := w.part(ctx, table, column, part, content[:size], old, now); err != nil {
			return err
		}
		content = content[size:]
	}
	return w.gone(ctx, table, old, now)
}

// gone deletes the parts that there are no longer.
func (w *writer) gone(ctx context.Context, table string, old, now map[int]uint64) error {
	for part := range old {
		if _, still := now[part]; !still && part != otherSeen {
			if err := w.exec(ctx, `DELETE FROM history_`+table+` WHERE domain = ? AND part = ?`, w.new.id, part); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) part(ctx context.Context, table, column string, part int, content []byte, old, now map[int]uint64) error {
	what := fmt.Sprintf("%s %d", table, part)
	sum := checksum(what, content)
	now[part] = sum
	if before, there := old[part]; there && before == sum {
		return nil
	}
	return w.exec(ctx, `INSERT INTO history_`+table+` (domain, part, `+column+`) VALUES (?, ?, ?)
		ON CONFLICT (domain, part) DO UPDATE SET `+column+` = excluded.`+column, w.new.id, part, addChecksum(what, content))
}

// days writes the days that have changed and deletes those that are gone. Days
// up to old are written in Huffman's code.
func (w *writer) days(ctx context.Context, state activity.State, old activity.Day) error {
	for date := range w.old.days {
		if _, still := state.Days[date]; !still {
			if err := w.exec(ctx, `DELETE FROM history_visits WHERE domain = ? AND day = ?`, w.new.id, int64(date)); err != nil {
				return err
			}
		}
	}
	for _, date := range slices.Sorted(maps.Keys(state.Days)) {
		day := state.Days[date]
		now := stored{day.Version, date <= old}
		w.new.days[date] = now
		before, there := w.old.days[date]
		if there && before == now {
			continue
		}
		if there {
			if err := w.exec(ctx, `DELETE FROM history_visits WHERE domain = ? AND day = ?`, w.new.id, int64(date)); err != nil {
				return err
			}
		}
		if err := w.day(ctx, date, day, now.huffman); err != nil {
			return err
		}
	}
	return nil
}

// day writes one day, a row for each class of clients that came; the number of
// visits stands in each.
func (w *writer) day(ctx context.Context, date activity.Day, day activity.DayState, small bool) error {
	came := false
	sets := day.Sets()
	for client, set := range sets {
		if set.IsEmpty() && (came || client+1 < len(sets)) {
			continue
		}
		came = true
		content, err := w.encoder.set(set, small)
		if err != nil {
			return err
		}
		label := w.classes.Label(activity.Client(client))
		if err := w.exec(ctx, `INSERT INTO history_visits (domain, day, client, visits, users) VALUES (?, ?, ?, ?, ?)`,
			w.new.id, int64(date), label, day.Rows, addChecksum(visitsOf(date, label, day.Rows), content)); err != nil {
			return err
		}
	}
	return nil
}

// visitsOf names the set of a day and class, for its checksum.
func visitsOf(date activity.Day, label string, rows int) string {
	return fmt.Sprintf("visits %d %s %d", date, label, rows)
}
