package prosody

// timeQueue holds what rows say of times until there is enough of it. Who is in
// the next row is as good as random, and of a million users nearly none is in the
// processor's cache: looked up one by one, each costs two waits for memory one
// after the other. Of many, the processor waits for all at once.
type timeQueue struct {
	facts []timeFact
	names []byte // of their users, one behind the other
	warm  byte   // of no use but that what it is made of must be read
}

// timeFact is what a row of lastlog2 or account_activity says.
type timeFact struct {
	host    *hostRows
	hash    uint32 // of the user
	at      uint32 // where the user's record probably is
	nameEnd int
	which   int // time of the record, noTime for none
	seconds float64
}

const (
	queueSize = 256
	noTime    = -1
)

func (q *timeQueue) add(h *hostRows, user []byte, which int, seconds float64) {
	q.names = append(q.names, user...)
	q.facts = append(q.facts, timeFact{host: h, hash: h.users.hash(user), nameEnd: len(q.names), which: which, seconds: seconds})
	if len(q.facts) == queueSize {
		q.flush()
	}
}

// flush writes all facts to the tables, in their order.
func (q *timeQueue) flush() {
	for i := range q.facts {
		q.facts[i].at = q.facts[i].host.users.near(q.facts[i].hash)
	}
	for i := range q.facts {
		if f := &q.facts[i]; f.at != 0 {
			q.warm ^= f.host.users.record(f.at)[recordStored]
		}
	}
	from := 0
	for _, f := range q.facts {
		u := f.host.users.find(f.hash, q.names[from:f.nameEnd])
		u.setStored()
		if f.which != noTime {
			u.setTime(f.which, f.seconds)
		}
		from = f.nameEnd
	}
	q.facts, q.names = q.facts[:0], q.names[:0]
}
