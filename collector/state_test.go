package collector_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/storage"
)

// lastLogins is a server that stores one time for a user and nothing else, for
// users by name and how long ago they were there.
func lastLogins(users map[string]time.Duration) fakeReader {
	return func(_ context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
		for name, ago := range users {
			rec.Seen([]byte("chat.example.org"), []byte(name), activity.Unknown, now.Add(-ago))
		}
		return collector.Facts{Complete: true, Domains: []collector.DomainFacts{{Name: "chat.example.org", HasLastSeen: true}}}, nil
	}
}

// withHistory is a refresher whose reader and clock can be changed.
type withHistory struct {
	*collector.Refresher
	now   time.Time
	users map[string]time.Duration
}

func refresherWith(t *testing.T, h collector.History, key activity.Key, at time.Time) *withHistory {
	t.Helper()
	w := &withHistory{now: at}
	w.Refresher = collector.NewRefresher(collector.RefresherOptions{
		Server: "xmpp", Software: "prosody", Interval: time.Hour, StaleAfter: 3 * time.Hour,
		Reader: fakeReader(func(ctx context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
			return lastLogins(w.users)(ctx, now, rec)
		}),
		Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(), Key: key,
		History: h, Cache: true, Now: func() time.Time { return w.now }, Logger: log.NewNopLogger(),
	})
	return w
}

func (w *withHistory) refresh(t *testing.T) collector.Domain {
	t.Helper()
	if err := w.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w.Status().Snapshot.Domains[0]
}

const day = 24 * time.Hour

