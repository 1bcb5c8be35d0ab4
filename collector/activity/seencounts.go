package activity

import (
	"math/bits"
	"slices"
	"time"
)

// seenCounts are the numbers of users seen later than some moments, as they were
// counted last. Counting again looks only at the blocks of users in which somebody was
// seen since, or in which a time lies between the moment of then and that of now.
type seenCounts struct {
	blocks []*seenBlock // that were counted
	counts []*seenCount
}

// A seenCount is the number of users seen later than one moment.
type seenCount struct {
	after moment
	// days are the days whose visits count as well, sets who came on them, by class.
	days daysKey
	sets []userSet
	// next are, by block, times after which nobody has a time that is later than after
	// and not later than this one.
	next   []moment
	active Active
	used   bool // since blocks changed
}

// countSeen returns how many users were seen later than a moment, or came on one of the
// days whose start lies between that moment and kept.
func (c *Calendar) countSeen(d *domain, after, kept time.Time) Active {
	c.refreshSeen(d)
	first, end := DayOf(after)+1, DayOf(kept.Add(-1))+1 // visits count from the start of their day
	if kept.IsZero() || end < first {
		end = first
	}
	days, from := c.key(d, first, end), momentOf(after.UnixMilli())
	if len(days.versions) == 0 {
		days = daysKey{}
	}
	count := d.kept.seen.find(days, from)
	if count == nil {
		count = c.newSeenCount(d, days, from)
		d.kept.seen.counts = append(d.kept.seen.counts, count)
	}
	count.used = true
	count.advance(d.blocks, from, c.classes)
	return Active{count.active.Users, slices.Clone(count.active.Clients)}
}

// find returns a count of an earlier moment, the nearest one that was not used since
// blocks changed, or one of the same moment; nil if there is none.
func (s *seenCounts) find(days daysKey, after moment) (nearest *seenCount) {
	for _, count := range s.counts {
		if !count.days.equal(days) || count.after > after || count.used && count.after < after {
			continue
		}
		if nearest == nil || count.after > nearest.after {
			nearest = count
		}
	}
	return nearest
}

// newSeenCount counts everybody.
func (c *Calendar) newSeenCount(d *domain, days daysKey, after moment) *seenCount {
	count := &seenCount{
		after: after, days: days,
		next:   make([]moment, len(d.blocks)),
		active: Active{Clients: make([]int, len(c.classes.groups))},
	}
	words := len(d.blocks)
	if len(days.versions) > 0 {
		count.sets = make([]userSet, len(c.classes.groups))
		for i := range days.versions {
			for client, set := range d.days[days.first+Day(i)].byClient(c) {
				group := &count.sets[c.classes.group[client]]
				group.addAll(set)
				words = max(words, len(*group))
			}
		}
	}
	for b := range words {
		block := at(d.blocks, b)
		count.addAll(block, b, c.classes)
		if b < len(count.next) {
			_, count.next[b] = block.leaving(after, after)
		}
	}
	return count
}

// addAll adds all users of a block.
func (s *seenCount) addAll(block *seenBlock, b int, classes *Classes) {
	var all uint64
	var groups [maxRules + synapseClassCount]uint64 // users, a bit for each
	for i, client := range block.clients {
		if block.newest(i) > s.after {
			groups[classes.group[client]] |= 1 << i
		}
	}
	for _, o := range block.others {
		if o.at() > s.after {
			groups[classes.group[o.client]] |= 1 << o.user
		}
	}
	for group := range s.active.Clients {
		if len(s.sets) > 0 {
			groups[group] |= s.sets[group].word(b)
		}
		s.active.Clients[group] += bits.OnesCount64(groups[group])
		all |= groups[group]
	}
	s.active.Users += bits.OnesCount64(all)
}

// refreshSeen brings the counts up to the blocks of a domain. Those that were not used
// since the last time go.
func (c *Calendar) refreshSeen(d *domain) {
	old := d.kept.seen
	if old != nil && slices.Equal(old.blocks, d.blocks) {
		return
	}
	d.owned = nil // what is counted does not change
	now := &seenCounts{blocks: slices.Clone(d.blocks)}
	d.kept.seen = now
	if old == nil {
		return
	}
	for _, count := range old.counts {
		if count.used {
			copied := *count
			copied.used, copied.next = false, slices.Clone(count.next[:min(len(count.next), len(d.blocks))])
			for len(copied.next) < len(d.blocks) {
				copied.next = append(copied.next, latest)
			}
			copied.active.Clients = slices.Clone(count.active.Clients)
			now.counts = append(now.counts, &copied)
		}
	}
	var was, is []seenTime
	for b := range max(len(old.blocks), len(d.blocks)) {
		before, block := at(old.blocks, b), at(d.blocks, b)
		if before == block {
			continue
		}
		eachBit(block.differing(before), func(i int) {
			was, is = c.classes.timesOf(before, i, was[:0]), c.classes.timesOf(block, i, is[:0])
			for _, count := range now.counts {
				count.add(was, b, i, -1)
				if next := count.add(is, b, i, 1); b < len(count.next) {
					count.next[b] = min(count.next[b], next)
				}
			}
		})
	}
}

// advance moves on to a later moment.
func (s *seenCount) advance(blocks []*seenBlock, after moment, classes *Classes) {
	from, times := s.after, []seenTime(nil)
	for b, next := range s.next {
		if next > after {
			continue
		}
		block := blocks[b]
		users, next := block.leaving(from, after)
		eachBit(users, func(i int) {
			times = classes.timesOf(block, i, times[:0])
			s.after = from
			s.add(times, b, i, -1)
			s.after = after
			s.add(times, b, i, 1)
		})
		s.next[b] = next
	}
	s.after = after
}

// A seenTime is when a user was last seen with a client of a class.
type seenTime struct {
	at    moment
	group int
}

// timesOf appends the times of a user of a block.
func (c *Classes) timesOf(block *seenBlock, i int, times []seenTime) []seenTime {
	if at := block.newest(i); at > onlyExists {
		times = append(times, seenTime{at, c.group[block.clients[i]]})
	}
	for _, o := range block.others {
		if int(o.user) == i {
			times = append(times, seenTime{o.at(), c.group[o.client]})
		}
	}
	return times
}

// add adds a user with some times, the i-th of a block, so often, to the classes in which
// the user counts. It returns the earliest time after the moment, or latest if there is
// none.
func (s *seenCount) add(times []seenTime, b, i, by int) (next moment) {
	groups := uint64(0) // a bit for each: there are no more than maxRules and Synapse's
	next = latest
	for _, t := range times {
		if t.at > s.after {
			groups |= 1 << t.group
			next = min(next, t.at)
		}
	}
	for group, set := range s.sets {
		groups |= set.word(b) >> i & 1 << group
	}
	if groups != 0 {
		s.active.Users += by
	}
	for ; groups != 0; groups &= groups - 1 {
		s.active.Clients[bits.TrailingZeros64(groups)] += by
	}
	return next
}
