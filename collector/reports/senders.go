package reports

import (
	"hash/maphash"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// A sender is who sends a request, as limits see it: an IPv4 address, or the /64 that
// one host of IPv6 may choose its addresses from. A sender that cannot be distinguished from
// others, behind a proxy that gives no address, is the zero sender: all of them are
// limited together.
type sender struct{ netip.Prefix }

// senderOf returns the sender with an address.
func senderOf(address netip.Addr) sender {
	address = address.Unmap().WithZone("")
	bits := address.BitLen()
	if address.Is6() && !address.IsLoopback() { // whose /64 is not this machine's alone
		bits = 64
	}
	prefix, err := address.Prefix(bits)
	if err != nil {
		return sender{}
	}
	return sender{prefix}
}

// local returns true for this machine itself, which is not limited.
func (s sender) local() bool { return s.IsValid() && s.Addr().IsLoopback() }

// clientOf returns the address that a request comes from, the zero address if that
// is unknown. Behind proxies that are trusted, it is the rightmost address of
// X-Forwarded-For that is not one of theirs: whatever stands to the left of it, the
// client may have invented. Addresses may have a port.
func clientOf(r *http.Request, trusted []netip.Prefix) netip.Addr {
	address, ok := parseHop(r.RemoteAddr)
	if !ok {
		return netip.Addr{}
	}
	forwarded := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	if forwarded == "" {
		return address
	}
	for _, hop := range slices.Backward(strings.Split(forwarded, ",")) {
		if !within(address, trusted) {
			break
		}
		if address, ok = parseHop(strings.TrimSpace(hop)); !ok {
			return netip.Addr{}
		}
	}
	return address
}

// parseHop reads an address as proxies write it: 192.0.2.1, 192.0.2.1:4711,
// 2001:db8::1, [2001:db8::1] or [2001:db8::1]:4711.
func parseHop(text string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap(), true
	}
	address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	return address.Unmap(), err == nil
}

func within(address netip.Addr, prefixes []netip.Prefix) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(address) })
}

// established are the senders whose reports were accepted before, the last of them
// and not all at once: under an attack there is room for them. No address is kept, nor
// does it outlast the process.
type established struct {
	mutex sync.Mutex
	seed  maphash.Seed
	known map[uint64]acquaintance // by the hash of the sender
}

// acquaintance is the first and the last time that a report was accepted.
type acquaintance struct{ first, last time.Time }

const (
	maxEstablished = 50_000
	// establishedAfter is how long ago the first accepted report must be. An
	// attacker can wait for as long, but not with more addresses than he has.
	establishedAfter = time.Minute
	// establishedFor is how long a sender that is silent is remembered.
	establishedFor = 3 * 24 * time.Hour
)

func newEstablished() *established {
	return &established{seed: maphash.MakeSeed(), known: make(map[uint64]acquaintance)}
}

func (e *established) hash(s sender) uint64 { return maphash.Comparable(e.seed, s.Prefix) }

// accepted remembers that a report was accepted. Senders that are remembered keep
// their place: new ones are not remembered while there are too many.
func (e *established) accepted(s sender, now time.Time) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	hash := e.hash(s)
	a, there := e.known[hash]
	if !there {
		if len(e.known) >= maxEstablished {
			e.forget(now)
		}
		if len(e.known) >= maxEstablished {
			return
		}
		a.first = now
	}
	a.last = now
	e.known[hash] = a
}

// forget drops who was silent for long.
func (e *established) forget(now time.Time) {
	for hash, a := range e.known {
		if now.Sub(a.last) > establishedFor {
			delete(e.known, hash)
		}
	}
}

// is returns true for a sender whose reports were accepted before.
func (e *established) is(s sender, now time.Time) bool {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	a, there := e.known[e.hash(s)]
	return there && now.Sub(a.first) >= establishedAfter && now.Sub(a.last) <= establishedFor
}

// addressOf returns the address of the other end of a connection.
func addressOf(connection net.Conn) (netip.Addr, bool) {
	return parseHop(connection.RemoteAddr().String())
}
