package reports

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiters hold one token bucket for each key. Of more keys than max, all are
// forgotten: a flood from that many addresses is for the bucket of all.
type limiters struct {
	rate  rate.Limit
	burst int
	max   int

	mutex   sync.Mutex
	buckets map[string]*rate.Limiter
}

func newLimiters(every time.Duration, burst, most int) *limiters {
	return &limiters{rate: rate.Every(every), burst: burst, max: most, buckets: make(map[string]*rate.Limiter)}
}

func (l *limiters) allow(key string, now time.Time) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	bucket, known := l.buckets[key]
	if !known {
		if len(l.buckets) >= l.max {
			clear(l.buckets)
		}
		bucket = rate.NewLimiter(l.rate, l.burst)
		l.buckets[key] = bucket
	}
	return bucket.AllowN(now, 1)
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
