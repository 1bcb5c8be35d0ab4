package synapse_test

import (
	"flag"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"active_users_exporter/test/must"
)

// checkWorlds is rapid.Check with randomWorlds databases, or as many as -rapid.checks
// says.
func checkWorlds(t *testing.T, check func(rt *rapid.T)) {
	t.Helper()
	const checks = "rapid.checks"
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == checks })
	if !given {
		before := flag.Lookup(checks).Value.String()
		must.Succeed(t, flag.Lookup(checks).Value.Set(fmt.Sprint(randomWorlds)))
		defer func() { must.Succeed(t, flag.Lookup(checks).Value.Set(before)) }()
	}
	rapid.Check(t, check)
}
