package collector_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/go-kit/log"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/storage"
)

// steppedClock is a clock as time.Now is one: it also counts the time that has
// passed, whatever somebody sets it to.
type steppedClock struct{ time.Time }

func clockAt(at time.Time) *steppedClock {
	c := &steppedClock{time.Now()}
	c.set(at.Sub(c.Time))
	return c
}

// set moves what the clock shows, in whole seconds, as when it is set: no time
// passes, and package time can make no such clock. The seconds are the upper
// bits of the first field (src/time/time.go).
func (c *steppedClock) set(by time.Duration) {
	wall := (*uint64)(unsafe.Pointer(&c.Time))
	*wall += uint64(by/time.Second) << 30
}

func (c *steppedClock) pass(d time.Duration) { c.Time = c.Add(d) }

// logins are a server's records: who came when, by the same clock. Each user
// comes once. A Read gives all of them (whole), as Prosody's, or visits and those
// since the last Read, as Synapse's.
type logins struct {
	whole bool
	rows  []login
}

type login struct {
	user string
	at   time.Time
}

func (l *logins) Read(_ context.Context, since, _ time.Time, rec activity.Recorder) (collector.Facts, error) {
	const name = "chat.example.org"
	for _, row := range l.rows {
		if !l.whole && !since.IsZero() && row.at.UnixNano() < since.UnixNano() {
			continue
		}
		rec.Seen([]byte(name), []byte(row.user), activity.Unknown, row.at)
		if !l.whole {
			rec.Visit([]byte(name), []byte(row.user), activity.Unknown, activity.DayOf(row.at))
		}
	}
	return collector.Facts{Complete: l.whole, Domains: []collector.DomainFacts{{Name: name, HasLastSeen: true, KeepsVisits: !l.whole}}}, nil
}

// since counts who came after a moment.
func (l *logins) since(moment time.Time) (users int) {
	for _, row := range l.rows {
		if row.at.UnixNano() > moment.UnixNano() {
			users++
		}
	}
	return users
}

func (l *logins) Close() error { return nil }

// Clocks are set while the exporter runs. Nobody who comes afterwards is
// overlooked, nobody who came before is forgotten, figures that are a minute old
// are not taken for stale, and history goes on across a restart.
func TestClockSteps(t *testing.T) {
	for name, steps := range map[string][]time.Duration{
		"back a minute":                  {-time.Minute},
		"back within an interval":        {-5 * time.Minute},
		"back an hour":                   {-time.Hour},
		"back before the last refresh":   {-90 * time.Minute},
		"back a month":                   {-30 * day},
		"forward an hour":                {time.Hour},
		"forward a day, and back":        {day, -day},
		"back a day, and forward":        {-day, day},
		"to and fro":                     {time.Hour, -2 * time.Hour, 3 * time.Hour, -2 * time.Hour},
		"forward forty days, and back":   {40 * day, -40 * day},
		"forward two years, and back":    {730 * day, -730 * day},
		"back to the epoch, and forward": {-time.Duration(now.Unix()) * time.Second, time.Duration(now.Unix()) * time.Second},
	} {
		for _, whole := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				store := history.New(storage.Folder(t.TempDir()), "")
				t.Cleanup(func() { _ = store.Close() })
				clock, records := clockAt(now), &logins{whole: whole}
				start := func() *collector.Refresher {
					return collector.NewRefresher(collector.RefresherOptions{
						Server: "xmpp", Software: "prosody", Interval: time.Hour, StaleAfter: 3 * time.Hour, Reader: records,
						Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(), Key: store.Key(),
						History: store, Cache: true, Now: func() time.Time { return clock.Time }, Logger: log.NewNopLogger(),
					})
				}
				r := start()
				refresh := func() collector.Domain {
					t.Helper()
					clock.pass(10 * time.Minute)
					if err := r.Refresh(t.Context()); err != nil {
						t.Fatal(err)
					}
					s := r.Status()
					if s.Snapshot == nil || !s.Snapshot.At.Equal(clock.Time) {
						t.Fatalf("status %+v, want one of %s", s, clock.Time)
					}
					if d := s.Snapshot.Domains[0]; d.Active[0].Users != records.since(clock.Add(-day)) || d.Active[2].Users != records.since(clock.Add(-30*day)) {
						t.Errorf("%+v at %s of %v", d.Active, clock.Time, records.rows)
					}
					return s.Snapshot.Domains[0]
				}
				comes := func(user string) { records.rows = append(records.rows, login{user, clock.Round(0)}) }

				comes("before")
				refresh()
				for n, step := range steps {
					clock.set(step)
					clock.pass(time.Minute)
					if r.Status().Snapshot == nil {
						t.Errorf("step %d: figures are gone, as if they were old", n)
					}
					comes(fmt.Sprint("after ", n))
					refresh()
				}
				d := refresh()
				r = start()
				if again := refresh(); !reflect.DeepEqual(d, again) {
					t.Errorf("%+v after a restart, %+v before", again, d)
				}
			})
		}
	}
}

// A clock that is years ahead at one refresh costs nothing of what was recorded.
func TestClockFarAheadOnce(t *testing.T) {
	records := &logins{whole: true, rows: []login{{"alice", now}}}
	at := now
	r := collector.NewRefresher(collector.RefresherOptions{
		Server: "xmpp", Software: "prosody", Interval: time.Hour, StaleAfter: 3 * time.Hour, Reader: records,
		Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(),
		Now: func() time.Time { return at }, Logger: log.NewNopLogger(),
	})
	retained := func(after time.Duration) *collector.Retention {
		t.Helper()
		at = now.Add(after)
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return r.Status().Snapshot.Domains[0].Retention
	}
	retained(0)
	records.rows[0].at = now.Add(40 * day) // what was recorded is known here alone
	for _, after := range []time.Duration{40 * day, 40*day + 730*day, 40*day + time.Hour} {
		retained(after)
	}
	if got := retained(40*day + 2*time.Hour); got == nil || got.Users != 1 {
		t.Errorf("r30v2 %+v, want the one who came on both days", got)
	}
}
