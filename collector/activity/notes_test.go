package activity_test

import (
	"testing"

	"active_users_exporter/collector/activity"
)

// Notes belong to what was read until they were made: a copy that goes on has its own, and
// what is merged into an older history brings them along.
func TestNotesGoWithWhatWasRead(t *testing.T) {
	older := activity.NewCalendar(activity.Key{1}, activity.SynapseClasses())
	older.SetNotes([]byte("d"), []byte("older"))
	newer := older.Clone()
	if notes := string(newer.Notes([]byte("d"))); notes != "older" {
		t.Errorf("a copy has the notes %q", notes)
	}
	newer.SetNotes([]byte("d"), []byte("newer"))
	if notes := string(older.Notes([]byte("d"))); notes != "older" {
		t.Errorf("the notes became %q with those of a copy", notes)
	}
	older.Merge(newer)
	if notes := string(older.Notes([]byte("d"))); notes != "newer" {
		t.Errorf("after merging, the notes are %q", notes)
	}
	if notes := older.Notes([]byte("nobody.example")); notes != nil {
		t.Errorf("a domain that is not known has the notes %q", notes)
	}
}
