package activity_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/activity"
)

// A user who came with two classes of clients is read again: first the newest time, then
// what is kept, then a slice that lacks a row.
func TestSlicesReplaceWhatWasKnown(t *testing.T) {
	cal := activity.NewCalendar(activity.Key{1}, activity.SynapseClasses())
	d, hour := []byte("d"), func(n int) time.Time { return noon.Add(-time.Duration(n) * time.Hour) }
	seen := func(user string, client activity.Client, at time.Time) { cal.Seen(d, []byte(user), client, at) }
	expect := func(when string, clients ...int) {
		t.Helper()
		got := cal.ActiveAfter("d", hour(10), time.Time{})
		if diff := cmp.Diff(clients, got.Clients[:4]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	for client := range activity.Client(4) {
		seen("a", client, hour(int(client)+1))
	}
	seen("gone", 3, hour(2))
	expect("at first", 1, 1, 1, 2)

	cal.ForgetLastSeen(hour(0))
	if p := cal.Progress(d); !p.Since.Equal(hour(1)) {
		t.Errorf("progress %+v, want since the newest time", p)
	}
	seen("a", 1, hour(2)) // the newest row of all, of one class, was deleted
	expect("the newest of each user", 0, 1, 0, 0)
	if !cal.KeepClients(d, hour(3)) || cal.KeepClients(d, hour(3)) {
		t.Error("what was known can be kept once")
	}
	expect("what is not later than the newest, and not too old", 0, 1, 1, 0)

	cal.BeginSlice(d)
	seen("a", 3, hour(3))
	expect("in the middle of a slice", 0, 1, 1, 0)
	cal.EndSlice(d, hour(4), hour(3))
	expect("a slice with another class", 0, 1, 0, 1)
	cal.BeginSlice(d)
	seen("b", 0, hour(9))
	cal.EndReading()
	expect("a slice that was not ended", 0, 1, 0, 1)
	cal.BeginSlice(d)
	cal.EndSlice(d, hour(10), hour(1))
	expect("an empty slice takes all but each user's newest time", 0, 1, 0, 0)
}

// A copy keeps its own progress: what happens to the original later does not change it.
func TestProgressIsTheCopysOwn(t *testing.T) {
	cal := activity.NewCalendar(activity.Key{1}, activity.SynapseClasses())
	d := []byte("d")
	cal.Seen(d, []byte("a"), 1, noon)
	copied := cal.Clone()
	copied.SetProgress(d, activity.Progress{Unread: noon})
	copied.ForgetSeen(d)
	copied.BeginSlice(d)
	copied.Seen(d, []byte("b"), 1, noon)
	if cal.Progress(d) != (activity.Progress{}) || cal.ActiveAfter("d", noon.Add(-time.Hour), time.Time{}).Users != 1 {
		t.Errorf("the copy has changed its original: %+v", cal.Progress(d))
	}
}
