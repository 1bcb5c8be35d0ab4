package reports

import (
	"hash/maphash"
	"maps"
	"sync"
	"time"
)

// limiters hold one token bucket for each key, in 16 bytes: an open endpoint is
// sent any number of keys. It is the moment at which the bucket is full again;
// one that is full is the same as none (the generic cell rate algorithm of ATM,
// ITU-T I.371). If there are more keys than max, those with full buckets are forgotten; if
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
