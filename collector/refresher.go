package collector

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/history"
)

// RefresherOptions say which server to refresh, and how.
type RefresherOptions struct {
	Server   string // the configured name
	Software string
	Reader   Reader
	Interval time.Duration
	// StaleAfter is the age at which figures are dropped.
	StaleAfter time.Duration
	Windows    []activity.Window
	Cohorts    bool // whether to follow newcomers week by week
	HalfYear   bool // whether to count the visitors of a month and of half a year
	Classes    *activity.Classes
	Key        activity.Key
	// History keeps what is known across restarts; nil if nothing does.
	History History
	// Cache says to keep also what the chat server itself keeps, so that a
	// restart need not read it again.
	Cache bool
	// Retention is how long visits are kept; 0 is MaxWindow.
	Retention time.Duration
	// Minimum is the least number of people that a cell of a split may show.
	Minimum activity.Minimum
	// Now is the clock that figures and ages are counted by.
	Now    func() time.Time
	Logger log.Logger
}

// A History stores calendars. Its errors lose nothing of what is in memory.
type History interface {
	// Load adds to an empty calendar what was saved of a server.
	Load(ctx context.Context, server string, cal *activity.Calendar, classes *activity.Classes) (history.Loaded, error)
	// Save stores what the calendar knows of a server's domains.
	Save(ctx context.Context, server string, domains []string, cal *activity.Calendar, classes *activity.Classes, at history.Moment) error
}

// A Refresher keeps the newest Snapshot of one chat server. Run refreshes it
// again and again; Status answers at any time, from any goroutine, without
// waiting.
type Refresher struct {
	options RefresherOptions
	status  atomic.Pointer[Status]
	state   refreshState // of refresh alone
	// timelines are what pages have asked for.
	timelines *timelines
	// warned are the warnings of the last refresh that gave figures; of refresh alone.
	warned []string
	// updating is held while a status is replaced: by a refresh, or because it hangs.
	updating sync.Mutex
	// running says that a refresh has not shown its result yet, hanging that this
	// itself was shown; updating guards them. Abandoned says that Refresh has given up
	// waiting.
	running, hanging bool
	abandoned        atomic.Bool
}

// Status is all that is known of one chat server at one moment. It does not
// change once made.
type Status struct {
	Server   string
	Software string
	// Snapshot is the newest one that is not stale, or nil.
	Snapshot *Snapshot
	// Up says that the last refresh succeeded in everything; Err says why not.
	// Both are false and nil before the first refresh.
	Up  bool
	Err error
	// Online says whether the running server told who is connected at the last refresh.
	Online OnlineState
	// Attempted and Succeeded are the moments of the last refresh and of the
	// last one that gave figures; the zero time if there was none.
	Attempted, Succeeded time.Time
	Duration             time.Duration // of the last refresh
	Failures             map[failure.Reason]uint64
	// HistorySaved is the moment of the last refresh that the history holds,
	// the zero time if there is none; HistoryFailures counts what could not be
	// read from it or written to it.
	HistorySaved    time.Time
	HistoryFailures uint64
	// Version names this state: two statuses of one server that differ in
	// anything have different versions.
	Version uint64
}

// NewRefresher returns a Refresher that has not refreshed yet.
func NewRefresher(o RefresherOptions) *Refresher {
	if o.Retention == 0 {
		o.Retention = activity.MaxWindow
	}
	r := &Refresher{options: o, timelines: &timelines{counted: make(map[string]countedTimeline)}}
	r.status.Store(&Status{Server: o.Server, Software: o.Software})
	return r
}

// TakeOver shows what an earlier Refresher knew of the same server, until the
// first refresh of this one. It must not be called after Run.
func (r *Refresher) TakeOver(s Status) { r.status.Store(&s) }

// Status returns what is known now. Figures older than StaleAfter are left
// out.
func (r *Refresher) Status() Status {
	s := *r.status.Load()
	if s.Snapshot != nil && r.options.Now().Sub(s.Snapshot.At) > r.options.StaleAfter {
		s.Snapshot = nil
		s.Version++ // what is published has even numbers
	}
	return s
}

