package activity

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/dchest/siphash"
)

// A Key keeps user names secret: the calendar knows a user only by the
// SipHash-2-4 of the name under this key. Without the key a hash says nothing.
type Key [16]byte

// A Calendar holds who was active when: for each domain one set of users per
// (UTC day, client class) and each user's last-seen time by class. Users are
// dense numbers behind keyed 64-bit hashes; no name is kept. With n users the
// expected number of pairs that share a hash is n²/2⁶⁵, 3 in 10⁸ for a
// million.
//
// It is a Recorder, and for one goroutine.
type Calendar struct {
	k0, k1  uint64
	classes *Classes
	domains map[string]*domain
	recent  recent
	// observed are days that domains share; see shareObserved.
	observed []Day
}

// recent is where the last visit went: the next one mostly goes there as well,
// and need not look for it.
type recent struct {
	name   string
	domain *domain
	day    Day
	visits *visits
}

// domain is what the calendar knows of one domain.
type domain struct {
	dictionary
	lastSeen
	reading reading
	days    map[Day]*visits
	// recorded says that the visits are recorded here, since the given day.
	recorded bool
	since    Day
	visited  visitedTimes
	kept     keptCounts
	// observed are the days on which the records were read, sorted; see Observe.
	// Calendars share them.
	observed []Day
	// accounts are those that were reported, nil if they are not known; reported are
	// those of them that are not in the table yet.
	accounts *accountTable
	reported []uint64
	tagged   tagged
	messages *Messages // nil if none were asked for
	notes    []byte    // see Recorder; never changed
}

// NewCalendar returns an empty calendar for the given client classes.
func NewCalendar(key Key, classes *Classes) *Calendar {
	return &Calendar{
		k0:      binary.LittleEndian.Uint64(key[:8]),
		k1:      binary.LittleEndian.Uint64(key[8:]),
		classes: classes,
		domains: make(map[string]*domain),
	}
}

// Clone returns a copy that can be changed without a change of c. It takes little
// memory: the two calendars share their days until one of them changes one.
func (c *Calendar) Clone() *Calendar {
	clone := &Calendar{k0: c.k0, k1: c.k1, classes: c.classes, domains: make(map[string]*domain, len(c.domains)), observed: c.observed}
	for name, d := range c.domains {
		clone.domains[name] = &domain{
			dictionary: dictionary{slices.Clone(d.hashes), slices.Clone(d.slots), slices.Clone(d.free), d.changed},
			lastSeen:   d.share(),
			reading:    reading{progress: d.reading.progress, earlier: d.reading.earlier},
			days:       maps.Clone(d.days),
			recorded:   d.recorded,
			since:      d.since,
			kept:       d.kept,
			observed:   d.observed,
			accounts:   d.accounts,
			reported:   slices.Clone(d.reported),
			tagged:     d.tagged,
			messages:   d.messages.clone(),
			notes:      d.notes,
			visited:    d.visited,
		}
	}
	return clone
}

// Seen implements Recorder.
func (c *Calendar) Seen(domain, user []byte, client Client, at time.Time) {
	d := c.recent.domain
	if d == nil || string(domain) != c.recent.name {
		d = c.domain(domain)
		c.recent = recent{name: string(domain), domain: d}
	}
	seen := &d.lastSeen
	if d.reading.slice != nil {
		seen = d.reading.slice
	}
	seen.seen(d.numberOf(siphash.Hash(c.k0, c.k1, user)), client, momentOf(at.UnixMilli()))
}

// Exists implements Recorder.
func (c *Calendar) Exists(domain, user []byte, age Age) {
	d := c.domain(domain)
	hash := siphash.Hash(c.k0, c.k1, user)
	if n, known := d.knownNumber(hash); known {
		d.exists(n)
	}
	d.reported = append(d.reported, hash&^tagMask|uint64(tagOf(NoAccount, age)))
}

// Visit implements Recorder.
func (c *Calendar) Visit(domain, user []byte, client Client, day Day) {
	d, v := c.visitsOf(domain, day)
	v.rows++
	v.sets[client].add(d.numberOf(siphash.Hash(c.k0, c.k1, user)))
}

// visitsOf returns the visits of a day, to be added to.
func (c *Calendar) visitsOf(name []byte, day Day) (*domain, *visits) {
	if c.recent.visits == nil || c.recent.day != day || string(name) != c.recent.name {
		d := c.domain(name)
		c.recent = recent{string(name), d, day, c.writable(d, day)}
	}
	return c.recent.domain, c.recent.visits
}

// Rows implements Recorder.
func (c *Calendar) Rows(domain []byte, day Day) (n int, known bool) {
	if d, ok := c.domains[string(domain)]; ok {
		if v, ok := d.days[day]; ok {
			return v.rows, true
		}
	}
	return 0, false
}

// Newest implements Recorder.
func (c *Calendar) Newest(domain []byte) time.Time {
	d, ok := c.domains[string(domain)]
	if !ok {
		return time.Time{}
	}
	newest := neverSeen
	d.all(func(_ uint32, _ Client, at moment) { newest = max(newest, at) })
	if newest <= onlyExists {
		return time.Time{}
	}
	return time.UnixMilli(newest.milli())
}

// Forget implements Recorder.
func (c *Calendar) Forget(domain []byte, day Day) {
	c.recent = recent{}
	c.domain(domain).days[day] = c.newVisits()
}

func (c *Calendar) domain(name []byte) *domain {
	d, ok := c.domains[string(name)]
	if !ok {
		d = &domain{days: make(map[Day]*visits)}
		c.domains[string(name)] = d
	}
	return d
}

// Clients is the number of Clients there are.
func (c *Classes) Clients() (n int) {
	for _, group := range c.groups {
		n += len(group)
	}
	return n
}
