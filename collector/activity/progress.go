package activity

import "time"

// Progress says how far the reading of a domain's last-seen times has come. A reader
// that cannot read all of them at once reads each user's newest one first, so that all
// totals are known, and then slices of time, the newest first, until it is also known
// with which other classes of clients users were seen. The zero value says that
// everything is known and that no reading is under way.
type Progress struct {
	// ClientsSince is the moment after which all times of all classes are known; zero
	// if all are.
	ClientsSince time.Time
	// Unread is the end of the next slice to read, included; zero if none is left.
	Unread time.Time
	// Since is the moment up to which everything was known when a full read began that
	// has not come to its end. What follows is of that read, and is not stored.
	Since time.Time
	// After is the user whose newest time was reported last, by whom a reader finds the
	// next one, "" if none was; Newest says that those of all users were.
	After  string
	Newest bool
}

// reading is what belongs to a reading that is under way.
type reading struct {
	progress Progress
	earlier  *lastSeen // what was known before it, nil if nothing of it may be kept; never changed
	slice    *lastSeen // what Seen has reported of a slice, nil outside of one
}

// Progress implements Recorder.
func (c *Calendar) Progress(domain []byte) Progress {
	if d, ok := c.domains[string(domain)]; ok {
		return d.reading.progress
	}
	return Progress{}
}

// SetProgress implements Recorder.
func (c *Calendar) SetProgress(domain []byte, p Progress) { c.domain(domain).reading.progress = p }

// ForgetSeen implements Recorder.
func (c *Calendar) ForgetSeen(domain []byte) {
	d := c.domain(domain)
	d.lastSeen, d.reading = lastSeen{}, reading{}
}

// ForgetLastSeen drops all last-seen times and accounts, not the visits: the reader is
// about to report all of them again. Unless until is the zero time, they were complete
// up to then, and KeepClients can take up some of them.
func (c *Calendar) ForgetLastSeen(until time.Time) {
	for name, d := range c.domains {
		var r reading
		if !until.IsZero() {
			r.earlier = new(d.lastSeen)
			r.progress = Progress{ClientsSince: d.reading.progress.ClientsSince, Since: until}
			if newest := c.Newest([]byte(name)); !newest.IsZero() && newest.Before(until) {
				r.progress.Since = newest
			}
		}
		d.lastSeen, d.reading = lastSeen{}, r
	}
	c.DropAccounts()
}

// KeepClients implements Recorder.
func (c *Calendar) KeepClients(domain []byte, from time.Time) bool {
	d := c.domain(domain)
	if d.reading.earlier == nil {
		return false
	}
	d.reading.earlier.all(func(n uint32, client Client, at moment) {
		if at > onlyExists && at >= momentOf(from.UnixMilli()) && at <= d.newestOf(n) {
			d.seen(n, client, at)
		}
	})
	d.reading.earlier = nil
	return true
}

// BeginSlice implements Recorder.
func (c *Calendar) BeginSlice(domain []byte) { c.domain(domain).reading.slice = new(lastSeen) }

// EndSlice implements Recorder.
func (c *Calendar) EndSlice(domain []byte, after, until time.Time) {
	d := c.domain(domain)
	slice := d.reading.slice
	d.reading.slice = nil
	d.forgetOthers(momentOf(after.UnixMilli()), momentOf(until.UnixMilli()))
	slice.all(d.seen)
}

// EndReading says that a reading has come to its end: nothing that only an unfinished
// one needs is kept.
func (c *Calendar) EndReading() {
	for _, d := range c.domains {
		p := d.reading.progress
		d.reading = reading{progress: Progress{ClientsSince: p.ClientsSince, Unread: p.Unread}}
	}
}
