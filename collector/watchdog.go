package collector

import (
	"context"
	"errors"
	"time"

	"github.com/go-kit/log/level"

	"active_users_exporter/collector/failure"
)

// comeBack is how long a refresh may take to come back once its context has ended.
// A Reader that obeys it does so at once. But some waits cannot be ended from
// outside, such as one for a file system behind a network that is down.
const comeBack = 3 * time.Second

// Refresh reads the server once and publishes what it found. On an error the
// last good figures stay; the error is logged here. It must not be called by
// two goroutines at once.
//
// A refresh may take as long as the time to the next one. If it has not come back by
// then, that is a failure, which is shown while Refresh goes on waiting: two never
// run at once. If ctx is cancelled, Refresh gives up waiting; no
// other may follow.
func (r *Refresher) Refresh(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, max(r.options.Interval, time.Minute))
	defer cancel()
	started, at := time.Now(), r.options.Now()
	r.update(func(*Status) { r.running = true })
	done := make(chan error, 1)
	go func() { done <- r.refresh(limited) }()
	select {
	case err := <-done:
		return err
	case <-limited.Done():
	}
	if err, ended := endOf(done); ended {
		return err
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		r.showHanging(at, started)
		select {
		case err := <-done:
			return err
		case <-canceled(ctx):
		}
		if err, ended := endOf(done); ended {
			return err
		}
	}
	r.abandoned.Store(true)
	return ctx.Err()
}

// canceled is closed when ctx is cancelled, and never once its own time is over.
func canceled(ctx context.Context) <-chan struct{} {
	if ctx.Err() != nil {
		return nil
	}
	return ctx.Done()
}

// endOf waits a little for the end of a refresh, and returns its error.
func endOf(done <-chan error) (err error, ended bool) {
	select {
	case err := <-done:
		return err, true
	case <-time.After(comeBack):
		return nil, false
	}
}

// showHanging publishes that the refresh that began at a moment does not come back.
func (r *Refresher) showHanging(at, started time.Time) {
	err := failure.New(failure.Timeout, "the refresh does not come back: something that it waits for does not answer, such as a file system behind a network")
	r.update(func(s *Status) {
		if !r.running { // it has, just now
			return
		}
		r.hanging = true
		s.Attempted, s.Duration = at, time.Since(started)
		s.fail(err)
		_ = level.Error(r.options.Logger).Log("msg", "refresh hangs", "reason", failure.Timeout, "duration", s.Duration.Round(time.Millisecond), "err", err)
	})
}

// fail notes that the last refresh failed.
func (s *Status) fail(err error) {
	s.Up, s.Err = false, err
	if s.Failures == nil {
		s.Failures = make(map[failure.Reason]uint64)
	}
	s.Failures[failure.Of(err)]++
}

// Close lets go of the Reader's connections, unless a refresh that hangs still has
// them. No Refresh may be running or follow.
func (r *Refresher) Close() {
	if r.abandoned.Load() {
		return
	}
	if err := r.options.Reader.Close(); err != nil {
		_ = level.Warn(r.options.Logger).Log("msg", "could not close the server's records", "err", err)
	}
}
