package activity

import "slices"

// kept is what was counted from some days in a row. It holds for as long as none of
// these days changes: old days hardly ever do, so that a refresh need not count them
// again.
type kept[T any] struct {
	days  daysKey
	value T
}

// A daysKey names some days in a row as they were at one time.
type daysKey struct {
	first    Day
	versions []*byte // by day, nil for a day that is not known
}

func (k daysKey) equal(other daysKey) bool {
	return k.first == other.first && slices.Equal(k.versions, other.versions)
}

// keptCounts are those of one domain. Calendars share them, since what was counted from
// the same days and blocks is the same in each.
type keptCounts struct {
	earlier kept[userSet]
	months  map[Day]kept[int] // by the first day
	ages    [ages]kept[userSet]
	days    *dayCounts  // nil before the first count
	seen    *seenCounts // the same
}

// key returns the key of the days from first on, end excluded, which do not change any
// more without other versions.
func (c *Calendar) key(d *domain, first, end Day) daysKey {
	key := daysKey{first: first, versions: make([]*byte, max(0, end-first))}
	for i := range key.versions {
		if v, known := d.days[first+Day(i)]; known {
			c.freeze(v)
			key.versions[i] = v.version
		}
	}
	return key
}

// keep returns what is counted from the days from first on, end excluded: the known
// value, if these days are as they were, or a new one.
func keep[T any](c *Calendar, d *domain, known kept[T], first, end Day, count func() T) kept[T] {
	if days := c.key(d, first, end); !days.equal(known.days) {
		return kept[T]{days, count()}
	}
	return known
}

// oldest returns the oldest day that is known and matters to a figure of today, or end
// if none is older. Older days may be there: they are deleted when it is certain that
// they are old.
func (d *domain) oldest(today, end Day) Day {
	first := end
	for date := range d.days {
		first = min(first, date)
	}
	return min(end, max(first, oldestDay(today)))
}

// earlier returns all users who came before a day, as far as that matters to a figure
// of today.
func (c *Calendar) earlier(d *domain, today, end Day) userSet {
	first := d.oldest(today, end)
	d.kept.earlier = keep(c, d, d.kept.earlier, first, end, func() userSet { return exact(d.union(first, end-1)) })
	return d.kept.earlier.value
}
