package activity_test

import (
	"testing"
	"time"

	"active_users_exporter/collector/activity"
)

// days are all from the first to the last one.
func daysOf(first, last activity.Day) (all []activity.Day) {
	for date := first; date <= last; date++ {
		all = append(all, date)
	}
	return all
}

func TestProvenDay(t *testing.T) {
	for name, c := range map[string]struct {
		worked      []activity.Day
		today, want activity.Day
	}{
		"never at work":                           {nil, 500, 500},
		"the first day":                           {daysOf(500, 500), 500, 500},
		"each day":                                {daysOf(100, 500), 500, 500},
		"a year ahead, at once":                   {append(daysOf(100, 500), 865), 865, 501},
		"a year ahead for six days":               {append(daysOf(100, 500), daysOf(865, 870)...), 870, 506},
		"a year ahead for eight days is believed": {append(daysOf(100, 500), daysOf(865, 872)...), 872, 872},
		"the clock is right again":                {append(daysOf(100, 501), 865), 501, 501},
		"and the day comes that it once showed":   {append(daysOf(100, 864), daysOf(865, 866)...), 866, 866},
		"off for a month":                         {append(daysOf(100, 500), 530), 530, 501},
		"and on for a week":                       {append(daysOf(100, 500), daysOf(530, 537)...), 537, 537},
		"off for a day":                           {append(daysOf(100, 500), 502), 502, 501},
		"once a week":                             {[]activity.Day{100, 107, 114, 121}, 121, 103},
		"behind":                                  {daysOf(100, 500), 460, 460},
		"begun at the epoch":                      {append(daysOf(0, 0), daysOf(20000, 20003)...), 20003, 4},
	} {
		if got := activity.ProvenDay(c.worked, c.today); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// What is known of a day ends with the last look at it, unless the next look is
// on the day after.
func TestDaysOnWhichTheExporterWasOff(t *testing.T) {
	cal := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
	for _, ago := range []int{9, 8, 5, 2, 1, 0} {
		cal.Seen([]byte("d"), []byte("u"), 0, noon.AddDate(0, 0, -ago))
		cal.RecordVisits("d", noon.AddDate(0, 0, -ago))
		cal.Observe("d", noon.AddDate(0, 0, -ago))
	}
	if days, observed := cal.HistoryDays("d", noon), cal.ObservedDays("d", noon); days != 10 || observed != 6 {
		t.Errorf("the history reaches back %d days, of which %d are known, want 10 and 6", days, observed)
	}
	for ago, want := range []bool{0: false, 1: true, 2: true, 3: false, 4: false, 5: false, 6: false, 7: false, 8: false, 9: true, 10: false} {
		if got := cal.IsComplete("d", activity.DayOf(noon)-activity.Day(ago)); got != want {
			t.Errorf("%d days ago: known %v, want %v", ago, got, want)
		}
	}
	// A clone goes its own way.
	clone := cal.Clone()
	clone.Observe("d", noon.AddDate(0, 0, 1))
	clone.Observe("d", noon.AddDate(0, 0, -4))
	if got := cal.ObservedDays("d", noon.AddDate(0, 0, 1)); got != 6 {
		t.Errorf("%d days are known after a clone has seen others, want 6", got)
	}
	if got := clone.ObservedDays("d", noon.AddDate(0, 0, 1)); got != 8 {
		t.Errorf("the clone knows %d days, want 8", got)
	}
}

// Who exists and is not active keeps what is known, and makes nobody known.
func TestExists(t *testing.T) {
	cal := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
	cal.Exists([]byte("d"), []byte("stranger"), activity.Never)
	cal.Seen([]byte("d"), []byte("disabled"), 0, noon)
	cal.Seen([]byte("d"), []byte("deleted"), 0, noon)
	cal.RecordVisits("d", noon)
	cal.ForgetLastSeen(time.Time{})
	cal.Exists([]byte("d"), []byte("disabled"), activity.Never)
	cal.Exists([]byte("d"), []byte("stranger"), activity.Never)
	if n := cal.Users("d"); n != 2 {
		t.Errorf("%d users are known, want 2", n)
	}
	if gone := cal.Gone("d", activity.DayOf(noon)+1); len(gone) != 1 {
		t.Errorf("%d users are gone, want the one who was deleted", len(gone))
	}
	if at := cal.Newest([]byte("d")); !at.IsZero() {
		t.Errorf("somebody was seen at %s", at)
	}
	for _, w := range activity.DefaultWindows() {
		if active := cal.ActiveAfter("d", w.Since(noon), time.Time{}); active.Users != 0 {
			t.Errorf("%d are active within %s", active.Users, w)
		}
	}
	cal.RecordVisits("d", noon.AddDate(0, 0, 1))
	cal.Seen([]byte("d"), []byte("disabled"), 3, noon.AddDate(0, 0, 1)) // enabled again
	if active := cal.ActiveAfter("d", noon, time.Time{}); active.Users != 1 || cal.Visitors("d", activity.DayOf(noon), 2).Users != 2 {
		t.Errorf("%+v", active)
	}
}
