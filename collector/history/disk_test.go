package history_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/storage/disktest"
	"active_users_exporter/test/must"
)

// refreshed returns what is known after a number of refreshes: each brings users and
// a day, and takes the oldest day away. Domain d is of a server that keeps visits,
// the visits of "recorded" are recorded here.
func refreshed(key activity.Key, refreshes int) *activity.Calendar {
	cal := activity.NewCalendar(key, activity.SynapseClasses())
	for n := range refreshes {
		at := noon.AddDate(0, 0, n+1-refreshes)
		for u := range 20 * (n + 1) {
			cal.Seen([]byte("d"), user(u), activity.Client(u%5), at)
			cal.Visit([]byte("d"), user(u), activity.Client(u%5), activity.DayOf(at))
			cal.Seen([]byte("recorded"), user(u+n), 0, at)
		}
		cal.Observe("recorded", at)
		cal.RecordVisits("recorded", at)
		cal.PurgeRecorded(activity.DayOf(at) - 1)
	}
	cal.Compact(today)
	return cal
}

// loaded is what a folder holds, and what is said to be damaged.
func loadedFrom(t *testing.T, folder string) map[string]any {
	t.Helper()
	s := history.New(storage.Folder(folder), "")
	cal, loaded := load(t, s)
	must.Succeed(t, s.Close())
	return map[string]any{
		"d": figures(cal, "d"), "recorded": figures(cal, "recorded"), "damage": loaded.Damage,
		"observed": cal.ObservedDays("recorded", noon), "users": [2]int{cal.Users("d"), cal.Users("recorded")},
	}
}

// saveAnd saves what is known after a number of refreshes and closes the store, which
// takes what SQLite's log holds into the file.
func saveAnd(t *testing.T, s *history.Store, refreshes int) (saveErr, closeErr error) {
	t.Helper()
	saveErr = s.Save(t.Context(), "server", []string{"d", "recorded"}, refreshed(s.Key(), refreshes), activity.SynapseClasses(), saved)
	return saveErr, s.Close()
}

// startedWith returns a folder with the history of a number of refreshes, none for 0,
// and what it holds.
func startedWith(t *testing.T, refreshes int) (folder string, holds map[string]any) {
	t.Helper()
	folder = t.TempDir()
	must.Succeed(t, os.WriteFile(filepath.Join(folder, "key"), make([]byte, 16), 0o600))
	if refreshes > 0 {
		saveErr, closeErr := saveAnd(t, open(t, folder), refreshes)
		must.Succeed(t, saveErr)
		must.Succeed(t, closeErr)
	}
	// Loaded from a copy: to load makes a file.
	return folder, loadedFrom(t, disktest.Read(t, folder).Write(t))
}

// oneOf fails unless a folder holds what was there before a save or after it.
func oneOf(t *testing.T, what, folder string, states ...map[string]any) {
	t.Helper()
	holds := loadedFrom(t, folder)
	for _, state := range states {
		if cmp.Equal(state, holds) {
			return
		}
	}
	t.Fatalf("%s: the history is neither as before nor as after (-after +is):\n%s", what, cmp.Diff(states[len(states)-1], holds))
}

// The power fails at any moment of a first or a later save: the history opens, and
// is as before or as after; once a save has returned, as after.
func TestPowerCuts(t *testing.T) {
	d := disktest.New(t)
	for _, refreshes := range []int{0, 3} {
		t.Run(fmt.Sprintf("after %d refreshes", refreshes), func(t *testing.T) {
			folder, before := startedWith(t, refreshes)
			_, after := startedWith(t, refreshes+1)
			files := disktest.Read(t, folder)
			d.Begin()
			s := open(t, folder)
			must.Succeed(t, s.Save(t.Context(), "server", []string{"d", "recorded"}, refreshed(s.Key(), refreshes+1), activity.SynapseClasses(), saved))
			acknowledged := len(d.Operations())
			must.Succeed(t, s.Close())
			operations := d.Operations()
			if acknowledged < 5 || len(operations) <= acknowledged {
				t.Fatalf("only %d operations, %d of them until the save had returned", len(operations), acknowledged)
			}
			cuts := 0
			disktest.PowerCuts(files, operations, 1, func(done int, what string, left disktest.Files) {
				cuts++
				states := []map[string]any{before, after}
				if done >= acknowledged {
					states = states[1:]
				}
				oneOf(t, fmt.Sprintf("power cut after %d operations of %d, %s", done, len(operations), what), left.Write(t), states...)
				d.Begin() // what the check wrote is of no interest
			})
			t.Logf("%d operations, %d power cuts", len(operations), cuts)
		})
	}
}

// Each write, truncation, sync and deletion of a save fails once, or that and all after
// it: the save says so or has succeeded, the history opens as before or as after, and
// the next save succeeds.
func TestEachOperationFails(t *testing.T) {
	d := disktest.New(t)
	for _, refreshes := range []int{0, 3} {
		start, before := startedWith(t, refreshes)
		_, after := startedWith(t, refreshes+1)
		files := disktest.Read(t, start)
		for _, way := range []struct{ all, full bool }{{false, false}, {true, true}} {
			failed := 0
			for n := 1; ; n++ {
				folder := files.Write(t)
				what := fmt.Sprintf("%d refreshes, operation %d fails, all after it as well: %v, full: %v", refreshes, n, way.all, way.full)
				s := open(t, folder)
				d.Fail(n, way.all, way.full)
				saveErr, _ := saveAnd(t, s, refreshes+1)
				reached := len(d.Operations()) >= n
				d.Begin()
				if !reached && saveErr != nil {
					t.Fatalf("%s: nothing failed, and yet: %v", what, saveErr)
				}
				states := []map[string]any{before, after}
				if saveErr == nil {
					states = states[1:]
				} else {
					failed++
				}
				oneOf(t, what, folder, states...)
				again, closeErr := saveAnd(t, open(t, folder), refreshes+1)
				must.Succeed(t, again)
				must.Succeed(t, closeErr)
				oneOf(t, what+", and saved again", folder, after)
				if !reached {
					break
				}
			}
			if failed == 0 {
				t.Error("no failure of the disk made a save fail")
			}
		}
	}
}

// A save that failed once does not need another process.
func TestTheSameStoreGoesOnAfterAFailure(t *testing.T) {
	d := disktest.New(t)
	_, after := startedWith(t, 4)
	for n := 1; n < 12; n++ {
		folder, _ := startedWith(t, 3)
		s := open(t, folder)
		load(t, s)
		d.Fail(n, false, n%2 == 0)
		cal := refreshed(s.Key(), 4)
		failed := s.Save(t.Context(), "server", []string{"d", "recorded"}, cal, activity.SynapseClasses(), saved)
		d.Begin()
		if err := s.Save(t.Context(), "server", []string{"d", "recorded"}, cal, activity.SynapseClasses(), saved); err != nil {
			t.Fatalf("operation %d failed (%v), and the next save as well: %v", n, failed, err)
		}
		must.Succeed(t, s.Close())
		oneOf(t, fmt.Sprintf("operation %d failed", n), folder, after)
	}
}
