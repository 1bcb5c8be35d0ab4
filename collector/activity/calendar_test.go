package activity_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"active_users_exporter/collector/activity"
)

// The classes of the tests, by their number.
const (
	electron activity.Client = iota + 1
	android
	ios
	web
)

// noon is the moment that most tests ask about, today its day.
var noon = time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC)

func newCalendar() *activity.Calendar {
	return activity.NewCalendar(activity.Key{1}, activity.SynapseClasses())
}

func TestActiveWindowBounds(t *testing.T) {
	for name, c := range map[string]struct {
		ago  time.Duration
		want [3]int // 1d, 7d, 30d
	}{
		"in the future":           {-40 * 24 * time.Hour, [3]int{1, 1, 1}},
		"now":                     {0, [3]int{1, 1, 1}},
		"a second less than 1d":   {86399 * time.Second, [3]int{1, 1, 1}},
		"exactly 1d":              {86400 * time.Second, [3]int{0, 1, 1}},
		"a millisecond less":      {86400*time.Second - time.Millisecond, [3]int{1, 1, 1}},
		"exactly 7d":              {7 * 86400 * time.Second, [3]int{0, 0, 1}},
		"a second less than 30d":  {30*86400*time.Second - time.Second, [3]int{0, 0, 1}},
		"exactly 30d":             {30 * 86400 * time.Second, [3]int{0, 0, 0}},
		"before time was counted": {noon.Sub(time.Unix(-5000, 0)), [3]int{0, 0, 0}},
	} {
		cal := newCalendar()
		cal.Seen([]byte("d"), []byte("u"), activity.Unknown, noon.Add(-c.ago))
		cal.Seen([]byte("d"), []byte("u"), activity.Unknown, noon.Add(-300*24*time.Hour)) // an older moment changes nothing
		var got [3]int
		for i, w := range activity.DefaultWindows() {
			got[i] = cal.ActiveAfter("d", w.Since(noon), time.Time{}).Users
		}
		if got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// visit is a visit some days ago.
type visit struct {
	user   string
	client activity.Client
	ago    int
}

func TestRetentionIsSynapsesR30v2(t *testing.T) {
	for name, c := range map[string]struct {
		now     time.Time
		visits  []visit
		all     int
		clients [5]int // unknown, electron, android, ios, web
	}{
		"nobody":                             {noon, nil, 0, [5]int{}},
		"one visit":                          {noon, []visit{{"u", android, 3}}, 0, [5]int{}},
		"30 days apart is not enough":        {noon, []visit{{"u", android, 30}, {"u", android, 0}}, 0, [5]int{}},
		"31 days apart is":                   {noon, []visit{{"u", android, 31}, {"u", android, 0}}, 1, [5]int{android: 1}},
		"59 days ago is the first day":       {noon, []visit{{"u", web, 59}, {"u", web, 20}}, 1, [5]int{web: 1}},
		"60 days ago is out":                 {noon, []visit{{"u", web, 60}, {"u", web, 20}}, 0, [5]int{}},
		"at midnight, 60 days ago is out":    {noon.Truncate(24 * time.Hour), []visit{{"u", web, 60}, {"u", web, 20}}, 0, [5]int{}},
		"just before midnight, 59 is in":     {noon.Truncate(24 * time.Hour).Add(24*time.Hour - 1), []visit{{"u", web, 59}, {"u", web, 20}}, 1, [5]int{web: 1}},
		"a visit tomorrow counts":            {noon, []visit{{"u", ios, 30}, {"u", ios, -1}}, 1, [5]int{ios: 1}},
		"but not in the day's first second":  {noon.Truncate(24 * time.Hour).Add(time.Second - 1), []visit{{"u", ios, 30}, {"u", ios, -1}}, 0, [5]int{}},
		"but not at midnight":                {noon.Truncate(24 * time.Hour), []visit{{"u", ios, 30}, {"u", ios, -1}}, 0, [5]int{}},
		"nor one the day after":              {noon, []visit{{"u", ios, 29}, {"u", ios, -2}}, 0, [5]int{}},
		"a change of client counts in all":   {noon, []visit{{"u", ios, 40}, {"u", web, 2}}, 1, [5]int{}},
		"two clients count in both and once": {noon, []visit{{"u", ios, 40}, {"u", ios, 2}, {"u", web, 50}, {"u", web, 2}}, 1, [5]int{ios: 1, web: 1}},
		"unknown clients count":              {noon, []visit{{"u", activity.Unknown, 40}, {"u", activity.Unknown, 2}}, 1, [5]int{activity.Unknown: 1}},
		"users are told apart":               {noon, []visit{{"u", ios, 40}, {"v", ios, 2}}, 0, [5]int{}},
		"days between change nothing":        {noon, []visit{{"u", electron, 45}, {"u", electron, 44}, {"u", electron, 20}, {"u", electron, 1}}, 1, [5]int{electron: 1}},
	} {
		cal := newCalendar()
		for _, v := range c.visits {
			cal.Visit([]byte("d"), []byte(v.user), v.client, activity.DayOf(c.now)-activity.Day(v.ago))
		}
		want := activity.Retention{Users: c.all, Clients: c.clients[:], Synapse: c.clients[:]}
		if diff := cmp.Diff(want, cal.Retention("d", c.now)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Against the definition itself, word for word, on random histories dense
// around the edges.
func TestRetentionEqualsItsDefinition(t *testing.T) {
	const day = 24 * 60 * 60 * 1000
	rapid.Check(t, func(t *rapid.T) {
		now := noon.Truncate(24 * time.Hour).Add(rapid.SampledFrom([]time.Duration{0, 1, time.Second - 1, time.Second, 12 * time.Hour, 24*time.Hour - 1}).Draw(t, "time of day"))
		cal := newCalendar()
		type pair struct {
			user   byte
			client int // -1: all
		}
		first, last := make(map[pair]int64), make(map[pair]int64)
		for range rapid.IntRange(0, 400).Draw(t, "visits") {
			user := rapid.Byte().Draw(t, "user") // up to 256 users: several words
			client := rapid.IntRange(0, 4).Draw(t, "client")
			date := activity.DayOf(now) - activity.Day(rapid.OneOf(rapid.IntRange(-3, 65), rapid.SampledFrom([]int{-1, 0, 1, 28, 29, 30, 31, 32, 58, 59, 60})).Draw(t, "days ago"))
			cal.Visit([]byte("d"), []byte{user}, activity.Client(client), date)
			at := date.Start().UnixMilli()
			if at <= now.Unix()*1000-60*day || at >= now.Unix()*1000+day {
				continue
			}
			for _, p := range []pair{{user, client}, {user, -1}} {
				if from, ok := first[p]; !ok || at < from {
					first[p] = at
				}
				last[p] = max(last[p], at)
			}
		}
		want := activity.Retention{Clients: make([]int, 5)}
		for p := range first {
			if last[p]-first[p] > 30*day {
				if p.client < 0 {
					want.Users++
				} else {
					want.Clients[p.client]++
				}
			}
		}
		want.Synapse = want.Clients
		if diff := cmp.Diff(want, cal.Retention("d", now)); diff != "" {
			t.Fatalf("-definition +calendar:\n%s", diff)
		}
	})
}

func TestDomainsAreApart(t *testing.T) {
	cal := newCalendar()
	cal.Seen([]byte("a"), []byte("u"), activity.Unknown, noon)
	cal.Seen([]byte("b"), []byte("u"), activity.Unknown, noon)
	cal.Seen([]byte("b"), []byte("v"), activity.Unknown, noon)
	cal.Visit([]byte("b"), []byte("w"), web, activity.DayOf(noon)-9)
	week := activity.DefaultWindows()[1]
	for domain, want := range map[string][2]int{"a": {1, 0}, "b": {2, 10}, "c": {0, 0}} {
		if got := [2]int{cal.ActiveAfter(domain, week.Since(noon), time.Time{}).Users, cal.HistoryDays(domain, noon)}; got != want {
			t.Errorf("%s: active and history %v, want %v", domain, got, want)
		}
	}
}

func TestDays(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-09T00:00:00Z":      "2026-11-09",
		"2026-11-09T23:59:59Z":      "2026-11-09",
		"2026-11-09T01:00:00+02:00": "2026-11-08",
		"1969-12-31T23:59:59Z":      "1969-12-31",
		"1970-01-01T00:00:00Z":      "1970-01-01",
		"2024-02-29T12:00:00Z":      "2024-02-29",
	} {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := activity.DayOf(at).String(); got != want {
			t.Errorf("%s lies on %s, want %s", text, got, want)
		}
	}
}

func TestWindows(t *testing.T) {
	for text, want := range map[string]string{"1d": "1d", "7d": "7d", "1w": "7d", "24h": "1d", "36h": "36h", "400d": "400d"} {
		if w, err := activity.ParseWindow(text); err != nil || w.String() != want {
			t.Errorf("%q: %s and error %v, want %s", text, w, err, want)
		}
	}
	for _, text := range []string{"", "d", "0d", "-1d", "1", "1.5d", "401d", "1m", "1 d", "99999999999d", "1D"} {
		if w, err := activity.ParseWindow(text); err == nil {
			t.Errorf("%q is %s, want an error", text, w)
		}
	}
}
