package history_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
	"active_users_exporter/test/must"
)

// database is the location of a new PostgreSQL database.
func database(t *testing.T) storage.Location {
	t.Helper()
	location, err := storage.Parse(dbtest.PostgreSQL(t))
	must.Succeed(t, err)
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
	must.Succeed(t, first.Close())

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

// Replicas need the same key. One with another is refused, whether or not it would
// write, and destroys nothing.
func TestReplicasWithDifferentKeys(t *testing.T) {
	location, classes := database(t), activity.SynapseClasses()
	folder := t.TempDir()
	first := history.New(location, filepath.Join(folder, "key"))
	cal := newCalendar(first)
	fill(cal, 300)
	if _, err := first.Load(t.Context(), "server", newCalendar(first), classes); err != nil {
		t.Fatal(err)
	}
	save(t, first, cal, "d")
	for name, spoil := range map[string]func(path string) error{
		"missing": func(string) error { return nil },
		"another": func(path string) error { return os.WriteFile(path, make([]byte, 16), 0o600) },
	} {
		path := filepath.Join(folder, name)
		must.Succeed(t, spoil(path))
		second := history.New(location, path)
		_, err := second.Load(t.Context(), "server", newCalendar(second), classes)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s key: error %v, want one that names the file", name, err)
		}
		if err := second.Save(t.Context(), "server", []string{"d"}, newCalendar(second), classes, saved); err == nil || errors.Is(err, history.ErrFollower) {
			t.Errorf("%s key: error %v when it saves", name, err)
		}
		must.Succeed(t, second.Close())
	}
	must.Succeed(t, first.Close())
	third := history.New(location, filepath.Join(folder, "key"))
	t.Cleanup(func() { _ = third.Close() })
	got, _ := load(t, third)
	if diff := cmp.Diff(figures(cal, "d"), figures(got, "d")); diff != "" {
		t.Errorf("with the right key (-saved +loaded):\n%s", diff)
	}
}

// What a command deletes from a database must not come back from the memory of an
// exporter, whether it writes or waits.
func TestExclusiveUseOfADatabase(t *testing.T) {
	location, keyFile := database(t), filepath.Join(t.TempDir(), "key")
	var replicas []*history.Store
	for range 2 { // the first one writes
		s := history.New(location, keyFile)
		load(t, s)
		replicas = append(replicas, s)
	}
	cal := newCalendar(replicas[0])
	fill(cal, 10)
	save(t, replicas[0], cal, "d")
	purge := func() (int, error) {
		s := history.NewExclusive(location, keyFile)
		defer func() { must.Succeed(t, s.Close()) }()
		return s.Purge(t.Context(), "d")
	}
	for _, s := range replicas {
		if n, err := purge(); err == nil || n != 0 || !regexp.MustCompile(`another process uses this history \(process \d+ from .* of PostgreSQL\)`).MatchString(err.Error()) {
			t.Errorf("%d purged, error %v, want one that names an exporter", n, err)
		}
		must.Succeed(t, s.Close())
	}
	if n, err := purge(); n != 1 || err != nil {
		t.Errorf("%d purged, error %v, once no exporter is left", n, err)
	}
}
