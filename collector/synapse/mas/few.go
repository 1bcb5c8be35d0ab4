package mas

import "active_users_exporter/collector/activity"

// WithMinimum implements collector.Splitting. Users with any session for Matrix are all
// together, and no part beside the others. Sessions and registrations are no people.
func (f *Figures) WithMinimum(minimum int) any {
	m := activity.Minimum(minimum)
	shown := *f
	shown.Accounts, shown.Linked = activity.MergeMap(m, f.Accounts), activity.MergeMap(m, f.Linked)
	shown.Active, shown.Clients = mergeActivity(m, f.Active, "matrix"), mergeActivity(m, f.Clients, "")
	return &shown
}

// mergeActivity merges the cells of each window, except one that is their total.
func mergeActivity(m activity.Minimum, cells map[Activity]int, total string) map[Activity]int {
	if cells == nil {
		return nil
	}
	shown, windows := make(map[Activity]int, len(cells)), make(map[activity.Window]map[string]int)
	for a, n := range cells {
		if a.Name == total {
			shown[a] = n
			continue
		}
		if windows[a.Window] == nil {
			windows[a.Window] = make(map[string]int)
		}
		windows[a.Window][a.Name] = n
	}
	for w, names := range windows {
		for name, n := range activity.MergeMap(m, names) {
			shown[Activity{name, w}] = n
		}
	}
	return shown
}
