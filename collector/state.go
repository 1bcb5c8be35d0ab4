package collector

import (
	"context"
	"errors"
	"maps"
	"math"
	"time"

	"github.com/go-kit/log/level"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
)

// refreshState is what the next refresh goes on from.
type refreshState struct {
	calendar     *activity.Calendar // nil before the first try
	lastSuccess  time.Time          // of the last success
	lastFullRead time.Time          // of the last one that read everything
	readsAll     bool               // the reader reports everything each time
	loaded       bool               // what the history holds is in the calendar
	interrupted  bool               // the last try read everything, did not come to its end, and is gone on with
	unfinished   bool               // there is more to read; see Facts
	// emptied are the domains most of whose users have vanished, and since when.
	emptied map[string]time.Time
}

// fullReadEvery is the age at which last-seen times are read again in full, so that
// rows that somebody deleted are noticed.
const fullReadEvery = 7 * 24 * time.Hour

// resume returns a copy to record into, and the moment since which to read. A clock that
// was set back makes everything uncertain that was recorded later. While what a full read
// has left is being read, no other one begins.
func (m *refreshState) resume(now time.Time) (next refreshState, since time.Time) {
	switch {
	case m.setBack(now):
		return m.fullRead(now, time.Time{})
	case m.interrupted:
		next = m.next(now)
		next.lastFullRead = now
		return next, time.Time{}
	case m.lastSuccess.IsZero(), m.readsAll:
		return m.fullRead(now, time.Time{})
	case now.Sub(m.lastFullRead) >= fullReadEvery && !m.unfinished:
		return m.fullRead(now, m.lastSuccess)
	}
	return m.next(now), m.lastSuccess
}

// next returns a copy that goes on from what is known.
func (m *refreshState) next(now time.Time) refreshState {
	return refreshState{calendar: m.calendar.Clone(), lastSuccess: now, lastFullRead: m.lastFullRead, loaded: m.loaded, emptied: m.emptied}
}

// clockSlack is by how much a clock may lag without having been set back: what came
// in that time is read twice anyway.
const clockSlack = time.Minute

// setBack says that the clock shows an earlier moment than at the last success,
// or a later one, but not by as much as has passed: package time keeps count of
// that in moments of this process, and compares them by it.
func (m *refreshState) setBack(now time.Time) bool {
	passed, shown := now.Sub(m.lastSuccess), now.Round(0).Sub(m.lastSuccess.Round(0))
	return shown < 0 || shown < passed-clockSlack
}

// fullRead returns a copy to record into that forgets all last-seen times, so that
// they are read again in full; visits stay. A Reader may keep those that were
// complete until a moment, which is zero for none, and does not read them again at once.
func (m *refreshState) fullRead(now, until time.Time) (next refreshState, since time.Time) {
	next = m.next(now)
	next.lastFullRead = now
	next.calendar.ForgetLastSeen(until)
	return next, time.Time{}
}

// interrupt keeps what a full read reported before it failed.
func (m *refreshState) interrupt(reached refreshState) {
	m.calendar, m.interrupted = reached.calendar, true
}

// setForward says that the clock shows a later moment than the one that has come:
// it has been set, or the machine was asleep.
func (m *refreshState) setForward(now time.Time) bool {
	passed, shown := now.Sub(m.lastSuccess), now.Round(0).Sub(m.lastSuccess.Round(0))
	return !m.lastSuccess.IsZero() && shown > passed+clockSlack
}

// commit ends a reading that succeeded: visits of servers that keep none are
// recorded, and what is not needed any longer goes. Users who have no account any
// more on such a server are forgotten, unless some of its records could not be
// read.
func (m *refreshState) commit(now time.Time, before refreshState, facts Facts, retention time.Duration) {
	m.readsAll, m.unfinished = facts.Complete, facts.Unfinished
	m.calendar.EndReading()
	for _, f := range facts.Domains {
		if f.AllAccounts {
			m.calendar.AllReported(f.Name)
		}
		if !f.HasLastSeen {
			continue
		}
		if !before.setForward(now) {
			m.calendar.Observe(f.Name, now)
		}
		if f.KeepsVisits {
			continue
		}
		m.calendar.RecordVisits(f.Name, now)
		if facts.Complete && f.Damaged == 0 {
			m.forgetGone(f, now, before.calendar.Users(f.Name))
		}
	}
	m.calendar.ForgetFuture(now)
	// What a server keeps itself can be read again: there, retention is for what
	// is stored.
	m.calendar.Purge(m.oldestDay(now, activity.MaxWindow))
	m.calendar.PurgeRecorded(m.oldestDay(now, retention))
	m.calendar.Compact(activity.DayOf(now))
}

