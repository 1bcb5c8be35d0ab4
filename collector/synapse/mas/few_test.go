package mas_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/synapse/mas"
)

// Small cells are merged within their window; all users with a session for Matrix are no
// cell; what was read stays as it is.
func TestFewUsersOfMAS(t *testing.T) {
	day, month := activity.Daily(), activity.Monthly()
	read := &mas.Figures{
		Accounts: map[string]int{"active": 90, "locked": 2, "deactivated": 3}, Linked: map[string]int{"github": 1, "google": 40, "apple": 9},
		Active:  map[mas.Activity]int{{Name: "matrix", Window: day}: 3, {Name: "oauth2", Window: day}: 3, {Name: "oauth2", Window: month}: 50, {Name: "compat", Window: month}: 4, {Name: "personal", Window: month}: 1},
		Clients: map[mas.Activity]int{{Name: "web", Window: day}: 7, {Name: "app", Window: day}: 6},
	}
	shown := read.WithMinimum(5).(*mas.Figures)
	want := &mas.Figures{
		Accounts: map[string]int{"active": 90, "few": 5}, Linked: map[string]int{"few": 10, "google": 40},
		Active:  map[mas.Activity]int{{Name: "matrix", Window: day}: 3, {Name: "few", Window: day}: 3, {Name: "oauth2", Window: month}: 50, {Name: "few", Window: month}: 5},
		Clients: map[mas.Activity]int{{Name: "web", Window: day}: 7, {Name: "app", Window: day}: 6},
	}
	if diff := cmp.Diff(want, shown); diff != "" || len(read.Accounts) != 3 {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
