//go:build !race

package synapse_test

const (
	// users is the number of users of the differential tests.
	users = 20_000
	// randomWorlds is the number of databases that a test invents for each engine.
	randomWorlds = 60
)
