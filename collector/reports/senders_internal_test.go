package reports

import (
	"fmt"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"
	"time"

	"active_users_exporter/test/must"
)

func TestWhoSendsARequest(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.0.0.0/8")}
	for name, c := range map[string]struct {
		remote, forwarded string
		want              string // "" for the one stranger that all are who look the same
	}{
		"direct":                              {"203.0.113.9:1234", "", "203.0.113.9/32"},
		"a stranger's header is not believed": {"203.0.113.9:1234", "198.51.100.1", "203.0.113.9/32"},
		"this machine":                        {"127.0.0.1:1", "", "127.0.0.1/32"},
		"this machine by IPv6":                {"[::1]:1", "", "::1/128"},
		"behind a proxy":                      {"127.0.0.1:1", "203.0.113.9", "203.0.113.9/32"},
		"with a port":                         {"127.0.0.1:1", "203.0.113.9:4711", "203.0.113.9/32"},
		"IPv6 with a port":                    {"[::1]:1", "[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::/64"},
		"IPv6 in brackets":                    {"127.0.0.1:1", "[2001:db8:1:2:3::4]", "2001:db8:1:2::/64"},
		"IPv6 alone":                          {"127.0.0.1:1", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"},
		"IPv4 within IPv6":                    {"127.0.0.1:1", "::ffff:203.0.113.9", "203.0.113.9/32"},
		"two proxies":                         {"127.0.0.1:1", "198.51.100.1, 203.0.113.9, 10.1.2.3", "203.0.113.9/32"},
		"invented before":                     {"127.0.0.1:1", "unknown, 203.0.113.9", "203.0.113.9/32"},
		"proxies alone":                       {"127.0.0.1:1", "10.1.2.3", "10.1.2.3/32"},
		"unknown":                             {"127.0.0.1:1", "unknown", ""},
		"hidden":                              {"127.0.0.1:1", "_hidden", ""},
		"empty element":                       {"127.0.0.1:1", "203.0.113.9,", ""},
		"no address at all":                   {"@", "", ""},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "PUT", "/push", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		got := senderOf(clientOf(r, trusted))
		if c.want == "" && got.IsValid() || c.want != "" && got.String() != c.want {
			t.Errorf("%s: %s, want %q", name, got, c.want)
		}
	}
}

func TestPatternsOfServerNames(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"example.org", "example.org", true},
		{"Example.ORG", "example.org", true},
		{"example.org", "example.org:8448", true},
		{"example.org:8448", "example.org:8448", true},
		{"example.org:8448", "example.org", false},
		{"*.example.org", "a.example.org", true},
		{"*.example.org", "a.example.org:8448", true},
		{"*.example.org", "a.b.example.org", true},
		{"*.example.org", "example.org", false},
		{"*.example.org", "a.example.org.evil.net", false},
		{"*.example.org:8448", "a.example.org:8449", false},
		{"[2001:db8::1]:8448", "[2001:db8::1]:8448", true},
		{"[2001:db8::1]", "[2001:db8::1]:8448", true},
		{"[2001:db8::1]", "[2001:db8::1]", true},
		{"[2001:db8::1]", "[2001:db8::2]", false},
		{"192.0.2.1", "192.0.2.1:80", true},
		{"*", "anything.example:1", true},
	} {
		if got := matches(c.name, []string{c.pattern}); got != c.want {
			t.Errorf("%s for %s: %t", c.pattern, c.name, got)
		}
	}
}

// connection is one from an address.
type connection struct {
	net.Conn
	from string
}

func (c connection) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}

// One sender cannot take all connections, and strangers leave room for senders that
// have reported before.
func TestConnectionsLeaveRoomForKnownSenders(t *testing.T) {
	now := time.Now()
	e := newEstablished()
	known := senderOf(netip.MustParseAddr("198.51.100.7"))
	e.accepted(known, now.Add(-time.Hour))
	c := newConnections(e, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	admit := func(from string) bool {
		_, admitted := c.admit(connection{from: from}, now)
		return admitted
	}
	for n := range maxConnectionsOfSender + 5 {
		if got := admit("[2001:db8::" + fmt.Sprint(n) + "]:1"); got != (n < maxConnectionsOfSender) {
			t.Errorf("connection %d of a /64: admitted %t", n, got)
		}
	}
	strangers := maxConnectionsOfSender
	for n := 0; admit(fmt.Sprintf("203.0.%d.%d:1", n/250, n%250)); n++ {
		strangers++
	}
	if strangers != maxStrangers {
		t.Errorf("%d connections of strangers, want %d", strangers, maxStrangers)
	}
	for _, from := range []string{"198.51.100.7:1", "10.1.2.3:1", "127.0.0.1:1"} {
		if !admit(from) {
			t.Errorf("%s found no room", from)
		}
	}
	if c.refused[TooManyOfSender] != 5 || c.refused[TooManyInAll] != 1 {
		t.Errorf("refused %v", c.refused)
	}
}

// What comes from this machine without the address of another is not limited.
func TestThisMachineIsLocal(t *testing.T) {
	for address, local := range map[string]bool{"127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true, "::2": false, "::": false, "192.0.2.1": false} {
		if senderOf(netip.MustParseAddr(address)).local() != local {
			t.Errorf("%s: local %t", address, !local)
		}
	}
}

func TestPatternsThatMatchNothing(t *testing.T) {
	for pattern, right := range map[string]bool{
		"example.org": true, "*.Example.org": true, "*": true, "*:8448": true, "matrix?.example.org:443": true, "[2001:db8::1]": true, "[2001:DB8::1]:8448": true,
		"": false, "https://example.org": false, "https://example.org:8448": false, "*.example.org:*": false, "example.org:": false, "example.org/": false,
		"2001:db8::1": false, "[2001:db8:*]": false, "[ab].example.org": false, "[::1": false, "[fe80::1%a]": false, "[192.0.2.1]": false,
		"@user:example.org": false, "{a,b}.example.org": false, "a b.example.org": false,
	} {
		if err := CheckPattern(pattern); (err == nil) != right {
			t.Errorf("%q: error %v", pattern, err)
		}
	}
}

func TestForwardingToOneself(t *testing.T) {
	hostname, err := os.Hostname()
	must.Succeed(t, err)
	for _, c := range []struct {
		to, listen string
		want       bool
	}{
		{"http://127.0.0.1:10053/push", ":10053", true},
		{"http://localhost:10053/push", "127.0.0.1:10053", true},
		{"http://[::1]:10053/push", "0.0.0.0:10053", true},
		{"http://stats.example:10053/push", "stats.example:10053", true},
		{"http://127.0.0.1:10054/push", ":10053", false},
		{"https://matrix.org/report-usage-stats/push", ":443", false},
		{"http://192.0.2.1:10053/push", ":10053", false},
		{"http://LOCALHOST:10053/push", ":10053", true},
		{"http://localhost.:10053/push", ":10053", true},
		{"http://" + hostname + ":10053/push", ":10053", true},
		{"http://" + hostname + ":10053/push", "127.0.0.1:10053", false}, // it need not mean loopback
	} {
		if got := LeadsBack(c.to, c.listen); got != c.want {
			t.Errorf("%s at %s: %t", c.to, c.listen, got)
		}
	}
}
