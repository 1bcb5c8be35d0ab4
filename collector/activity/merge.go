package activity

// Merge adds to c all that other knows, which has the same key and classes. Notes are those
// of other: it knows what came last.
func (c *Calendar) Merge(other *Calendar) {
	c.recent = recent{}
	for name, from := range other.domains {
		d := c.domain([]byte(name))
		if from.recorded && (!d.recorded || from.since < d.since) {
			d.recorded, d.since = true, from.since
		}
		for _, date := range from.observed {
			d.observe(date, date)
		}
		numbers := make([]uint32, len(from.hashes))
		for n, hash := range from.hashes {
			if hash != unused {
				numbers[n] = d.numberOf(hash)
			}
		}
		d.messages = newer(d.messages, from.messages)
		d.notes = from.notes
		from.all(func(n uint32, client Client, at moment) {
			if at == onlyExists {
				d.exists(numbers[n])
			} else {
				d.seen(numbers[n], client, at)
			}
		})
		for date, v := range from.days {
			into := c.writable(d, date)
			for client, set := range v.dense() {
				set.each(func(n int) { into.sets[client].add(numbers[n]) })
			}
			into.rows = max(into.rows, v.rows)
		}
	}
}
