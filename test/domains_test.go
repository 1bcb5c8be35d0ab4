//go:build !race

package main

// domains is the number of domains of a large server.
const domains = 10_000
