package history_test

import (
	"testing"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/test/must"
)

// What a reader has left is known after a restart, as long as all that it belongs to is
// sound. If it is damaged itself, the rest stays.
func TestNotesOutliveARestart(t *testing.T) {
	folder := t.TempDir()
	cal := newCalendar(open(t, folder))
	fill(cal, 10)
	for _, notes := range []string{"one", "", "another"} {
		s := open(t, folder)
		load(t, s) // and writes what has changed
		cal.SetNotes([]byte("d"), []byte(notes))
		save(t, s, cal, "d")
		must.Succeed(t, s.Close())
		again := open(t, folder)
		got, loaded := load(t, again)
		if found := string(got.Notes([]byte("d"))); found != notes || loaded.Damage != nil {
			t.Errorf("saved %q, loaded %q, damage %q", notes, found, loaded.Damage)
		}
		must.Succeed(t, again.Close())
	}

	for table, column := range map[string]string{"history_notes": "notes", "history_visits": "users"} {
		flips := flipBits(t, folder, 37, map[string]string{table: column}, func(_ string, bit int, got *activity.Calendar, loaded history.Loaded) {
			if notes := got.Notes([]byte("d")); len(loaded.Damage) == 0 || notes != nil || !isKnown(got, "d") {
				t.Fatalf("bit %d of %s is flipped: damage %q, notes %q", bit, table, loaded.Damage, notes)
			}
		})
		if flips == 0 {
			t.Errorf("nothing was flipped in %s", table)
		}
	}
}
