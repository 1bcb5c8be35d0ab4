package reports

import (
	"fmt"
	"testing"
	"time"

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
	"active_users_exporter/test/must"
)

const day = 24 * time.Hour

// keeping is a receiver without its network: a store, a clock, and what is shown.
// Each step is what a start, or ten minutes of a running receiver, do with the store.
type keeping struct {
	*testing.T
	location storage.Location
	db       database
}

func keepingIn(t *testing.T, location storage.Location) *keeping {
	t.Helper()
	k := &keeping{T: t, location: location}
	k.db = must.Get(openDatabase(t.Context(), location))(t)
	t.Cleanup(func() { must.Succeed(t, k.db.close()) })
	return k
}

func (k *keeping) receive(at time.Time, users int, homeservers ...string) {
	k.Helper()
	for _, name := range homeservers {
		body := fmt.Sprintf(`{"homeserver":%q,"total_users":%d}`, name, users)
		must.Succeed(k, k.db.write(k.Context(), []*pending{{homeserver: name, received: at, body: []byte(body)}}))
	}
}

// clean deletes what is older than 400 days and returns how many reports are left.
func (k *keeping) clean(at time.Time) (left int) {
	k.Helper()
	must.Succeed(k, k.db.purge(k.Context(), at, 400*day))
	must.Succeed(k, Each(k.Context(), k.location, time.Unix(0, 0), time.Unix(1<<40, 0), func(Archived) error { left++; return nil }))
	return left
}

// shown starts again and returns the users of each homeserver that is shown.
func (k *keeping) shown(at time.Time) map[string]float64 {
	k.Helper()
	must.Succeed(k, k.db.close())
	k.db = must.Get(openDatabase(k.Context(), k.location))(k)
	options := Options{Settings: Settings{MaxHomeservers: 100, ExpireAfter: day}}
	l := latest{options: options, names: []string{"total_users"}, homeservers: make(map[string]*homeserverState)}
	must.Succeed(k, k.db.latest(k.Context(), at, day, l.hasCounted, func(s stored) { l.restore(s, at) }))
	all := make(map[string]float64)
	for _, h := range l.current(at) {
		all[h.name] = l.homeserver(h).Statistics["total_users"]
	}
	return all
}

func homeserverNames(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("s%02d.example", i))
	}
	return all
}

// stores are a folder and a new PostgreSQL database.
func eachStore(t *testing.T, test func(t *testing.T, k *keeping)) {
	t.Helper()
	t.Run("folder", func(t *testing.T) { test(t, keepingIn(t, storage.Folder(t.TempDir()))) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, keepingIn(t, must.Get(storage.Parse(dbtest.PostgreSQL(t)))(t))) })
}

// A clock that is years ahead deletes nothing.
func TestAClockAheadDeletesNoReports(t *testing.T) {
	eachStore(t, func(t *testing.T, k *keeping) {
		began := time.Now().Add(-10 * day)
		for date := range 10 {
			k.receive(began.Add(time.Duration(date)*day), date, homeserverNames(10)...)
			if left := k.clean(began.Add(time.Duration(date) * day)); left != 10*(date+1) {
				t.Fatalf("%d reports are left on day %d", left, date)
			}
		}
		for start := range 6 {
			if left := k.clean(began.Add(3*365*day + time.Duration(start)*day)); left != 100 {
				t.Fatalf("%d of 100 reports are left after %d starts with a clock three years ahead", left, start+1)
			}
		}
		if left := k.clean(began.Add(10 * day)); left != 100 {
			t.Errorf("%d of 100 reports are left with the right clock", left)
		}
	})
}

// What is old is deleted, also behind a report that was received while the clock was
// ahead.
func TestOldReportsAreDeleted(t *testing.T) {
	eachStore(t, func(t *testing.T, k *keeping) {
		began := time.Now().Add(-450 * day)
		k.receive(began.Add(3000*day), 0, "ahead.example")
		var left []int
		for date := range 411 {
			now := began.Add(time.Duration(date) * day)
			if date < 10 {
				k.receive(now, date, "a.example")
			}
			if date == 399 {
				k.receive(now, date, "b.example")
			}

			must.Succeed(t, k.db.purge(t.Context(), now, 400*day))
			if date%50 == 0 || date > 395 {
				left = append(left, k.clean(now))
			}
		}
		if newest := left[len(left)-1]; newest > 2 { // of b, and the one with the wrong time
			t.Errorf("reports that were left, at last each day: %v", left)
		}
	})
}

// A clock that lagged when the last report came hides no homeserver afterwards.
func TestAClockBehindHidesNobody(t *testing.T) {
	k := keepingIn(t, storage.Folder(t.TempDir()))
	now := time.Now()
	for date := range 20 {
		k.clean(now.Add(time.Duration(date-20) * day))
	}
	k.receive(now.Add(-3*time.Hour), 1, homeserverNames(26)...)
	k.clean(now.Add(-2 * time.Hour))
	k.receive(now.Add(-40*day), 2, "s00.example")
	for _, cleaned := range []bool{false, true} {
		if cleaned {
			k.clean(now.Add(-40 * day))
		}
		if shown := k.shown(now); len(shown) != 26 {
			t.Errorf("%d of 26 homeservers are shown, cleaned by the wrong clock: %v", len(shown), cleaned)
		}
	}
	if shown := k.shown(now.Add(-40 * day)); len(shown) != 26 {
		t.Errorf("%d of 26 homeservers are shown while the clock lags", len(shown))
	}
}

// A report that came while the clock was ahead is not taken for the newest ever.
func TestAClockAheadFreezesNobody(t *testing.T) {
	eachStore(t, func(t *testing.T, k *keeping) {
		now := time.Now().Add(-5 * day)
		k.clean(now.Add(-day))
		k.receive(now.Add(1000*day), 1, "a.example", "silent.example")
		k.clean(now.Add(1000 * day))
		for hour := range 3 {
			k.receive(now.Add(time.Duration(hour)*time.Hour), 10+hour, "a.example")
			if got := k.shown(now.Add(time.Duration(hour) * time.Hour))["a.example"]; got != float64(10+hour) {
				t.Errorf("hour %d: %v users are shown, want those of the newest report", hour, got)
			}
		}
	})
}

func TestNewestReceipt(t *testing.T) {
	const proven = 1000
	for name, c := range map[string]struct {
		last receipt
		all  []receipt
		want receipt
	}{
		"the first":                     {receipt{}, []receipt{{1, 10}}, receipt{1, 10}},
		"in order":                      {receipt{1, 10}, []receipt{{2, 20}, {3, 30}}, receipt{3, 30}},
		"the clock was behind":          {receipt{1, 900}, []receipt{{2, 20}, {3, 30}}, receipt{1, 900}},
		"and is right":                  {receipt{1, 900}, []receipt{{2, 20}, {3, 910}}, receipt{3, 910}},
		"the clock was ahead":           {receipt{1, 5000}, []receipt{{2, 910}}, receipt{2, 910}},
		"ahead and right at once":       {receipt{1, 900}, []receipt{{2, 5000}, {3, 910}}, receipt{3, 910}},
		"the exporter was off for long": {receipt{1, 900}, []receipt{{2, 2000}, {3, 2010}}, receipt{3, 2010}},
	} {
		if got := latestReceipt(c.last, c.all, proven); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
