//go:build race

package synapse_test

// users is the number of users of the differential tests: the race detector
// makes SQLite, which is Go here, ten times slower.
const users = 2_000
