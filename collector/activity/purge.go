package activity

import "slices"

// Purge forgets the days before the given one, and then every user who is
// neither in a day nor has a last-seen time.
func (c *Calendar) Purge(before Day) {
	for _, d := range c.domains {
		for date := range d.days {
			if date < before {
				delete(d.days, date)
			}
		}
		c.release(d)
	}
}

// ForgetGone forgets the users of a domain who have no last-seen time, with
// all of their visits. It is for servers that keep one last-seen time for each
// account for as long as the account exists.
func (c *Calendar) ForgetGone(domain string) {
	d, ok := c.domains[domain]
	if !ok {
		return
	}
	var gone []uint32
	for n, hash := range d.hashes {
		if hash != unused && !d.isSeen(n) {
			gone = append(gone, uint32(n))
		}
	}
	for date, v := range d.days {
		for client := range v.sets {
			for _, n := range gone {
				if v.sets[client].has(n) {
					v = c.writable(d, date)
					v.sets[client].remove(n)
				}
			}
		}
	}
	c.release(d)
}

// release gives back the numbers of users of whom nothing is known.
func (c *Calendar) release(d *domain) {
	var known userSet
	for _, v := range d.days {
		for _, set := range v.sets {
			known.addAll(set)
		}
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

func (d *domain) isSeen(n int) bool { return n < len(d.newest) && d.newest[n] != neverSeen }
