package activity_test

import (
	"testing"
	"time"

	"active_users_exporter/collector/activity"
)

// A clock that is behind when the history begins, as on a machine without one
// before it has asked for the time, does not make it seem older than it is. One
// account from the future alone does not keep it from beginning.
func TestHistoryBeginsByAPlausibleClock(t *testing.T) {
	cal := activity.NewCalendar(activity.Key{1}, activity.SynapseClasses())
	seen := func(user string, at time.Time) { cal.Seen([]byte("d"), []byte(user), activity.Unknown, at) }
	seen("a", noon)
	seen("b", noon.Add(-90*24*time.Hour))
	cal.RecordVisits("d", time.Unix(0, 0))
	seen("c", noon.Add(900*24*time.Hour))
	cal.RecordVisits("d", noon)
	if got := cal.HistoryDays("d", noon); got != 1 {
		t.Errorf("%d days of history on the first day", got)
	}
}
