//go:build race

package main

// domains is the number of domains of a large server: the race detector makes
// SQLite, which is Go here, ten times slower.
const domains = 500
