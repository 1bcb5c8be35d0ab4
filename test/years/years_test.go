package years_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"active_users_exporter/test/must"
)

// shrink leaves steps and events out of a plan for as long as it still shows a
// difference, for twenty seconds at most.
func shrink(t *testing.T, plan []step) []step {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	differs := func(plan []step) bool {
		y, _ := live(t, plan)
		return len(y.differences) > 0
	}
	for size := len(plan) / 2; size > 0; size /= 2 {
		for from := 0; from < len(plan) && time.Now().Before(deadline); {
			without := slices.Concat(plan[:from], plan[min(from+size, len(plan)):])
			if differs(without) {
				plan = without
			} else {
				from += size
			}
		}
	}
	for n := range plan {
		for size := len(plan[n].events); size > 0; size /= 2 {
			for from := 0; from < len(plan[n].events) && time.Now().Before(deadline); {
				shorter := slices.Clone(plan)
				shorter[n].events = slices.Concat(plan[n].events[:from], plan[n].events[min(from+size, len(plan[n].events)):])
				if differs(shorter) {
					plan = shorter
				} else {
					from += size
				}
			}
		}
	}
	return plan
}

// In years full of bad days, every figure that is shown is right: see
// docs/reliability.md. ACTIVE_USERS_TEST_YEARS says how many, ACTIVE_USERS_TEST_SEED
// which one is the first.
func TestYears(t *testing.T) {
	years, first := number(t, "ACTIVE_USERS_TEST_YEARS", 2), number(t, "ACTIVE_USERS_TEST_SEED", 1)
	var all totals
	for seed := first; seed < first+years; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			plan := newPlan(uint64(seed))
			y, lived := live(t, plan)
			all.add(lived)
			if len(y.differences) == 0 {
				return
			}
			t.Errorf("%s", strings.Join(y.differences, "\n"))
			plan = shrink(t, plan[:lived.steps])
			y, _ = live(t, plan)
			t.Errorf("the same of seed %d with fewer steps:\n%s%s", seed, describe(plan), strings.Join(y.differences, "\n"))
		})
	}
	t.Logf("%d years, %d steps, %d refreshes, %d figures compared, %d faults", all.years, all.steps, all.refreshes, all.figures, all.faults)
	if all.figures == 0 || all.faults == 0 {
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
