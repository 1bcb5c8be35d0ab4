//go:build !race

package synapse_test

// users is the number of users of the differential tests.
const users = 20_000
