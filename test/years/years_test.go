package years_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"active_users_exporter/test/must"
)

// In years full of bad days, every figure that is shown is right: see
// docs/reliability.md. ACTIVE_USERS_TEST_YEARS says how many, ACTIVE_USERS_TEST_SEED
// which one is the first.
func TestYears(t *testing.T) {
	years, first := number(t, "ACTIVE_USERS_TEST_YEARS", 2), number(t, "ACTIVE_USERS_TEST_SEED", 1)
	var all totals
	for seed := first; seed < first+years; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			p := newPlan(uint64(seed))
			y := live(t, p)
			all.add(y.totals)
			if len(y.differences) == 0 {
				return
			}
			t.Errorf("%s", strings.Join(y.differences, "\n"))
			p.steps = p.steps[:y.totals.steps]
			p = shrink(t, p)
			t.Errorf("the same of seed %d with fewer steps:\n%s%s", seed, p, strings.Join(live(t, p).differences, "\n"))
		})
	}
	t.Logf("%d years, %d steps, %d refreshes, %d figures compared", all.years, all.steps, all.refreshes, all.figures)
	for k, n := range all.faults {
		if n > 0 {
			t.Logf("%s: %d times", kind(k), n)
		}
	}
	if all.figures == 0 || all.faults == (totals{}).faults {
		t.Error("nothing was compared, or nothing went wrong")
	}
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	return must.Get(strconv.Atoi(text))(t)
}
