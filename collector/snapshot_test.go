package collector_test

import (
	"context"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// Only past days that are over and that the history reaches are shown.
func TestVisitorsOfPastDays(t *testing.T) {
	today := activity.DayOf(now)
	for name, c := range map[string]struct {
		visits   map[string][]int // by user, the days ago
		halfYear bool
		daily    []int
		half     collector.Count
	}{
		"nobody ever":           {},
		"only today":            {visits: map[string][]int{"a": {0}}},
		"since yesterday":       {visits: map[string][]int{"a": {0, 1}, "b": {1}}, daily: []int{2}},
		"a day without anybody": {visits: map[string][]int{"a": {3, 1}}, daily: []int{1, 0, 1}},
		"longer than is shown":  {visits: map[string][]int{"a": {31}, "b": {30, 2}}, daily: append(append([]int{1}, make([]int, 27)...), 1, 0)},
		"half a year":           {visits: map[string][]int{"a": {179, 90}, "b": {0}}, halfYear: true, daily: make([]int, 30), half: collector.Known(2)},
		"not asked for":         {visits: map[string][]int{"a": {179}}, daily: make([]int, 30)},
		"a day short":           {visits: map[string][]int{"a": {178}}, halfYear: true, daily: make([]int, 30)},
		"more than half a year": {visits: map[string][]int{"a": {180}, "b": {179}}, halfYear: true, daily: make([]int, 30), half: collector.Known(1)},
	} {
		r := collector.NewRefresher(collector.RefresherOptions{
			Interval: time.Hour, StaleAfter: time.Hour, HalfYear: c.halfYear, Classes: activity.SynapseClasses(),
			Now: func() time.Time { return now }, Logger: log.NewNopLogger(),
			Reader: fakeReader(func(_ context.Context, _ time.Time, rec activity.Recorder) (collector.Facts, error) {
				for user, days := range c.visits {
					for _, ago := range days {
						rec.Visit([]byte("example.org"), []byte(user), activity.Unknown, today-activity.Day(ago))
					}
				}
				return collector.Facts{Domains: []collector.DomainFacts{{Name: "example.org", HasLastSeen: true, KeepsVisits: true}}}, nil
			}),
		})
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := r.Status().Snapshot.Domains[0]
		var daily []int
		for _, visitors := range got.Daily {
			if !visitors.Known {
				t.Errorf("%s: %+v, want all known", name, got.Daily)
			}
			daily = append(daily, visitors.Number)
		}
		if diff := cmp.Diff(c.daily, daily); diff != "" {
			t.Errorf("%s: daily (-want +got):\n%s", name, diff)
		}
		if got.HalfYear != c.half {
			t.Errorf("%s: half a year %+v, want %+v", name, got.HalfYear, c.half)
		}
	}
}

// What NodeInfo publishes of a server that keeps visits is about native accounts, who
// alone have visits, and not about guests and bridged users, who were seen as well.
func TestAMonthAndHalfAYearAreOfTheSamePeople(t *testing.T) {
	today := activity.DayOf(now)
	for _, keeps := range []bool{true, false} {
		r := collector.NewRefresher(collector.RefresherOptions{
			Interval: time.Hour, StaleAfter: time.Hour, HalfYear: true, Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(),
			Now: func() time.Time { return now }, Logger: log.NewNopLogger(),
			Reader: fakeReader(func(_ context.Context, _ time.Time, rec activity.Recorder) (collector.Facts, error) {
				domain := []byte("example.org")
				for _, user := range []string{"native", "guest", "bridged"} {
					rec.Seen(domain, []byte(user), activity.Unknown, now.Add(-time.Hour))
				}
				for _, ago := range []activity.Day{0, 185} {
					rec.Visit(domain, []byte("native"), activity.Unknown, today-ago)
				}
				rec.Visit(domain, []byte("earlier"), activity.Unknown, today-30)
				return collector.Facts{Domains: []collector.DomainFacts{{Name: "example.org", HasLastSeen: true, KeepsVisits: keeps}}}, nil
			}),
		})
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		d := r.Status().Snapshot.Domains[0]
		if keeps && (d.Month != collector.Known(1) || d.HalfYear != collector.Known(2)) || !keeps && d.Month.Known {
			t.Errorf("keeps visits %v: month %+v, half a year %+v", keeps, d.Month, d.HalfYear)
		}
	}
}
