package collector_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a reader that goes through the given reads and repeats the last.
func script(reads ...fakeReader) fakeReader {
	n := 0
	return func(ctx context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
		read := reads[min(n, len(reads)-1)]
		n++
		return read(ctx, now, rec)
	}
}

func failing(err error) fakeReader {
	return func(context.Context, time.Time, activity.Recorder) (collector.Facts, error) {
		return collector.Facts{}, err
	}
}

func TestFailedRefreshKeepsLastGoodFigures(t *testing.T) {
	clock := now
	r := refresher(t, "matrix", script(matrix, unreachable, unreachable, unreachable, unreachable, matrix), func() time.Time { return clock })
	if s := r.Status(); s.Up || s.Snapshot != nil || !s.Attempted.IsZero() {
		t.Errorf("before the first refresh: %+v", s)
	}
	_ = r.Refresh(t.Context())
	first := r.Status()
	if !first.Up || first.Snapshot == nil || first.Snapshot.Domains[0].Active[0].Users != 1 {
		t.Fatalf("after a good refresh: %+v", first)
	}
	for hours := 1; hours <= 3; hours++ {
		clock = now.Add(time.Duration(hours) * time.Hour)
		_ = r.Refresh(t.Context())
		s := r.Status()
		if s.Up || s.Snapshot != first.Snapshot || !s.Succeeded.Equal(now) || !s.Attempted.Equal(clock) || s.Failures[failure.Unexpected] != uint64(hours) {
			t.Errorf("after %d failures: %+v", hours, s)
		}
	}
	clock = now.Add(3*time.Hour + time.Second)
	if s := r.Status(); s.Snapshot != nil || !s.Succeeded.Equal(now) {
		t.Errorf("stale figures are shown, or their time is not: %+v", s)
	}
	_ = r.Refresh(t.Context())
	_ = r.Refresh(t.Context())
	if s := r.Status(); !s.Up || s.Snapshot == nil || !s.Succeeded.Equal(clock) || s.Err != nil {
		t.Errorf("after recovery: %+v", s)
	}
}

func TestReasons(t *testing.T) {
	for name, c := range map[string]struct {
		read fakeReader
		want failure.Reason
	}{
		"panic": {func(context.Context, time.Time, activity.Recorder) (collector.Facts, error) {
			panic("index out of range")
		}, failure.Internal},
		"missing file":      {failing(fmt.Errorf("open: %w", fs.ErrNotExist)), failure.Unreachable},
		"no permission":     {failing(fmt.Errorf("open: %w", fs.ErrPermission)), failure.Denied},
		"too slow":          {failing(fmt.Errorf("query: %w", context.DeadlineExceeded)), failure.Timeout},
		"named":             {failing(fmt.Errorf("query: %w", failure.New(failure.Denied, "denied"))), failure.Denied},
		"no reason of ours": {failing(failure.New("because", "because")), failure.Unexpected},
		"anything else":     {failing(errors.New("hmm")), failure.Unexpected},
		"modules alone": {func(context.Context, time.Time, activity.Recorder) (collector.Facts, error) {
			return collector.Facts{ModulesErr: failure.New(failure.Unreachable, "unreachable")}, nil
		}, failure.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			r := refresher(t, "s", c.read, still)
			err := r.Refresh(t.Context())
			s := r.Status()
			if diff := cmp.Diff(map[failure.Reason]uint64{c.want: 1}, s.Failures); err == nil || s.Up || diff != "" {
				t.Errorf("error %v, up %v, failures (-want +got):\n%s", err, s.Up, diff)
			}
		})
	}
}

// A status page that fails says nothing about activity.
func TestModulesFailAlone(t *testing.T) {
	clock := now
	noModules := func(ctx context.Context, at time.Time, rec activity.Recorder) (collector.Facts, error) {
		facts, _ := xmpp(ctx, at, rec)
		facts.Modules, facts.ModulesErr = nil, errors.New("status page: 403")
		return facts, nil
	}
	r := refresher(t, "xmpp", script(xmpp, noModules), func() time.Time { return clock })
	_ = r.Refresh(t.Context())
	for _, c := range []struct {
		after time.Duration
		kept  int
	}{{time.Hour, 3}, {3 * time.Hour, 3}, {3*time.Hour + time.Second, 0}, {5 * time.Hour, 0}} {
		clock = now.Add(c.after)
		_ = r.Refresh(t.Context())
		s := r.Status()
		if s.Up || !s.Succeeded.Equal(clock) || !s.Snapshot.At.Equal(clock) || len(s.Snapshot.Domains) != 2 || len(s.Snapshot.Modules) != c.kept {
			t.Errorf("after %s: %+v", c.after, s)
		}
		if c.kept > 0 && !s.Snapshot.ModulesAt.Equal(now) {
			t.Errorf("modules from %s, want %s", s.Snapshot.ModulesAt, now)
		}
	}
}

