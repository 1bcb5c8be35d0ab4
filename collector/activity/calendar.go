package activity

import (
	"math"
	"time"

	"github.com/dchest/siphash"
)

// A Key keeps user names secret: the calendar knows a user only by the
// SipHash-2-4 of the name under this key. Without the key a hash says nothing.
type Key [16]byte

// A Calendar holds who was active when: for each domain one set of users per
// (UTC day, client class) and each user's last-seen time. Users are dense
// numbers behind keyed 64-bit hashes; no name is kept. With n users the
// expected number of pairs that share a hash is n²/2⁶⁵, 3 in 10⁸ for a
// million.
//
// It is a Recorder, and for one goroutine.
type Calendar struct {
	k0, k1  uint64
	clients int
	domains map[string]*domain
}

// domain is what the calendar knows of one domain.
type domain struct {
	users    map[uint64]uint32 // keyed hash → number
	lastSeen []int64           // Unix milliseconds by number, neverSeen where there is none
	visits   map[Day][]userSet // by Client
}

// neverSeen stands for users who are known from visits alone; it lies before
// every window.
const neverSeen = math.MinInt64

// NewCalendar returns an empty calendar for the given client classes.
func NewCalendar(key Key, classes *Classes) *Calendar {
	return &Calendar{
		k0:      littleEndian(key[:8]),
		k1:      littleEndian(key[8:]),
		clients: max(1, len(classes.Names())),
		domains: make(map[string]*domain),
	}
}

func littleEndian(b []byte) (v uint64) {
	for i, x := range b {
		v |= uint64(x) << (8 * i)
	}
	return v
}

// Seen implements Recorder.
func (c *Calendar) Seen(domain, user []byte, at time.Time) {
	d := c.domain(domain)
	n := d.number(siphash.Hash(c.k0, c.k1, user))
	d.lastSeen[n] = max(d.lastSeen[n], at.UnixMilli())
}

// Visit implements Recorder.
func (c *Calendar) Visit(domain, user []byte, client Client, day Day) {
	d := c.domain(domain)
	n := d.number(siphash.Hash(c.k0, c.k1, user))
	sets, ok := d.visits[day]
	if !ok {
		sets = make([]userSet, c.clients)
		d.visits[day] = sets
	}
	sets[client].add(n)
}

// Active returns how many distinct users of the domain were last seen within
// the window that ends at now. The old end of the window is exclusive; moments
// in the future count.
func (c *Calendar) Active(domain string, now time.Time, w Window) int {
	d, ok := c.domains[domain]
	if !ok {
		return 0
	}
	since, n := w.since(now).UnixMilli(), 0
	for _, at := range d.lastSeen {
		if at > since {
			n++
		}
	}
	return n
}

// HistoryDays returns the number of UTC days from the domain's oldest visit to
// now, both included; 0 without visits, or with visits in the future only.
func (c *Calendar) HistoryDays(domain string, now time.Time) int {
	d, ok := c.domains[domain]
	if !ok {
		return 0
	}
	today := DayOf(now)
	oldest := today + 1
	for date := range d.visits {
		oldest = min(oldest, date)
	}
	return int(today - oldest + 1)
}

func (c *Calendar) domain(name []byte) *domain {
	d, ok := c.domains[string(name)]
	if !ok {
		d = &domain{users: make(map[uint64]uint32), visits: make(map[Day][]userSet)}
		c.domains[string(name)] = d
	}
	return d
}

func (d *domain) number(hash uint64) uint32 {
	n, ok := d.users[hash]
	if !ok {
		n = uint32(len(d.lastSeen))
		d.users[hash] = n
		d.lastSeen = append(d.lastSeen, neverSeen)
	}
	return n
}
