package dbtest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// FreePort returns a port of the loopback interface that nobody listens on, and
// that no other call returns until the test ends. It is below those that systems
// choose for connections: any of these may be taken again before the test
// listens there.
func FreePort(tb testing.TB) string {
	tb.Helper()
	const from, to = 20_000, 32_000
	for range 100 {
		port := strconv.Itoa(from + rand.IntN(to-from))
		if reserve(tb, port) && nobodyListens(tb, port) {
			return port
		}
	}
	tb.Fatal("no free port")
	return ""
}

// reserve keeps the port from other tests, also of other processes, by its UDP
// twin: servers under test use TCP alone, and the system gives it back whatever
// becomes of the test.
func reserve(tb testing.TB, port string) bool {
	tb.Helper()
	twin, err := (&net.ListenConfig{}).ListenPacket(tb.Context(), "udp", "127.0.0.1:"+port)
	if err != nil {
		return false
	}
	tb.Cleanup(func() { _ = twin.Close() })
	return true
}

func nobodyListens(tb testing.TB, port string) bool {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:"+port)
	if err != nil {
		return false
	}
	if err := listener.Close(); err != nil {
		tb.Fatal(err)
	}
	return true
}
