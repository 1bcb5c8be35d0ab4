package activity

import "slices"

// kept is what was counted from some days in a row. It holds for as long as none of
// these days changes: old days hardly ever do, so that a refresh need not count them
// again.
type kept[T any] struct {
	first    Day
	versions []*byte // by day, nil for a day that is not known
	value    T
}

// keptCounts are those of one domain. Calendars share them; they never change.
type keptCounts struct {
	earlier kept[userSet]
	months  map[Day]kept[int] // by the first day
	ages    [ages]kept[userSet]
}

// keep returns what is counted from the days from first on, last excluded: the known
// value, if these days are as they were, or a new one. It is stable if this calendar
// cannot change the days any more without giving them new versions; only then may it
// be used again.
func keep[T any](c *Calendar, d *domain, known kept[T], first, end Day, count func() T) (result kept[T], stable bool) {
	stable = true
	result.first = first
	for date := first; date < end; date++ {
		var version *byte
		if v, there := d.days[date]; there {
			version = v.version
			stable = stable && v.owner != c
		}
		result.versions = append(result.versions, version)
	}
	if stable && known.first == first && slices.Equal(known.versions, result.versions) {
		result.value = known.value
	} else {
		result.value = count()
	}
	return result, stable
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
	result, stable := keep(c, d, d.kept.earlier, first, end, func() userSet { return d.union(first, end-1) })
	if stable {
		d.kept.earlier = result
	}
	return result.value
}
