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
	lastClient = 1<<clientBits - 1 // the largest Client there can be
	// latest and earliest times that fit; no chat server writes such. The
	// difference of two moments fits as well.
	latestMilli, earliestMilli = 1<<54 - 1, -1 << 54

	// neverSeen stands for users who are known from visits alone; it lies
	// before every window.
	neverSeen moment = earliestMilli << clientBits

	// onlyExists stands for users about whom the server says no more than that they
	// exist; it is later than neverSeen, and also before every window.
	onlyExists = neverSeen + 1<<clientBits
)

func momentOf(milli int64, client Client) moment {
	return moment(max(earliestMilli, min(milli, latestMilli))<<clientBits | int64(client))
}

func (m moment) milli() int64   { return int64(m) >> clientBits }
func (m moment) client() Client { return Client(m & lastClient) }

// later is 1 if m is the later one, else 0.
func (m moment) later(than moment) uint64 { return uint64(than-m) >> 63 }

func otherKey(n uint32, client Client) uint64 { return uint64(n)<<clientBits | uint64(client) }

// seen records one moment.
func (l *lastSeen) seen(n uint32, client Client, milli int64) {
	l.grow(n)
	at, newest := momentOf(milli, client), l.newest[n]
	switch {
	case newest <= onlyExists || newest.client() == client:
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

// exists records that the server knows a user.
func (l *lastSeen) exists(n uint32) {
	l.grow(n)
	l.newest[n] = max(l.newest[n], onlyExists)
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
		l.countPass(millis[:some], active[:some])
		millis, active = millis[some:], active[some:]
	}
}

// timesAtOnce is for how many times users are counted in one pass: the windows of
// a day, a week and a month, and one more.
const timesAtOnce = 4

// countPass counts for up to timesAtOnce times. A user who was seen later than one of
// them was seen later than all that follow, which are earlier. So one number says
// all of a user: how many of the times it was seen later than.
func (l *lastSeen) countPass(millis []int64, active []*Active) {
	var bounds [timesAtOnce]moment
	for i := range bounds {
		milli := int64(latestMilli) // later than that nobody was seen
		if i < len(millis) {
			milli = millis[i]
		}
		bounds[i] = momentOf(milli, lastClient)
	}
	var users histogram
	users.add(l.newest, bounds)
	for i, a := range active {
		for passed := len(millis) - i; passed <= len(millis); passed++ {
			for client := range a.Clients {
				n := users.count(passed, client)
				a.Clients[client] += n
				a.Users += n
			}
		}
	}
	for key, m := range l.others {
		for i := range millis {
			if m > bounds[i] {
				active[i].Clients[key&lastClient]++
			}
		}
	}
}

// A histogram holds the number of users by how many of some bounds their newest time
// is later than, and by its client. Users with odd numbers are apart, so that one
// addition need not wait for the one before.
type histogram [timesAtOnce + 1][2][lastClient + 1]int

// add has no branch that the processor would have to guess: BenchmarkCounting,
// windows/read.
func (h *histogram) add(newest []moment, bounds [timesAtOnce]moment) {
	b0, b1, b2, b3 := bounds[0], bounds[1], bounds[2], bounds[3]
	for n, m := range newest {
		passed := m.later(b0) + m.later(b1) + m.later(b2) + m.later(b3)
		h[passed][n%2][m.client()]++
	}
}

func (h *histogram) count(passed, client int) int {
	return h[passed][0][client] + h[passed][1][client]
}
