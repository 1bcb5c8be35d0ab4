package prosody

// timeQueue collects what rows say about times, and writes it to the tables of
// users when there is enough of it. The user of the next row is as good as random,
// and of a million users nearly none is in the processor's cache. Looked up one by
// one, each costs two waits for memory, one after the other; for many, the processor
// waits once. users.go names the benchmark.
type timeQueue struct {
	facts []timeFact
	names []byte // of their users, one behind the other
	// prefetched is made from what was read ahead, so that the compiler keeps the
	// reading. Nobody looks at it.
	prefetched byte
}

// timeFact is what a row of lastlog2 or account_activity says.
type timeFact struct {
	host    *hostRows
	hash    uint32 // of the user
	at      uint32 // where the user's record probably is
	nameEnd int
	which   int // time of the record, or noTime or damagedTime
	seconds float64
}

const (
	queueSize = 256
	noTime    = -1
	// damagedTime is that of a row that cannot be read.
	damagedTime = -2
)

func (q *timeQueue) add(h *hostRows, user []byte, which int, seconds float64) {
	q.names = append(q.names, user...)
	q.facts = append(q.facts, timeFact{host: h, hash: h.users.hash(user), nameEnd: len(q.names), which: which, seconds: seconds})
	if len(q.facts) == queueSize {
		q.flush()
	}
}

// flush writes all facts to the tables, in their order. Before that it reads the
// slots of all users, and then their records, so that they are in the cache.
func (q *timeQueue) flush() {
	for i := range q.facts {
		q.facts[i].at = q.facts[i].host.users.near(q.facts[i].hash)
	}
	for i := range q.facts {
		if f := &q.facts[i]; f.at != 0 {
			q.prefetched ^= f.host.users.record(f.at)[recordStored]
		}
	}
	from := 0
	for _, f := range q.facts {
		u := f.host.users.find(f.hash, q.names[from:f.nameEnd])
		switch f.which {
		case damagedTime:
			u.setStored(storedDamaged)
		case noTime:
			u.setStored(storedReadable)
		default:
			u.setStored(storedReadable)
			u.setTime(f.which, f.seconds)
		}
		from = f.nameEnd
	}
	q.facts, q.names = q.facts[:0], q.names[:0]
}
