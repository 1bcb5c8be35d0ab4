//go:build race

package synapse_test

// With the race detector, SQLite, which is Go here, is ten times slower.
const (
	// users is the number of users of the differential tests.
	users = 2_000
	// randomWorlds is the number of databases that a test invents for each engine.
	randomWorlds = 20
)
