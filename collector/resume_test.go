package collector_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-kit/log"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// readFunc is a Reader; since is the moment from which on it reads.
type readFunc func(since, now time.Time, rec activity.Recorder) (collector.Facts, error)

func (f readFunc) Read(_ context.Context, since, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	return f(since, now, rec)
}

func (readFunc) Close() error { return nil }

// stepper refreshes once for each step, and says whether the reader was called.
func stepper(t *testing.T, clock *time.Time) func(step readFunc) error {
	t.Helper()
	var read readFunc
	r := collector.NewRefresher(collector.RefresherOptions{
		Server: "s", Software: "synapse", Interval: time.Hour, StaleAfter: 300 * 24 * time.Hour,
		Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(), Now: func() time.Time { return *clock }, Logger: log.NewNopLogger(),
		Reader: readFunc(func(since, now time.Time, rec activity.Recorder) (collector.Facts, error) {
			return read(since, now, rec)
		}),
	})
	return func(step readFunc) error {
		t.Helper()
		calls := 0
		read = func(since, now time.Time, rec activity.Recorder) (collector.Facts, error) {
			calls++
			return step(since, now, rec)
		}
		err := r.Refresh(t.Context())
		if calls == 0 {
			t.Error("the reader was not called")
		}
		return err
	}
}

var (
	domainName = []byte("d")
	errLost    = errors.New("the connection is lost")
)

func keepsVisits() collector.Facts {
	return collector.Facts{Domains: []collector.DomainFacts{{Name: "d", HasLastSeen: true, KeepsVisits: true, Clients: true}}}
}

// What a full read reported before it failed is there at the next one if the reader
// says so, and else not.
func TestAFullReadThatFailedGoesOn(t *testing.T) {
	for name, resumable := range map[string]bool{"resumable": true, "not resumable": false} {
		t.Run(name, func(t *testing.T) {
			clock := now
			step := stepper(t, &clock)
			err := step(func(since, now time.Time, rec activity.Recorder) (collector.Facts, error) {
				rec.Seen(domainName, []byte("a"), 1, now)
				rec.SetProgress(domainName, activity.Progress{Since: now, After: "a"})
				return collector.Facts{Resumable: resumable}, errLost
			})
			if !errors.Is(err, errLost) {
				t.Fatalf("error %v", err)
			}
			clock = now.Add(time.Minute)
			err = step(func(since, _ time.Time, rec activity.Recorder) (collector.Facts, error) {
				p := rec.Progress(domainName)
				if !since.IsZero() || rec.Newest(domainName).IsZero() == resumable || (p.After == "a") != resumable {
					t.Errorf("asked for what came since %v, newest %v, progress %+v", since, rec.Newest(domainName), p)
				}
				return keepsVisits(), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			err = step(func(since, _ time.Time, rec activity.Recorder) (collector.Facts, error) {
				if p := rec.Progress(domainName); !since.Equal(clock) || p != (activity.Progress{}) {
					t.Errorf("asked for what came since %v, want %v; progress %+v", since, clock, p)
				}
				return keepsVisits(), nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// After a week everything is read again, but not while the last full read still has
// something left; of what was known, a reader can keep what it does not read at once,
// unless the records are others.
func TestTheFullReadOfEachWeek(t *testing.T) {
	clock := now
	step := stepper(t, &clock)
	succeed := func(unfinished bool, check func(since time.Time, rec activity.Recorder)) {
		t.Helper()
		if err := step(func(since, now time.Time, rec activity.Recorder) (collector.Facts, error) {
			check(since, rec)
			rec.Seen(domainName, []byte("a"), 1, now.Add(-time.Minute))
			facts := keepsVisits()
			facts.Unfinished = unfinished
			return facts, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	succeed(true, func(since time.Time, _ activity.Recorder) {
		if !since.IsZero() {
			t.Errorf("at first, since %v", since)
		}
	})
	clock = now.AddDate(0, 0, 8)
	succeed(false, func(since time.Time, _ activity.Recorder) {
		if !since.Equal(now) {
			t.Errorf("unfinished after a week: since %v, want %v", since, now)
		}
	})
	before := clock
	clock = clock.Add(time.Hour)
	succeed(false, func(since time.Time, rec activity.Recorder) {
		p := rec.Progress(domainName)
		if !since.IsZero() || !rec.Newest(domainName).IsZero() || !p.Since.Equal(before.Add(-time.Minute)) || !rec.KeepClients(domainName, time.Time{}) {
			t.Errorf("after a week: since %v, newest %v, progress %+v; want everything, and what was known until %v", since, rec.Newest(domainName), p, before.Add(-time.Minute))
		}
	})
	clock = clock.AddDate(0, 0, 8)
	calls := 0
	if err := step(func(since, _ time.Time, rec activity.Recorder) (collector.Facts, error) {
		if calls++; calls == 1 {
			return collector.Facts{}, collector.ErrStartOver
		}
		if !since.IsZero() || rec.KeepClients(domainName, time.Time{}) {
			t.Errorf("other records: since %v, and something may be kept", since)
		}
		return keepsVisits(), nil
	}); err != nil || calls != 2 {
		t.Errorf("%d calls, error %v", calls, err)
	}
}

// Classes of clients of a window are shown once they are known of all of it.
func TestClassesAreAbsentUntilTheyAreKnown(t *testing.T) {
	for days, want := range map[int]int{0: 0, 1: 1, 6: 1, 7: 2, 29: 2, 30: 3, 400: 3} {
		r := refresher(t, "s", func(_ context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
			rec.Seen(domainName, []byte("a"), 1, now.Add(-time.Hour))
			facts := keepsVisits()
			facts.Domains[0].ClientsSince = now.AddDate(0, 0, -days)
			return facts, nil
		}, func() time.Time { return now })
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		with := 0
		for _, a := range r.Status().Snapshot.Domains[0].Active {
			if a.Users != 1 {
				t.Errorf("%s: %d users, want 1", a.Window, a.Users)
			}
			if len(a.Clients) > 0 {
				with++
			}
		}
		if with != want {
			t.Errorf("known for %d days: classes of %d windows, want %d", days, with, want)
		}
	}
}
