package collector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// Changes of modules are noticed from refresh to refresh, and forgotten after two weeks.
func TestModuleChanges(t *testing.T) {
	ok := collector.Module{Domain: "d", Name: "mam", Loaded: true}
	bad := collector.Module{Domain: "d", Name: "mam", Loaded: true, Status: collector.ModuleError}
	other := collector.Module{Domain: collector.AllDomains, Name: "tls", Loaded: true}
	required := collector.Module{Domain: collector.AllDomains, Name: "tls", Required: true}
	clock := now
	var modules []collector.Module
	var modulesErr error
	r := refresher(t, "xmpp", func(context.Context, time.Time, activity.Recorder) (collector.Facts, error) {
		return collector.Facts{Modules: modules, ModulesErr: modulesErr}, nil
	}, func() time.Time { return clock })
	for _, step := range []struct {
		name    string
		modules []collector.Module
		err     error
		after   time.Duration
		want    []string
	}{
		{"at first", []collector.Module{ok, other}, nil, 0, nil},
		{"nothing happens", []collector.Module{ok, other}, nil, time.Hour, nil},
		{"an error", []collector.Module{bad, other}, nil, time.Hour, []string{"d/mam ok → error"}},
		{"states are not known for a while", nil, errors.New("away"), time.Hour, []string{"d/mam ok → error"}},
		{"one is gone, one is well", []collector.Module{ok, required}, nil, time.Hour, []string{"d/mam ok → error", "*/tls ok → required but not loaded", "d/mam error → ok"}},
		{"unloaded", []collector.Module{required}, nil, time.Hour, []string{"d/mam ok → error", "*/tls ok → required but not loaded", "d/mam error → ok", "d/mam ok → not loaded"}},
		{"two weeks later, again there", []collector.Module{ok, required}, nil, 14 * 24 * time.Hour, []string{"d/mam ok → not loaded", "d/mam not loaded → ok"}},
	} {
		clock = clock.Add(step.after)
		modules, modulesErr = step.modules, step.err
		_ = r.Refresh(t.Context())
		var got []string
		for _, c := range r.Status().Snapshot.ModuleChanges {
			got = append(got, fmt.Sprintf("%s/%s %s → %s", c.Domain, c.Name, c.From, c.To))
		}
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}
