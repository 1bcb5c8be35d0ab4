package collector_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// comingAndGoing is a server that keeps its visits: user n came every n days, for
// so many days, today included.
func comingAndGoing(days int) fakeReader {
	return func(_ context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
		for ago := range days {
			for user := 1; user < 40; user++ {
				if ago%user == 0 {
					rec.Visit([]byte("chat.example.org"), fmt.Append(nil, user), activity.Unknown, activity.DayOf(now)-activity.Day(ago))
				}
			}
		}
		return collector.Facts{Complete: true, Domains: []collector.DomainFacts{{Name: "chat.example.org", HasLastSeen: true, KeepsVisits: true, AllVisits: true}}}, nil
	}
}

func timelineOf(t *testing.T, known, asked int) (collector.Timeline, bool) {
	t.Helper()
	r := refresher(t, "xmpp", comingAndGoing(known), func() time.Time { return now })
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r.Status().Snapshot.Timeline("chat.example.org", asked)
}

// Windows are shown from the first day on for which all their days are known.
func TestTimelineShowsWhatIsKnown(t *testing.T) {
	for _, c := range []struct {
		known, asked           int
		daily, weekly, monthly int // lengths
		weeks                  int
	}{
		{known: 2, asked: 30, daily: 1},
		{known: 8, asked: 30, daily: 7, weekly: 1},
		{known: 31, asked: 30, daily: 30, weekly: 24, monthly: 1},
		{known: 101, asked: 30, daily: 30, weekly: 30, monthly: 30, weeks: 4},
		{known: 101, asked: 90, daily: 90, weekly: 90, monthly: 71, weeks: 10},
		{known: 101, asked: 400, daily: 100, weekly: 94, monthly: 71, weeks: 10},
	} {
		got, ok := timelineOf(t, c.known, c.asked)
		lengths := []int{len(got.Daily), len(got.Weekly), len(got.Monthly), len(got.Weeks)}
		want := []int{c.daily, c.weekly, c.monthly, c.weeks}
		if !ok || fmt.Sprint(lengths) != fmt.Sprint(want) {
			t.Errorf("%d days known, %d asked for: %v, want %v", c.known, c.asked, lengths, want)
		}
		if got.Last != activity.DayOf(now)-1 {
			t.Errorf("the last day is %s", got.Last)
		}
	}
	if _, ok := timelineOf(t, 1, 30); ok {
		t.Error("a history of today alone has a timeline")
	}
	if _, ok := (&collector.Snapshot{}).Timeline("chat.example.org", 30); ok {
		t.Error("an unknown domain has a timeline")
	}
}

// The numbers are those of who came: yesterday, users whose number divides 1 have
// come, within the last 30 days all up to 30.
func TestTimelineCounts(t *testing.T) {
	got, _ := timelineOf(t, 101, 90)
	last := func(series []int) int { return series[len(series)-1] }
	if got.Daily[len(got.Daily)-1] != collector.Known(1) || last(got.Weekly) != 7 || last(got.Monthly) != 30 {
		t.Errorf("yesterday: %v, %d, %d; want 1, 7, 30", got.Daily[len(got.Daily)-1], last(got.Weekly), last(got.Monthly))
	}
}

// A timeline may be counted while the server is refreshed.
func TestTimelinesDuringRefreshes(t *testing.T) {
	r := collector.NewRefresher(collector.RefresherOptions{
		Server: "xmpp", Software: "prosody", Reader: lastLogins(map[string]time.Duration{"ada": time.Hour, "bob": 0}),
		Interval: time.Hour, StaleAfter: time.Hour, Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(),
		Now: time.Now, Logger: log.NewNopLogger(),
	})
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 50 {
				_, _ = r.Status().Snapshot.Timeline("chat.example.org", 400)
			}
		})
	}
	for range 20 {
		if err := r.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	}
	readers.Wait()
}

// A day on which the exporter was off is not known: it is no day without visitors.
func TestTimelineHasGaps(t *testing.T) {
	w := refresherWith(t, nil, activity.Key{1}, now)
	w.users = map[string]time.Duration{"ada": 0}
	for _, pause := range []time.Duration{0, 24 * time.Hour, 24 * time.Hour, 72 * time.Hour, 24 * time.Hour} {
		w.now = w.now.Add(pause)
		if err := w.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	v, ok := w.Status().Snapshot.Visitors("chat.example.org", 30)
	want := []collector.Count{collector.Known(1), collector.Known(1), {}, {}, {}, collector.Known(1)}
	if !ok || !slices.Equal(v.Daily, want) {
		t.Errorf("%v, want %v", v.Daily, want)
	}
}
