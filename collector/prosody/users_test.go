package prosody_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/prosody"
)

// Users of any number and names of any size: as in a map, but in order.
func TestUserTable(t *testing.T) {
	for _, users := range []int{0, 1, 12, 13, 100, 60000} {
		random := rand.New(rand.NewPCG(1, uint64(users)))
		var table prosody.UserTable
		logins := make(map[string]float64)
		var order []string
		for i := range 3 * users {
			name := fmt.Sprint("user", random.IntN(users))
			switch {
			case i%1000 == 0:
				name = strings.Repeat("long", random.IntN(500_000)) + name
			case i%7 == 0:
				name += strings.Repeat("é", i%50)
			}
			if _, known := logins[name]; !known {
				order = append(order, name)
			}
			logins[name] = max(logins[name], float64(i))
			table.AddLogin(name, float64(i))
		}
		names, times := table.Logins()
		if diff := cmp.Diff(order, names); diff != "" {
			t.Fatalf("%d users (-want +got):\n%.1000s", users, diff)
		}
		for i, name := range names {
			if times[i] != logins[name] {
				t.Fatalf("%d users: %.20s at %f, want %f", users, name, times[i], logins[name])
			}
		}
	}
}
