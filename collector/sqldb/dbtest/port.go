package dbtest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// FreePort returns a port of the loopback interface that nobody listens on. It
// is below those that systems choose for connections: any of these may be taken
// again before the test listens there.
func FreePort(tb testing.TB) string {
	tb.Helper()
	const from, to = 20_000, 32_000
	for range 100 {
		port := strconv.Itoa(from + rand.IntN(to-from))
		listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			tb.Fatal(err)
		}
		return port
	}
	tb.Fatal("no free port")
	return ""
}
