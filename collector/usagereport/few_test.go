package usagereport

import "testing"

// With a minimum, users who are not bridged are not told from all of them, which would give
// the number of those who are.
func TestFewBridgedUsers(t *testing.T) {
	for name, c := range map[string]struct {
		all, nonbridged float64
		shown           bool
	}{
		"some are bridged": {65, 58, false},
		"nobody is":        {65, 65, true},
	} {
		h := Homeserver{Statistics: map[string]float64{"total_users": c.all, "total_nonbridged_users": c.nonbridged}}
		got := h.WithMinimum(5).(Homeserver).Statistics
		if _, shown := got["total_nonbridged_users"]; shown != c.shown || got["total_users"] != c.all {
			t.Errorf("%s: %v", name, got)
		}
		if len(h.Statistics) != 2 {
			t.Errorf("%s: what was read has changed", name)
		}
	}
}
