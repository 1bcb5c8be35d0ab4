package dendrite_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector/dendrite"
	"active_users_exporter/collector/failure"
	"active_users_exporter/test/must"
)

// If the room server's database cannot be read, the number of rooms alone is absent.
func TestRoomsThatCannotBeCounted(t *testing.T) {
	now := time.Unix(expected(t, "expected-sqlite.json").Now, 0)
	broken := filepath.Join(t.TempDir(), "rooms.db")
	must.WriteFile(t, broken, "not a database")
	for name, c := range map[string]struct {
		rooms  string
		reason failure.Reason
	}{"gone": {broken + ".gone", failure.Unreachable}, "broken": {broken, failure.Unexpected}} {
		t.Run(name, func(t *testing.T) {
			r := newRefresher(dendrite.Options{
				Database: source(t, "sqlite:"+unpacked(t, "dendrite-sqlite.db")), Rooms: source(t, "sqlite:"+c.rooms),
			}, &now)
			err := r.Refresh(t.Context())
			if failure.Of(err) != c.reason || !strings.Contains(err.Error(), c.rooms) || !strings.Contains(err.Error(), "count the rooms") {
				t.Errorf("error %v, want one that names %s", err, c.rooms)
			}
			if r.Status().Snapshot == nil || r.Status().Up {
				t.Fatalf("%+v: want figures, and that the server is not up", r.Status())
			}
			if users := r.Status().Snapshot.Domains[0].Active[0].Users; users != 12 {
				t.Errorf("%d active users, want 12", users)
			}
			if n, known := usageOf(t, r).Statistics["total_room_count"]; known {
				t.Errorf("%v rooms, of which nothing is known", n)
			}
		})
	}
}
