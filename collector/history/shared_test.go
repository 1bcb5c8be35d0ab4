package history_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
)

// database is the location of a new PostgreSQL database.
func database(t *testing.T) storage.Location {
	t.Helper()
	location, err := storage.Parse(dbtest.PostgreSQL(t))
	must(t, err)
	return location
}

// Replicas share a database: one writes, and when it is gone the other does,
// from where the first one was.
func TestReplicasShareADatabase(t *testing.T) {
	location := database(t)
	keyFile := filepath.Join(t.TempDir(), "key")
	classes := activity.SynapseClasses()
	first := history.New(location, keyFile)
	cal := newCalendar(first)
	fill(cal, 300)
	if _, err := first.Load(t.Context(), "server", newCalendar(first), classes); err != nil {
		t.Fatal(err)
	}
	save(t, first, cal, "d")

	second := history.New(location, keyFile)
	t.Cleanup(func() { _ = second.Close() })
	if second.Key() != first.Key() {
		t.Fatal("the replicas have different keys")
	}
	got, loaded := load(t, second)
	if diff := cmp.Diff(figures(cal, "d"), figures(got, "d")); diff != "" || loaded.Damage != nil {
		t.Errorf("damage %v, -saved +loaded:\n%s", loaded.Damage, diff)
	}
	if err := second.Save(t.Context(), "server", []string{"d"}, got, classes, saved); !errors.Is(err, history.ErrFollower) {
		t.Errorf("error %v, want that the other one writes", err)
	}
	cal = cal.Clone()
	cal.Visit([]byte("d"), []byte("later"), 1, today)
	cal.Compact(today)
	save(t, first, cal, "d")
	must(t, first.Close())

	// PostgreSQL takes a moment to notice.
	err := history.ErrFollower
	for deadline := time.Now().Add(time.Minute); errors.Is(err, history.ErrFollower) && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		err = second.Save(t.Context(), "server", []string{"d"}, got, classes, saved)
	}
	if !errors.Is(err, history.ErrTakenOver) {
		t.Errorf("error %v, want that it has to load first", err)
	}
	got, _ = load(t, second)
	if diff := cmp.Diff(figures(cal, "d"), figures(got, "d")); diff != "" {
		t.Errorf("after the first is gone (-its +the second's):\n%s", diff)
	}
	got = got.Clone()
	got.Visit([]byte("d"), []byte("last"), 1, today)
	got.Compact(today)
	save(t, second, got, "d")
	if n, err := second.Purge(t.Context(), "d"); err != nil || n != 1 {
		t.Errorf("%d purged, error %v", n, err)
	}
}
