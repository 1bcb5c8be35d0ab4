package activity

import (
	"math/bits"
	"slices"
	"time"
)

// dayCounts are figures that are counted from whole days, and what they were counted
// from. Days that are over hardly ever change: what matters of them is kept in a few
// sets. Counting again looks only at the users who came today and had not yet come
// today when it counted last. Calendars share dayCounts; they never change.
type dayCounts struct {
	date    Day     // today
	days    daysKey // all days that matter, but today
	past    *pastDays
	today   *visits // nil for nobody
	figures dayFigures
}

// dayFigures are what is counted.
type dayFigures struct {
	returned   []int       // r30v2 by group, and for everyone
	lifecycles []Lifecycle // of dayIntervals
	habit      [HabitDays + 1]int
	month      int // users of the running month
}

// dayIntervals are the intervals of lifecycles that are counted: first that of growth.
func dayIntervals() []int { return append([]int{GrowthDays}, LifecycleIntervals()...) }

// countDays returns the figures of a domain at a moment.
func (c *Calendar) countDays(d *domain, now time.Time) dayFigures {
	today := DayOf(now)
	end := today + 2 // a wrong clock may have recorded visits for tomorrow
	if now.Unix() == today.Start().Unix() {
		end--
	}
	days := c.key(d, d.oldest(today, today-RetentionDays+1), end)
	days.versions[today-days.first] = nil
	v := d.days[today]
	known := d.kept.days
	switch {
	case known == nil || known.date != today || !known.days.equal(days):
		past := c.newPastDays(d, today, end)
		known = &dayCounts{date: today, days: days, past: past, figures: past.figures}
	case v == known.today || v != nil && known.today != nil && v.version == known.today.version:
		return known.figures
	}
	counts := *known
	counts.count(c, v)
	d.kept.days = &counts
	return counts.figures
}

// count takes the visits of today into account, nil for none.
func (d *dayCounts) count(c *Calendar, today *visits) {
	before, now := d.today.byClient(c), today.byClient(c)
	d.today = today
	d.figures.returned = slices.Clone(d.figures.returned)
	d.figures.lifecycles = slices.Clone(d.figures.lifecycles)
	groups := c.classes.dayGroups()
	changedWords(before, now).each(func(w int) {
		var wasAny, isAny uint64
		for g, clients := range groups {
			was, is := wordOf(before, clients, w), wordOf(now, clients, w)
			d.figures.returned[g] += d.past.returnTwice(g, w, is&^was) - d.past.returnTwice(g, w, was&^is)
			wasAny |= was
			isAny |= is
		}
		all := len(groups)
		d.figures.returned[all] += d.past.returnTwice(all, w, isAny&^wasAny) - d.past.returnTwice(all, w, wasAny&^isAny)
		d.past.addTo(&d.figures, w, isAny&^wasAny, 1)
		d.past.addTo(&d.figures, w, wasAny&^isAny, -1)
	})
}

// returned returns the users who count for r30v2 over all clients.
func (d *dayCounts) returned(c *Calendar) userSet {
	users := slices.Clone(d.past.back)
	var today userSet
	for _, set := range d.today.byClient(c) {
		today.addAll(set)
	}
	users.addBoth(today, d.past.returning[len(d.past.returning)-1])
	return users
}

// byClient returns the sets of visits, or empty ones if there are none.
func (v *visits) byClient(c *Calendar) []userSet {
	if v == nil {
		return make([]userSet, c.classes.Clients())
	}
	return v.dense()
}

// wordOf returns the w-th 64 users of clients together.
func wordOf(sets []userSet, clients []Client, w int) (word uint64) {
	for _, client := range clients {
		word |= sets[client].word(w)
	}
	return word
}

// changedWords returns the words in which sets by client differ.
func changedWords(before, now []userSet) (changed userSet) {
	for client, set := range now {
		other := before[client]
		both := min(len(set), len(other))
		for w, word := range set[:both] {
			if word != other[w] {
				changed.add(uint32(w))
			}
		}
		for w := both; w < max(len(set), len(other)); w++ {
			if set.word(w) != other.word(w) {
				changed.add(uint32(w))
			}
		}
	}
	return changed
}

// dayGroups returns the groups of clients that r30v2 is counted for: the classes and,
// if they are not the same, Synapse's. Each Client is in one of the classes.
func (c *Classes) dayGroups() [][]Client {
	if len(c.rules) == 0 {
		return c.groups
	}
	return slices.Concat(c.groups, c.bySynapse)
}

// pastDays are what matters of all days but today to figures that are counted from
// days. A day's age is 1 for yesterday. They never change.
type pastDays struct {
	// returning are, by group and for everyone, the users who come back in the sense
	// of r30v2 if they come today, and have not come back before.
	returning []userSet
	// back are the users who have come back before, over all clients.
	back userSet
	// byAge are the users who came at an age between one of the ageEdges and the next.
	byAge []userSet
	// times are the binary digits of the number of days on which a user came, of the
	// days that Habit looks at.
	times [5]userSet
	// month are the users who came in the running month.
	month userSet
	// intervals are where the ages of dayIntervals begin and end in byAge.
	intervals []ageInterval
	figures   dayFigures // if nobody comes today
}

// An ageInterval says which of the byAge sets lie in an interval of days that ends
// today, and in the one before it.
type ageInterval struct{ now, before int }

