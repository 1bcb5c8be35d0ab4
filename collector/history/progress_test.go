package history_test

import (
	"testing"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/test/must"
)

// How far a server's last-seen times were read is known after a restart, also once
// nothing is left; what only a reading under way needs, names among it, is not stored.
func TestProgressOutlivesARestart(t *testing.T) {
	folder := t.TempDir()
	cal := newCalendar(open(t, folder))
	fill(cal, 10)
	for _, p := range []activity.Progress{
		{ClientsSince: noon.Add(-time.Hour), Unread: noon.Add(-time.Hour)},
		{ClientsSince: noon.Add(-25 * time.Hour), Unread: noon.Add(-25 * time.Hour)},
		{Unread: noon}, // read again after a week
		{},
	} {
		s := open(t, folder)
		load(t, s) // and writes what has changed
		under := p
		under.Since, under.After, under.Newest = noon, "@user1:example.org", true
		cal.SetProgress([]byte("d"), under)
		save(t, s, cal, "d")
		must.Succeed(t, s.Close())
		again := open(t, folder)
		got, loaded := load(t, again)
		found := got.Progress([]byte("d"))
		if loaded.Damage != nil || !found.ClientsSince.Equal(p.ClientsSince) || !found.Unread.Equal(p.Unread) || found.After != "" || found.Newest || !found.Since.IsZero() {
			t.Errorf("saved %+v, loaded %+v, damage %q", under, found, loaded.Damage)
		}
		must.Succeed(t, again.Close())
	}
}

// If it is damaged how far they were read, nobody knows which are there: the server is
// read again.
func TestDamagedProgressIsNotUsed(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	cal := newCalendar(s)
	fill(cal, 10)
	cal.SetProgress([]byte("d"), activity.Progress{ClientsSince: noon, Unread: noon})
	save(t, s, cal, "d")
	must.Succeed(t, s.Close())
	flips := flipBits(t, folder, 1, map[string]string{"history_progress": "moments"}, func(_ string, bit int, got *activity.Calendar, loaded history.Loaded) {
		if len(loaded.Damage) != 1 || isKnown(got, "d") || !loaded.At.IsZero() {
			t.Fatalf("bit %d is flipped: damage %q, loaded %+v", bit, loaded.Damage, loaded.Moment)
		}
	})
	if flips == 0 {
		t.Error("nothing was flipped")
	}
}
