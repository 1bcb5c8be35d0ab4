package activity

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
	clientBits = 8
	// latest and earliest times that fit; no chat server writes such. The
	// difference of two moments fits as well.
	latestMilli, earliestMilli = 1<<54 - 1, -1 << 54

	// neverSeen stands for users who are known from visits alone; it lies
	// before every window.
	neverSeen moment = earliestMilli << clientBits
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

// countAfter adds up, for each of some times, the users seen later, for classes
// that are Clients: then no user has two times of one class. The times are in
// order, the latest first. It takes each user once, without a branch that the
// processor would have to guess.
func (l *lastSeen) countAfter(millis []int64, active []*Active) {
	bounds := make([]moment, len(millis))
	for i, milli := range millis {
		bounds[i] = momentOf(milli, 1<<clientBits-1)
	}
	// How many users were seen later than just so many of the times.
	histogram := make([][1 << clientBits]int, len(bounds)+1)
	for _, m := range l.newest {
		later := uint64(0)
		for _, bound := range bounds {
			later += uint64(bound-m) >> 63 // 1 if m is larger
		}
		histogram[later][m.client()]++
	}
	for key, m := range l.others {
		for i, bound := range bounds {
			if m > bound {
				active[i].Clients[key&(1<<clientBits-1)]++
			}
		}
	}
	for i, a := range active {
		// Later than this one is later than all earlier ones.
		for later := len(bounds) - i; later <= len(bounds); later++ {
			for client := range a.Clients {
				a.Clients[client] += histogram[later][client]
				a.Users += histogram[later][client]
			}
		}
	}
}
