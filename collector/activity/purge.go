package activity

import "slices"

// Purge forgets the days before the given one, and then every user who is
// neither in a day nor has a last-seen time.
func (c *Calendar) Purge(before Day) {
	c.recent = recent{}
	for _, d := range c.domains {
		d.purge(before)
	}
}

// PurgeRecorded is Purge for the domains whose visits are recorded here.
func (c *Calendar) PurgeRecorded(before Day) {
	c.recent = recent{}
	for _, d := range c.domains {
		if d.recorded {
			d.purge(before)
		}
	}
}

func (d *domain) purge(before Day) {
	d.messages.purge(before)
	d.forgetObserved(before)
	days := len(d.days)
	for date := range d.days {
		if date < before {
			delete(d.days, date)
		}
	}
	if len(d.days) < days {
		d.release()
	}
}

// Users returns how many users of a domain are known.
func (c *Calendar) Users(domain string) int {
	d, ok := c.domains[domain]
	if !ok {
		return 0
	}
	return len(d.hashes) - len(d.free)
}

// Compact gives back the memory that growing sets have reserved, packs all days but
// today, and drops accounts that are not all there.
func (c *Calendar) Compact(today Day) {
	c.recent = recent{}
	for _, d := range c.domains {
		if d.accounts == nil {
			d.reported = nil
		}
		d.dictionary.compact()
		d.lastSeen.compact()
		for date, v := range d.days {
			switch {
			case v.sets == nil: // packed
			case date != today:
				d.days[date] = v.pack()
			case v.owner == c:
				for client, set := range v.sets {
					v.sets[client] = exact(set)
				}
			}
		}
	}
}

// exact returns the same elements with no more than a few per cent of spare capacity.
func exact[S ~[]E, E any](s S) S {
	if cap(s)-len(s) <= len(s)/32 {
		return s
	}
	return append(make(S, 0, len(s)), s...)
}

// Gone returns the numbers of the users of a domain about whom the server says
// nothing, neither a last-seen time nor that they exist, and who have no visit on
// the given day or later. It is for servers that know each account for as long as
// it exists.
func (c *Calendar) Gone(domain string, since Day) (gone []uint32) {
	d, ok := c.domains[domain]
	if !ok {
		return nil
	}
	var came userSet
	for date, v := range d.days {
		if date >= since {
			v.addTo(&came)
		}
	}
	for n, hash := range d.hashes {
		if hash == unused {
			continue
		}
		if !d.isSeen(n) && !came.has(uint32(n)) {
			gone = append(gone, uint32(n))
		}
	}
	return gone
}

// ForgetUsers forgets users of a domain by their numbers, with all of their
// visits.
func (c *Calendar) ForgetUsers(domain string, gone []uint32) {
	c.recent = recent{}
	d, ok := c.domains[domain]
	if !ok || len(gone) == 0 {
		return
	}
	var leaving userSet
	for _, n := range gone {
		leaving.add(n)
	}
	for date, v := range d.days {
		var came userSet
		v.addTo(&came)
		if !came.meets(leaving) {
			continue
		}
		for _, set := range c.writable(d, date).sets {
			set.removeAll(leaving)
		}
	}
	d.release()
}

// release gives back the numbers of users about whom nothing is known.
func (d *domain) release() {
	var known userSet
	for _, v := range d.days {
		v.addTo(&known)
	}
	var gone []uint32
	for n, hash := range d.hashes {
		if hash != unused && !known.has(uint32(n)) && !d.isSeen(n) {
			gone = append(gone, uint32(n))
		}
	}
	if len(gone) > 0 {
		d.forget(slices.Clip(gone))
	}
}

func (d *domain) isSeen(n int) bool { return d.newestOf(uint32(n)) != neverSeen }
