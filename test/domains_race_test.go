//go:build race

package test

// race says that the tests, and then the program, look for data races.
const race = true

// domains is the number of domains of a large server: the race detector makes
// SQLite, which is Go here, ten times slower.
const domains = 500