const (
	// jitter is the part of a pause by which it is made longer or shorter, so
	// that servers, and exporters, do not refresh in step.
	jitter = 0.05
	// firstRetry is the pause after a first failure; it doubles with each
	// further one, up to the interval.
	firstRetry = 30 * time.Second
	// soon is the pause while there is more to read.
	soon = 15 * time.Second
)

// Run refreshes at once and then every Interval, sooner after failures, until
// ctx ends. One refresh never begins before the last has ended. It closes the
// Reader when done.
func (r *Refresher) Run(ctx context.Context) {
	defer r.Close()
	failures := 0
	for {
		if r.Refresh(ctx) == nil {
			failures = 0
		} else {
			failures++
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.pause(failures)):
		}
	}
}

// pause returns how long to wait after the given number of failures in a row. After
// none, that is the interval, unless there is more to read.
func (r *Refresher) pause(failures int) time.Duration {
	pause := r.options.Interval
	status := r.status.Load()
	unfinished := status.Snapshot != nil && status.Snapshot.Unfinished
	switch {
	case failures > 0 && unfinished && status.Snapshot.At.Equal(status.Attempted): // a part alone has failed
		pause = min(pause, firstRetry)
	case failures > 0 && failures < 16:
		pause = min(pause, firstRetry<<(failures-1))
	case failures == 0 && unfinished:
		pause = min(pause, soon)
	}
	return time.Duration(float64(pause) * (1 + jitter*(2*rand.Float64()-1)))
}

// refresh is Refresh without a look at the time that it takes.
func (r *Refresher) refresh(ctx context.Context) error {
	started := time.Now()
	now := r.options.Now()
	r.loadHistory(ctx)
	fresh, facts, err := r.read(ctx, now)
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err() // the exporter stops: no failure of the server
	}

	succeeded := false
	r.update(func(s *Status) {
		hung := r.hanging // and was counted as a failure: its figures are old by now
		r.running, r.hanging = false, false
		if hung && err == nil {
			err = failure.New(failure.Timeout, "the refresh came back too late")
		}
		succeeded = err == nil
		s.Attempted, s.Duration = now, time.Since(started)
		if succeeded {
			err = r.show(s, fresh, facts, now)
		} else if s.Online == OnlineKnown {
			s.Online = OnlineUnknown
		}
		s.Up, s.Err = err == nil, err
		if err != nil && !hung {
			s.fail(err)
		}
	})
	r.log(*r.status.Load(), facts)
	if succeeded { // even if it was late
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveWithin)
		defer cancel()
		r.saveHistory(ctx, facts)
	}
	return err
}

// saveWithin is how long it may take to write the history.
const saveWithin = time.Minute

// show puts a new snapshot into a status, unless the earlier one is better, and
// returns what could not be read for it.
func (r *Refresher) show(s *Status, fresh *Snapshot, facts Facts, now time.Time) error {
	if facts.ModulesErr != nil || facts.OnlineErr != nil && len(facts.Modules) == 0 {
		fresh.keepModules(s.Snapshot, now, r.options.StaleAfter)
	}
	if facts.PartialErr != nil {
		fresh.keepSpecials(s.Snapshot, now, r.options.StaleAfter)
	}
	fresh.noteModules(s.Snapshot, now)
	s.Online = facts.Online
	if facts.OnlineErr == nil || !s.Snapshot.lacksNobody(now, r.options.StaleAfter) {
		s.Snapshot, s.Succeeded = fresh, now
	}
	return errors.Join(facts.ModulesErr, facts.PartialErr, withoutOnline(facts.OnlineErr))
}

const (
	// lockedTries is how often a refresh reads records that are being written
	// to, lockedPause how long it waits in between.
	lockedTries = 3
	lockedPause = time.Second
)

