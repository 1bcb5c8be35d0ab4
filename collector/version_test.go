package collector_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
)

// brokenHistory loads and saves with the errors that it is set to.
type brokenHistory struct{ load, save error }

func (h *brokenHistory) Load(context.Context, string, *activity.Calendar, *activity.Classes) (history.Loaded, error) {
	return history.Loaded{}, h.load
}

func (h *brokenHistory) Save(context.Context, string, []string, *activity.Calendar, *activity.Classes, history.Moment) error {
	return h.save
}

// Whatever happens to a server: two statuses of it that differ in any field,
// including fields that are added later, have different versions. What is encoded
// from a version can therefore not be stale.
func TestStatusesThatDifferHaveDifferentVersions(t *testing.T) {
	broken := errors.New("broken")
	h := &brokenHistory{load: broken}
	w := refresherWith(t, h, activity.Key{1}, now)
	w.users = map[string]time.Duration{"ada": time.Hour}
	seen := []collector.Status{w.Status()}
	changes := 0
	for _, step := range []struct {
		name    string
		do      func()
		changes bool
	}{
		{"a history that cannot be loaded", func() { _ = w.Refresh(t.Context()) }, true},
		{"nothing happens", func() {}, false},
		{"a history that cannot be saved", func() { h.load, h.save = nil, broken; w.now = now.Add(time.Minute); _ = w.Refresh(t.Context()) }, true},
		{"saved", func() { h.save = nil; w.now = now.Add(time.Hour); _ = w.Refresh(t.Context()) }, true},
		{"somebody new", func() { w.users["bob"] = 0; w.now = now.Add(2 * time.Hour); _ = w.Refresh(t.Context()) }, true},
		{"stale", func() { w.now = now.Add(24 * time.Hour) }, true},
		{"still stale", func() {}, false},
		{"fresh again", func() { _ = w.Refresh(t.Context()) }, true},
		{"taken over", func() {
			earlier := w.Status()
			w = refresherWith(t, nil, activity.Key{1}, w.now)
			w.TakeOver(earlier)
		}, false},
		{"refreshed by the successor", func() { w.now = w.now.Add(time.Hour); _ = w.Refresh(t.Context()) }, true},
		{"stale once more", func() { w.now = w.now.Add(24 * time.Hour) }, true},
		{"taken over when stale", func() {
			earlier := w.Status()
			w = refresherWith(t, nil, activity.Key{1}, w.now)
			w.TakeOver(earlier)
		}, false},
		{"refreshed in the end", func() { _ = w.Refresh(t.Context()) }, true},
	} {
		step.do()
		status := w.Status()
		changed := !slices.ContainsFunc(seen, func(s collector.Status) bool { return sameButVersion(s, status) })
		if changed != step.changes {
			t.Errorf("%s: a new status %v, want %v", step.name, changed, step.changes)
		}
		if changed && slices.ContainsFunc(seen, func(s collector.Status) bool { return s.Version == status.Version }) {
			t.Errorf("%s: the version %d is that of an earlier status", step.name, status.Version)
		}
		if changed {
			changes++
		}
		seen = append(seen, status)
	}
	if changes != 9 {
		t.Errorf("%d changes, want 9", changes)
	}
}

func sameButVersion(a, b collector.Status) bool {
	a.Version, b.Version = 0, 0
	return reflect.DeepEqual(a, b) //nolint:govet // an error that is another one is a difference
}