// oldestDay returns the oldest day that is not yet older than retention. Days are
// deleted for ever, and a clock that is years ahead would make all of them old: so
// they age by the days on which the exporter was at work.
func (m *refreshState) oldestDay(now time.Time, retention time.Duration) activity.Day {
	if proven := m.calendar.ProvenDay(now); proven < activity.DayOf(now) {
		now = proven.Start()
	}
	return activity.FirstDay(now, retention)
}

const (
	// A domain that lost more than half of its users, and more than forgetAtOnce, since
	// the last refresh has lost them if they are still gone after emptiedFor:
	// somebody may be restoring a backup.
	forgetAtOnce = 1
	emptiedFor   = 24 * time.Hour
)

// forgetGone forgets the users whom the server does not know any more. Where
// people online may leave no trace in its records, that is those who have not
// come for as long as retention looks back. Before this refresh, so many users
// were known: newcomers make up for nobody.
func (m *refreshState) forgetGone(f DomainFacts, now time.Time, known int) {
	since := activity.Day(math.MaxInt32) // visits on whatever day save nobody
	if f.LogoutsUnrecorded {
		since = activity.DayOf(now) - activity.RetentionDays + 1
	}
	gone := m.calendar.Gone(f.Name, since)
	emptied := make(map[string]time.Time) // that of the refresh before stays as it is
	maps.Copy(emptied, m.emptied)
	m.emptied = emptied
	if len(gone) > forgetAtOnce && 2*len(gone) > known {
		if began, noticed := emptied[f.Name]; !noticed || began.After(now) {
			emptied[f.Name] = now
		}
		if now.Sub(emptied[f.Name]) < emptiedFor {
			return
		}
	} else {
		delete(emptied, f.Name)
	}
	m.calendar.ForgetUsers(f.Name, gone)
}

// loadHistory takes up what the history holds, before the first refresh or, while
// it cannot be read, before a later one.
func (r *Refresher) loadHistory(ctx context.Context) {
	known := r.state.calendar
	if known == nil {
		r.state.calendar = activity.NewCalendar(r.options.Key, r.options.Classes)
	}
	if r.options.History == nil || r.state.loaded {
		return
	}
	calendar := activity.NewCalendar(r.options.Key, r.options.Classes)
	loaded, err := r.options.History.Load(ctx, r.options.Server, calendar, r.options.Classes)
	if err != nil {
		r.historyFailed(err)
		return
	}
	for _, what := range loaded.Damage {
		_ = level.Error(r.options.Logger).Log("msg", what)
	}
	r.state = refreshState{calendar: calendar, lastSuccess: loaded.At, lastFullRead: loaded.FullRead, loaded: true}
	if known != nil { // it comes late: what was read meanwhile is not to be lost
		calendar.Merge(known)
		r.state.lastSuccess = time.Time{}
	}
	r.update(func(s *Status) {
		s.HistorySaved = loaded.At
		s.HistoryFailures += uint64(len(loaded.Damage))
	})
}

// saveHistory writes to the history what a refresh has found.
func (r *Refresher) saveHistory(ctx context.Context, facts Facts) {
	if !r.state.loaded { // what is on disk would be written over
		return
	}
	var domains []string
	for _, f := range facts.Domains {
		if f.HasLastSeen && (!f.KeepsVisits || r.options.Cache) {
			domains = append(domains, f.Name)
		}
	}
	if len(domains) == 0 {
		return
	}
	at := history.Moment{
		At: r.state.lastSuccess, FullRead: r.state.lastFullRead,
		Oldest: r.state.oldestDay(r.state.lastSuccess, r.options.Retention),
	}
	switch err := r.options.History.Save(ctx, r.options.Server, domains, r.state.calendar, r.options.Classes, at); {
	case errors.Is(err, history.ErrFollower):
		return
	case errors.Is(err, history.ErrTakenOver):
		r.state.loaded = false // and is united with what is known at the next refresh
		return
	case err != nil:
		r.historyFailed(err)
		return
	}
	r.update(func(s *Status) { s.HistorySaved = at.At })
}

func (r *Refresher) historyFailed(err error) {
	if errors.Is(err, context.Canceled) { // the exporter stops
		return
	}
	_ = level.Error(r.options.Logger).Log("msg", "the history cannot be used; figures go on from memory", "err", err)
	r.update(func(s *Status) { s.HistoryFailures++ })
}

// update changes the status that is shown, under a version that none had before.
func (r *Refresher) update(change func(*Status)) {
	r.updating.Lock()
	defer r.updating.Unlock()
	next := *r.status.Load()
	next.Failures = maps.Clone(next.Failures)
	change(&next)
	next.Version = r.status.Load().Version&^1 + 2
	r.status.Store(&next)
}
