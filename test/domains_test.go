//go:build !race

package test

// race says that the tests, and then the program, look for data races.
const race = false

// domains is the number of domains of a large server.
const domains = 10_000
