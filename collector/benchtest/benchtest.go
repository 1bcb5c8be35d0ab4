// Package benchtest is what benchmarks of several packages share.
package benchtest

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"testing"
)

// Users is the number of users that ACTIVE_USERS_BENCH_USERS asks for, or
// otherwise if it is not set.
func Users(b *testing.B, otherwise int) int {
	b.Helper()
	return Number(b, "ACTIVE_USERS_BENCH_USERS", otherwise)
}

// Number is what an environment variable says, or otherwise if it is not set.
func Number(b *testing.B, variable string, otherwise int) int {
	b.Helper()
	text, set := os.LookupEnv(variable)
	if !set {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// Median returns the middle one, of an even number the higher of the two. There
// must be one.
func Median[T cmp.Ordered](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
