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

// later is 1 if m is the later one, else 0.
func (m moment) later(than moment) uint64 { return uint64(than-m) >> 63 }

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
// order, the latest first.
func (l *lastSeen) countAfter(millis []int64, active []*Active) {
	for len(millis) > 0 {
		some := min(len(millis), timesAtOnce)
		l.countSome(millis[:some], active[:some])
		millis, active = millis[some:], active[some:]
	}
}

// timesAtOnce is for how many times users are counted in one pass: the windows of
// a day, a week and a month, and one more.
const timesAtOnce = 4

// countSome takes each user once, without a branch that the processor would have
// to guess.
func (l *lastSeen) countSome(millis []int64, active []*Active) {
	const never = latestMilli
	var bounds [timesAtOnce]moment
	for i := range bounds {
		bounds[i] = momentOf(never, 1<<clientBits-1)
		if i < len(millis) {
			bounds[i] = momentOf(millis[i], 1<<clientBits-1)
		}
	}
	b0, b1, b2, b3 := bounds[0], bounds[1], bounds[2], bounds[3]
	// How many users were seen later than just so many of the times; those with
	// odd numbers apart, so that one count need not wait for the last.
	var histogram [timesAtOnce + 1][2][1 << clientBits]int
	for n, m := range l.newest {
		times := m.later(b0) + m.later(b1) + m.later(b2) + m.later(b3)
		histogram[times][n%2][m.client()]++
	}
	for key, m := range l.others {
		for i := range millis {
			if m > bounds[i] {
				active[i].Clients[key&(1<<clientBits-1)]++
			}
		}
	}
	for i, a := range active {
		// Later than this one is later than all earlier ones.
		for times := len(millis) - i; times <= len(millis); times++ {
			for client := range a.Clients {
				users := histogram[times][0][client] + histogram[times][1][client]
				a.Clients[client] += users
				a.Users += users
			}
		}
	}
}
