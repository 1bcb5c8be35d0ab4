package dbtest

import "testing"

// A server that is configured with several ports must not be given one of them twice.
func TestPortsDiffer(t *testing.T) {
	given := make(map[string]bool)
	for range 500 {
		port := FreePort(t)
		if given[port] {
			t.Fatalf("port %s was given twice", port)
		}
		given[port] = true
	}
}