// read makes a Snapshot from what was known and what is new. What another
// process keeps locked for a moment is tried again. If a part alone was locked, the next try
// goes on from the rest, which is shown whatever becomes of it.
func (r *Refresher) read(ctx context.Context, now time.Time) (s *Snapshot, facts Facts, err error) {
	defer func() {
		// A defect of a Reader stops neither the process nor the other servers.
		if value := recover(); value != nil {
			err = failure.New(failure.Internal, "defect of the exporter: %v\n%s", value, debug.Stack())
		}
	}()
	for try := 1; ; try++ {
		newest, learned, failed := r.readOnce(ctx, now)
		if failed == nil || s == nil {
			s, facts, err = newest, learned, failed
		}
		if try == lockedTries || failure.Of(errors.Join(failed, learned.PartialErr)) != failure.Locked {
			return s, facts, err
		}
		select {
		case <-ctx.Done():
			return s, facts, err
		case <-time.After(lockedPause):
		}
	}
}

// readOnce works on a copy of what was known, which it gives up on an error: what was read
// from records in motion may be wrong. It keeps only what a Reader says it can go on from.
func (r *Refresher) readOnce(ctx context.Context, now time.Time) (s *Snapshot, facts Facts, err error) {
	next, since := r.state.resume(now)
	facts, err = r.readInto(ctx, since, now, next.calendar)
	if errors.Is(err, ErrStartOver) {
		next, since = r.state.fullRead(now, time.Time{})
		facts, err = r.readInto(ctx, since, now, next.calendar)
	}
	if err != nil {
		if since.IsZero() && facts.Resumable {
			r.state.interrupt(next)
		}
		return nil, facts, err
	}
	next.commit(now, r.state, facts, r.options.Retention)
	r.state = next
	s = r.snapshot(now, facts, next.calendar)
	if facts.Complete {
		next.calendar.DropAccounts()
	}
	return s, facts, nil
}

func (r *Refresher) readInto(ctx context.Context, since, now time.Time, calendar *activity.Calendar) (Facts, error) {
	batch := activity.NewBatch(calendar)
	defer batch.Flush()
	return r.options.Reader.Read(ctx, since, now, batch)
}

// lacksNobody says that figures which are not stale include who stays connected:
// they are better than newer ones without.
func (s *Snapshot) lacksNobody(now time.Time, staleAfter time.Duration) bool {
	return s != nil && (s.Online == OnlineKnown || s.countedByServer) && now.Sub(s.At) <= staleAfter
}

// withoutOnline says what it means that the running server did not answer.
func withoutOnline(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("who is connected is not known, so people who stay connected may be missing from the figures: %w", err)
}

// keepModules takes the states of modules from an earlier snapshot, unless
// they are stale: they are the newest that are known.
func (s *Snapshot) keepModules(earlier *Snapshot, now time.Time, staleAfter time.Duration) {
	if earlier != nil && now.Sub(earlier.ModulesAt) <= staleAfter {
		s.Modules, s.ModulesAt = earlier.Modules, earlier.ModulesAt
	}
}

func (r *Refresher) log(s Status, facts Facts) {
	warnings := slices.Clone(facts.Warnings)
	if s.Snapshot != nil {
		if unrecorded := s.Snapshot.unrecorded(); unrecorded != "" {
			warnings = append(warnings, "no activity is recorded, so nobody can be counted: "+unrecorded)
		}
	}
	for _, w := range warnings {
		if !slices.Contains(r.warned, w) { // said once
			_ = level.Warn(r.options.Logger).Log("msg", w)
		}
	}
	if s.Err == nil || len(facts.Domains) > 0 {
		r.warned = warnings
	}
	if s.Err != nil {
		_ = level.Error(r.options.Logger).Log("msg", "refresh failed", "reason", failure.Of(s.Err), "duration", s.Duration.Round(time.Millisecond), "err", s.Err)
		return
	}
	_ = level.Info(r.options.Logger).Log("msg", "refreshed", "domains", len(s.Snapshot.Domains), "duration", s.Duration.Round(time.Millisecond))
	if s.Snapshot.Unfinished {
		_ = level.Info(r.options.Logger).Log("msg", "the chat server has more records, which the next refreshes read; some figures wait for them")
	}
}
