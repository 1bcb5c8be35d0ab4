package reports

import (
	"hash/maphash"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// limiters hold one token bucket for each key, in 16 bytes: an open endpoint is
// sent any number of keys. It is the moment at which the bucket is full again;
// one that is full is the same as none (the generic cell rate algorithm of ATM,
// ITU-T I.371). Of more keys than max, those with full buckets are forgotten; if
// they are few, all are: a flood from that many is for the bucket of all.
type limiters struct {
	every time.Duration // for one token
	burst int
	max   int

	mutex sync.Mutex
	seed  maphash.Seed
	full  map[uint64]time.Duration // since began, by the hash of the key
	began time.Time
}

func newLimiters(every time.Duration, burst, most int) *limiters {
	return &limiters{every: every, burst: burst, max: most, seed: maphash.MakeSeed(), full: make(map[uint64]time.Duration), began: time.Now()}
}

func (l *limiters) allow(key string, at time.Time) bool {
	hash, now := maphash.String(l.seed, key), at.Sub(l.began)
	l.mutex.Lock()
	defer l.mutex.Unlock()
	full, known := l.full[hash]
	full = max(full, now) + l.every
	if full-now > time.Duration(l.burst)*l.every {
		return false
	}
	if !known && len(l.full) >= l.max {
		maps.DeleteFunc(l.full, func(_ uint64, full time.Duration) bool { return full <= now })
		if len(l.full) > l.max/2 {
			clear(l.full)
		}
	}
	l.full[hash] = full
	return true
}

// client returns the address that a request comes from. Behind a proxy that is
// trusted it is the last address in X-Forwarded-For that is not one itself:
// whatever stands before it, the client may have invented.
func client(r *http.Request, trusted []netip.Prefix) netip.Addr {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	address, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !within(address, trusted) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		address = next
	}
	return address.Unmap()
}

func within(address netip.Addr, prefixes []netip.Prefix) bool {
	address = address.Unmap()
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(address) })
}