// What was read of records in motion must not be counted.
func TestLockedRecordsAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inMotion := func(_ context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
			rec.Seen([]byte("example.org"), []byte("ghost"), activity.Unknown, now)
			return collector.Facts{}, failure.New(failure.Locked, "locked")
		}
		r := refresher(t, "matrix", script(inMotion, inMotion, matrix), still)
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if users := r.Status().Snapshot.Domains[0].Active[0].Users; users != 1 {
			t.Errorf("%d users, want 1", users)
		}
		r = refresher(t, "matrix", inMotion, still)
		if err := r.Refresh(t.Context()); err == nil || r.Status().Failures[failure.Locked] != 1 {
			t.Errorf("error %v, failures %v", err, r.Status().Failures)
		}
	})
}

// A warning is logged once, and again if it has been off.
func TestWarningsAreSaidOnce(t *testing.T) {
	warns := func(warnings ...string) fakeReader {
		return func(ctx context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
			facts, _ := matrix(ctx, now, rec)
			facts.Warnings = warnings
			return facts, nil
		}
	}
	var text bytes.Buffer
	read := script(warns("one"), warns("one", "two"), failing(errors.New("gone")), warns("one", "two"), warns("two"), warns("one", "two"))
	r := collector.NewRefresher(collector.RefresherOptions{
		Server: "s", Software: "software", Reader: read, Interval: time.Hour, StaleAfter: 3 * time.Hour,
		Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(), Now: still, Logger: log.NewLogfmtLogger(&text),
	})
	for range 6 {
		_ = r.Refresh(t.Context())
	}
	if one, two := strings.Count(text.String(), "msg=one"), strings.Count(text.String(), "msg=two"); one != 2 || two != 1 {
		t.Errorf("said %d and %d times, want 2 and 1:\n%s", one, two, text.String())
	}
}

// While there is more to read, a part that fails again and again, such as MAS beside a
// Synapse, does not keep back the rest for longer and longer.
func TestAPartThatFailsWhileThereIsMoreToRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		r := refresher(t, "matrix", func(ctx context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
			reads++
			facts, _ := matrix(ctx, now, rec)
			facts.Unfinished, facts.PartialErr = true, errors.New("away")
			return facts, nil
		}, time.Now)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		r.Run(ctx)
		if reads < 30 {
			t.Errorf("%d refreshes in 20 minutes, want one each half minute", reads)
		}
	})
}

// If a part of the records alone is locked, the rest is not read in vain: the next try goes
// on from it, and it is shown even if that fails.
func TestALockedPartIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		partly := func(err error) fakeReader {
			return func(ctx context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
				reads++
				facts, _ := matrix(ctx, now, rec)
				facts.PartialErr = err
				return facts, nil
			}
		}
		fails := func(context.Context, time.Time, activity.Recorder) (collector.Facts, error) {
			reads++
			return collector.Facts{}, failure.New(failure.Unreachable, "gone")
		}
		locked := partly(failure.New(failure.Locked, "locked"))
		for _, c := range []struct {
			name  string
			reads []fakeReader
			up    bool
			want  int
		}{
			{"unlocked at last", []fakeReader{locked, locked, partly(nil)}, true, 3},
			{"always locked", []fakeReader{locked}, false, 3},
			{"gone meanwhile", []fakeReader{locked, fails}, false, 2},
			{"another failure", []fakeReader{partly(errors.New("no"))}, false, 1},
		} {
			reads = 0
			r := refresher(t, "matrix", script(c.reads...), still)
			_ = r.Refresh(t.Context())
			if s := r.Status(); s.Up != c.up || s.Snapshot == nil || reads != c.want {
				t.Errorf("%s: up %v, snapshot %v, %d reads; want %v and %d", c.name, s.Up, s.Snapshot, reads, c.up, c.want)
			}
		}
	})
}

func TestRunRefreshesHourlyAndSoonerAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int32
		count := func(read fakeReader) fakeReader {
			return func(ctx context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
				reads.Add(1)
				return read(ctx, now, rec)
			}
		}
		r := refresher(t, "s", count(script(matrix, unreachable, unreachable, unreachable, matrix)), time.Now)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		// Pauses of 1 h, 30 s, 60 s, 120 s and 1 h again, each ± 5 %: after
		// 57 to 63 minutes three quick ones, over by 60.3 to 66.7 minutes, and
		// the next after 117.3 to 129.7.
		for _, c := range []struct {
			after time.Duration
			reads int32
		}{
			{0, 1}, {56 * time.Minute, 1}, {12 * time.Minute, 5}, {48 * time.Minute, 5}, {15 * time.Minute, 6},
		} {
			time.Sleep(c.after)
			synctest.Wait()
			if got := reads.Load(); got != c.reads {
				t.Errorf("%s later: %d reads, want %d", c.after, got, c.reads)
			}
		}
		stop()
		<-done
	})
}

func TestRefreshEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := func(ctx context.Context, _ time.Time, _ activity.Recorder) (collector.Facts, error) {
			<-ctx.Done()
			return collector.Facts{}, fmt.Errorf("query: %w", ctx.Err())
		}
		r := refresher(t, "s", hangs, time.Now)
		if err := r.Refresh(t.Context()); err == nil || r.Status().Failures[failure.Timeout] != 1 {
			t.Errorf("error %v, failures %v", err, r.Status().Failures)
		}
		// But when the exporter stops, no server has failed.
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		r = refresher(t, "s", hangs, time.Now)
		if err := r.Refresh(ctx); err == nil || len(r.Status().Failures) != 0 {
			t.Errorf("error %v, failures %v", err, r.Status().Failures)
		}
	})
}

func TestPanicsNameTheirPlace(t *testing.T) {
	r := refresher(t, "s", func(context.Context, time.Time, activity.Recorder) (collector.Facts, error) { panic("oh") }, still)
	if err := r.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "refresher_test.go") {
		t.Errorf("error %v, want one with the place of the panic", err)
	}
}

// A reader that waits for something that no context ends, such as a pipe or a file
// system behind a network, is a failure while it hangs. Nothing is read beside it, and
// when it comes back, all is well after the next refresh.
func TestARefreshThatHangsIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int32
		release := make(chan struct{})
		count := func(read fakeReader) fakeReader {
			return func(ctx context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
				reads.Add(1)
				return read(ctx, now, rec)
			}
		}
		deaf := func(ctx context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
			<-release
			return matrix(ctx, now, rec)
		}
		r := refresher(t, "s", count(script(matrix, deaf, matrix)), time.Now)
		done := make(chan struct{})
		go func() { r.Run(t.Context()); close(done) }()
		at := func(after time.Duration, what string, up bool, timeouts uint64, wantReads int32) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			s := r.Status()
			if s.Up != up || s.Failures[failure.Timeout] != timeouts || len(s.Failures) > 1 || reads.Load() != wantReads {
				t.Errorf("%s: up %v, failures %v, %d reads; want %v, %d and %d", what, s.Up, s.Failures, reads.Load(), up, timeouts, wantReads)
			}
		}
		at(time.Minute, "after the first", true, 0, 1)
		at(time.Hour+10*time.Minute, "it hangs, and its time is not up", true, 0, 2)
		at(time.Hour, "its time is up", false, 1, 2)
		if s := r.Status(); s.Snapshot == nil || failure.Of(s.Err) != failure.Timeout || s.Duration < time.Hour {
			t.Errorf("while it hangs: figures %v, error %v after %s", s.Snapshot, s.Err, s.Duration)
		}
		at(5*time.Hour, "much later", false, 1, 2)
		if s := r.Status(); s.Snapshot != nil {
			t.Error("figures are shown that are stale")
		}
		close(release)
		at(time.Second, "it has come back, too late", false, 1, 2)
		at(time.Minute, "after the next", true, 1, 3)
	})
}

// When the exporter stops, a refresh that hangs holds nothing up, and nothing that it
// uses is closed.
func TestStoppingARefreshThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, stopAt := range map[string]time.Duration{"in time": time.Minute, "while it is shown": 2 * time.Hour} {
			release := make(chan struct{})
			reader := &closeCounter{fakeReader: func(context.Context, time.Time, activity.Recorder) (collector.Facts, error) {
				<-release
				return collector.Facts{}, errors.New("at last")
			}}
			r := refresherOf("s", reader, time.Now)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { r.Run(ctx); close(done) }()
			time.Sleep(stopAt)
			began := time.Now()
			stop()
			<-done
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s: stopping took %s", name, took)
			}
			if reader.closed.Load() != 0 {
				t.Errorf("%s: the reader was closed while it read", name)
			}
			close(release)
			synctest.Wait()
		}
		good := &closeCounter{fakeReader: matrix}
		r := refresherOf("s", good, time.Now)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		r.Run(ctx)
		if good.closed.Load() != 1 {
			t.Errorf("a reader that does not hang was closed %d times", good.closed.Load())
		}
	})
}

type closeCounter struct {
	fakeReader
	closed atomic.Int32
}

func (c *closeCounter) Close() error {
	c.closed.Add(1)
	return nil
}
