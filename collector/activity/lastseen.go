package activity

import "math"

// lastSeen holds when each user was last seen with each class of client. Most
// users have one class: the newest time of a user and its class share one
// word, times of other classes are kept apart.
type lastSeen struct {
	newest []moment          // by number
	others map[uint64]moment // by number and class
}

// A moment is Unix milliseconds with the client class in the lowest byte.
type moment int64

const (
	// neverSeen stands for users who are known from visits alone; it lies
	// before every window.
	neverSeen moment = math.MinInt64

	clientBits = 8
	// latest and earliest moments that fit; no chat server writes such.
	latestMilli, earliestMilli = 1<<54 - 1, -1 << 54
)

func momentOf(milli int64, client Client) moment {
	return moment(max(earliestMilli, min(milli, latestMilli))<<clientBits | int64(client))
}

func (m moment) milli() int64   { return int64(m) >> clientBits }
func (m moment) client() Client { return Client(m & (1<<clientBits - 1)) }

func otherKey(n uint32, client Client) uint64 { return uint64(n)<<clientBits | uint64(client) }

// seen records one moment.
func (l *lastSeen) seen(n uint32, client Client, milli int64) {
	l.grow(n)
	at, newest := momentOf(milli, client), l.newest[n]
	switch {
	case newest == neverSeen || newest.client() == client:
		l.newest[n] = max(newest, at)
	case at.milli() > newest.milli():
		// The classes change places.
		delete(l.others, otherKey(n, client))
		l.other(n, newest)
		l.newest[n] = at
	default:
		l.other(n, at)
	}
}

func (l *lastSeen) other(n uint32, at moment) {
	if l.others == nil {
		l.others = make(map[uint64]moment)
	}
	key := otherKey(n, at.client())
	if old, ok := l.others[key]; !ok || at > old {
		l.others[key] = at
	}
}

func (l *lastSeen) grow(n uint32) {
	for int(n) >= len(l.newest) {
		l.newest = append(l.newest, neverSeen)
	}
}

// after calls yield with each user seen later than the given time and each class
// of client that was.
func (l *lastSeen) after(milli int64, yield func(n uint32, client Client)) {
	for n, m := range l.newest {
		if m != neverSeen && m.milli() > milli {
			yield(uint32(n), m.client())
		}
	}
	for key, m := range l.others {
		if m.milli() > milli {
			yield(uint32(key>>clientBits), m.client())
		}
	}
}