// For a server that overwrites its one last login, retention and growth come
// from what the exporter has recorded, over restarts.
func TestHistoryOfAServerThatKeepsNone(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	var last collector.Domain
	for ago := 70; ago >= 0; ago-- {
		store := history.New(storage.Folder(folder), "") // the exporter is started again each day
		w := refresherWith(t, store, store.Key(), now.AddDate(0, 0, -ago))
		w.users = map[string]time.Duration{"daily": time.Hour, "back again": time.Hour}
		if ago > 20 {
			w.users["back again"] = time.Duration(70-ago) * day
		}
		if ago > 40 {
			w.users["left"] = time.Minute
		} else if ago > 2 {
			w.users["left"] = time.Duration(41-ago) * day
		} // and is then deleted
		if ago < 5 {
			w.users["new"] = time.Minute
		}
		last = w.refresh(t)
		age := 71 - ago
		if last.History.Number != age {
			t.Fatalf("%d days of history after %d days", last.History.Number, age)
		}
		if (last.Retention != nil) != (age > 31) || (last.Growth != nil) != (age >= 60) {
			t.Fatalf("after %d days: retention %v, growth %v", age, last.Retention, last.Growth)
		}
		if w.Status().HistoryFailures != 0 || !w.Status().HistorySaved.Equal(w.now) {
			t.Fatalf("%+v", w.Status())
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if last.Retention.Users != 1 || last.Retention.Clients != nil {
		t.Errorf("retention %+v, want the one who is there daily, and no classes", last.Retention)
	}
	want := activity.Growth{Active: 3, Before: 1, New: 1, Retained: 1, Resurrected: 1}
	if diff := cmp.Diff(&want, last.Growth); diff != "" {
		t.Errorf("growth (-want +got):\n%s", diff)
	}
	if last.Active[2].Users != 3 {
		t.Errorf("%+v: who is deleted is no longer active", last.Active)
	}
}

// broken is a history on a disk that is full, unreadable or both.
type broken struct {
	collector.History
	load, save error
}

func (b *broken) Load(ctx context.Context, server string, cal *activity.Calendar, classes *activity.Classes) (history.Loaded, error) {
	if b.load != nil {
		return history.Loaded{}, b.load
	}
	return b.History.Load(ctx, server, cal, classes)
}

func (b *broken) Save(ctx context.Context, server string, domains []string, cal *activity.Calendar, classes *activity.Classes, at history.Moment) error {
	if b.save != nil {
		return b.save
	}
	return b.History.Save(ctx, server, domains, cal, classes, at)
}

// While the history cannot be used, figures go on from memory; once it can, it
// has what was recorded before and meanwhile.
func TestHistoryThatCannotBeUsed(t *testing.T) {
	store := history.New(storage.Folder(t.TempDir()), "")
	t.Cleanup(func() { _ = store.Close() })
	earlier := refresherWith(t, store, store.Key(), now.AddDate(0, 0, -40))
	earlier.users = map[string]time.Duration{"a": 0, "b": 0}
	earlier.refresh(t)

	disk := &broken{History: store, load: errors.New("input/output error"), save: errors.New("disk full")}
	w := refresherWith(t, disk, store.Key(), now.AddDate(0, 0, -2))
	w.users = map[string]time.Duration{"a": 0}
	if d := w.refresh(t); d.Active[0].Users != 1 || d.Retention != nil {
		t.Errorf("%+v, want figures, except for those of history", d)
	}
	if s := w.Status(); !s.Up || s.HistoryFailures != 1 || !s.HistorySaved.IsZero() {
		t.Errorf("%+v, want up, and a failure of the history", s)
	}

	disk.load = nil // it can be read again, but is still full
	w.now = now.AddDate(0, 0, -1)
	w.users = map[string]time.Duration{"c": 0, "a": day}
	if d := w.refresh(t); d.Retention == nil || d.Retention.Users != 1 || d.History.Number != 3 {
		t.Errorf("%+v, want that a has come back after 38 days, of which three are known", d)
	}
	if s := w.Status(); !s.Up || s.HistoryFailures != 2 {
		t.Errorf("%+v, want up, and another failure", s)
	}

	disk.save = nil
	w.now = now
	w.refresh(t)
	if s := w.Status(); s.HistoryFailures != 2 || !s.HistorySaved.Equal(now) {
		t.Errorf("%+v, want that it is saved", s)
	}
	again := refresherWith(t, store, store.Key(), now)
	again.users = w.users
	if d := again.refresh(t); d.Retention == nil || d.Retention.Users != 1 {
		t.Errorf("%+v, want what was recorded while the disk was full", d)
	}
}

// A server with a damaged record does not lose the history of the user whose
// record it is.
func TestDamageForgetsNobody(t *testing.T) {
	store := history.New(storage.Folder(t.TempDir()), "")
	t.Cleanup(func() { _ = store.Close() })
	w := refresherWith(t, store, store.Key(), now.AddDate(0, 0, -40))
	w.users = map[string]time.Duration{"a": 0}
	w.refresh(t)
	damaged := 1
	w.now = now
	next := collector.NewRefresher(collector.RefresherOptions{
		Server: "xmpp", Interval: time.Hour, StaleAfter: 3 * time.Hour, Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(),
		Reader: fakeReader(func(_ context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
			if damaged == 0 {
				rec.Seen([]byte("chat.example.org"), []byte("a"), 0, now)
			}
			return collector.Facts{Complete: true, Domains: []collector.DomainFacts{{Name: "chat.example.org", HasLastSeen: true, Damaged: damaged}}}, nil
		}),
		Key: store.Key(), History: store, Now: func() time.Time { return now }, Logger: log.NewNopLogger(),
	})
	for range 2 {
		if err := next.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		damaged = 0
	}
	if r := next.Status().Snapshot.Domains[0].Retention; r == nil || r.Users != 1 {
		t.Errorf("retention %+v, want that a came back", r)
	}
}

// People online may leave without a trace in the server's records, as when a
// MongooseIM is killed: their visits stay known for as long as retention needs
// them. On a server that keeps a time for each account, they are forgotten at
// once, for then the account is gone.
func TestPeopleWhoLeaveWithoutATrace(t *testing.T) {
	for traceless, visitors := range map[bool]int{true: 2, false: 1} {
		users := []string{"alice", "bob"}
		at := now
		r := collector.NewRefresher(collector.RefresherOptions{
			Server: "xmpp", Software: "mongooseim", Interval: time.Hour, StaleAfter: 3 * time.Hour,
			Reader: fakeReader(func(_ context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
				for _, user := range users {
					rec.Seen([]byte("d"), []byte(user), activity.Unknown, now)
				}
				return collector.Facts{Complete: true, Domains: []collector.DomainFacts{{Name: "d", HasLastSeen: true, LogoutsUnrecorded: traceless}}}, nil
			}),
			Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(), Now: func() time.Time { return at }, Logger: log.NewNopLogger(),
		})
		refresh := func() collector.Domain {
			t.Helper()
			if err := r.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			return r.Status().Snapshot.Domains[0]
		}
		refresh()
		users, at = users[:1], now.Add(day)
		if d := refresh(); len(d.Daily) != 1 || d.Daily[0] != collector.Known(visitors) {
			t.Errorf("traceless %v: visitors of yesterday %v, want %d", traceless, d.Daily, visitors)
		}
		at = now.Add(61 * day)
		refresh()
		at = now.Add(61*day + time.Hour)
		if d := refresh(); d.Daily[0].Number > 1 {
			t.Errorf("traceless %v: after two months %v", traceless, d.Daily)
		}
	}
}

// Half-restored records do not cost the history: most users must be missing for
// a day before they are taken for deleted.
func TestMostUsersVanish(t *testing.T) {
	users := make(map[string]time.Duration)
	for n := range 20 {
		users[fmt.Sprint(n)] = time.Hour
	}
	w := refresherWith(t, nil, activity.Key{1}, now)
	yesterdays := func(after time.Duration, users map[string]time.Duration) int {
		t.Helper()
		w.now, w.users = now.Add(after), users
		d := w.refresh(t)
		return d.Daily[len(d.Daily)-1].Number
	}
	w.users = users
	w.refresh(t)
	few := map[string]time.Duration{"0": time.Minute}
	if got := yesterdays(day, few); got != 20 {
		t.Errorf("%d visitors of the day before, once most users are missing, want 20", got)
	}
	if got := yesterdays(day+time.Hour, users); got != 20 {
		t.Errorf("%d visitors of the day before, once users are back, want 20", got)
	}
	yesterdays(day+2*time.Hour, few)
	w.now = now.Add(2*day + 3*time.Hour)
	d := w.refresh(t)
	if first := d.Daily[0]; first != collector.Known(1) {
		t.Errorf("%d visitors of the first day, a day after most users went, want 1", first.Number)
	}
}