// ageEdges are the ages at which the intervals of lifecycles begin and end.
func ageEdges() (edges []Day) {
	edges = []Day{1}
	for _, days := range dayIntervals() {
		edges = append(edges, Day(days), Day(2*days))
	}
	slices.Sort(edges)
	return slices.Compact(edges)
}

// newPastDays reads the days of a domain, end excluded, today left out.
func (c *Calendar) newPastDays(d *domain, today, end Day) *pastDays {
	groups := c.classes.dayGroups()
	p := &pastDays{byAge: make([]userSet, len(ageEdges())), returning: make([]userSet, len(groups)+1)}
	for i := range p.times {
		p.times[i].grow((len(d.hashes) + 63) / 64)
	}
	edges, back, older, younger := ageEdges(), make([]userSet, len(groups)+1), newDayReader(groups), newDayReader(groups)
	read := func(r *dayReader, age Day) {
		r.read(d.days[today-age])
		p.add(age, today, edges, r.sets[len(groups)])
	}
	// Those who came on a day of an age and those who came retentionGap days later.
	for age := Day(RetentionDays - 1); age >= retentionGap; age-- {
		read(older, age)
		for g, set := range older.sets {
			p.returning[g].addAll(set)
		}
		if age > retentionGap {
			read(younger, age-retentionGap)
			for g, set := range younger.sets {
				back[g].addBoth(set, p.returning[g])
			}
		}
	}
	read(older, retentionGap-2)
	read(older, retentionGap-1)
	if tomorrow := today + 1; tomorrow < end {
		younger.read(d.days[tomorrow])
		for g, set := range younger.sets {
			back[g].addBoth(set, p.returning[g])
			back[g].addBoth(set, older.sets[g])
		}
	}
	for g, set := range back {
		p.figures.returned = append(p.figures.returned, set.count())
		p.returning[g].removeAll(set)
		p.returning[g] = exact(p.returning[g])
	}
	p.back = exact(back[len(groups)])
	p.byAge[len(edges)-1] = c.earlier(d, today, today-GrowthHistory+1)
	p.countIntervals(edges)
	p.figures.habit = countTimes(p.times)
	p.figures.month = p.month.count()
	return p
}

// add adds the users who came at an age.
func (p *pastDays) add(age, today Day, edges []Day, everyone userSet) {
	at, exactly := slices.BinarySearch(edges, age)
	if !exactly {
		at--
	}
	p.byAge[at].addAll(everyone)
	if age < HabitDays {
		for w, carry := range everyone {
			for i := 0; carry != 0; i++ {
				p.times[i][w], carry = p.times[i][w]^carry, p.times[i][w]&carry
			}
		}
	}
	if first, _ := MonthOf(today.Start()); today-age >= first {
		p.month.addAll(everyone)
	}
}

// countIntervals counts the lifecycles if nobody comes today.
func (p *pastDays) countIntervals(edges []Day) {
	words := 0
	for i := range p.byAge {
		p.byAge[i] = exact(p.byAge[i])
		words = max(words, len(p.byAge[i]))
	}
	for _, days := range dayIntervals() {
		now, before := slices.Index(edges, Day(days)), slices.Index(edges, Day(2*days))
		p.intervals = append(p.intervals, ageInterval{now, before})
		l := Lifecycle{Days: days}
		for w := range words {
			l.add(p.came(w, 0, now), p.came(w, now, before), p.came(w, before, len(edges)))
		}
		p.figures.lifecycles = append(p.figures.lifecycles, l)
	}
}

// came returns the w-th 64 users of some of the byAge sets together.
func (p *pastDays) came(w, from, to int) (word uint64) {
	for _, set := range p.byAge[from:to] {
		word |= set.word(w)
	}
	return word
}

// returnTwice counts, of the w-th 64 users of a group, those who come back today.
func (p *pastDays) returnTwice(group, w int, users uint64) int {
	return bits.OnesCount64(users & p.returning[group].word(w))
}

// addTo adds to figures, so often, that some of the w-th 64 users came today.
func (p *pastDays) addTo(f *dayFigures, w int, users uint64, by int) {
	if users == 0 {
		return
	}
	for i, at := range p.intervals {
		now, before, earlier := p.came(w, 0, at.now), p.came(w, at.now, at.before), p.came(w, at.before, len(p.byAge))
		f.lifecycles[i].addComing(users&^now, before, earlier, by)
	}
	f.month += by * bits.OnesCount64(users&^p.month.word(w))
	for ; users != 0; users &= users - 1 {
		n, times := uint32(64*w+bits.TrailingZeros64(users)), 0
		for i, digit := range p.times {
			if digit.has(n) {
				times += 1 << i
			}
		}
		if times > 0 {
			f.habit[times] -= by
		}
		f.habit[times+1] += by
	}
}

// A dayReader unpacks days, one after the other, in the same memory.
type dayReader struct {
	groups [][]Client
	sets   []userSet // by group, and of everyone
}

func newDayReader(groups [][]Client) *dayReader {
	return &dayReader{groups, make([]userSet, len(groups)+1)}
}

// read unpacks a day, nil for one without visits.
func (r *dayReader) read(v *visits) {
	for g := range r.sets {
		r.sets[g] = r.sets[g][:0]
	}
	if v == nil {
		return
	}
	everyone := &r.sets[len(r.groups)]
	for g, clients := range r.groups {
		for _, client := range clients {
			v.addClientTo(client, &r.sets[g])
		}
		everyone.addAll(r.sets[g])
	}
}
