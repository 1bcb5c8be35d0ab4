package activity

import (
	"iter"
	"math/bits"
	"slices"
)

// blockWords is how many words of each day are unpacked at a time, 64 users each: 400
// days of them remain near the processor.
const blockWords = 128

// A pastBlock is the Past of some users whose numbers follow each other: what is counted
// of all blocks adds up.
type pastBlock struct {
	*Past
	sets []userSet // users of all clients by day, as long as each other
}

// blocks unpacks the days of one block after the other, at least of one, in the same
// memory.
func (p *Past) blocks() iter.Seq[*pastBlock] {
	return func(yield func(*pastBlock) bool) {
		size := min(blockWords, p.words)
		memory := make(userSet, size*len(p.days))
		b := &pastBlock{Past: p, sets: make([]userSet, len(p.days))}
		for i := range b.sets {
			b.sets[i] = memory[i*size : (i+1)*size]
		}
		readers := p.readers()
		for first := 0; first == 0 || first < p.words; first += size {
			clear(memory)
			for i, set := range b.sets {
				for _, r := range readers[i] {
					r.addTo(set, uint64(64*first))
				}
				if v := p.days[i]; v != nil {
					for _, all := range v.sets {
						addWords(set, all[min(first, len(all)):min(first+size, len(all))])
					}
				}
			}
			if !yield(b) || size == 0 {
				return
			}
		}
	}
}

// readers returns those of all days, by client.
func (p *Past) readers() [][]*packedReader {
	all := make([][]*packedReader, len(p.days))
	for i, v := range p.days {
		if v == nil {
			continue
		}
		for _, set := range v.packed {
			if len(set) > 0 {
				all[i] = append(all[i], set.reader())
			}
		}
	}
	return all
}

// addWords adds users to a set that is at least as long.
func addWords(set, users userSet) {
	set = set[:len(users)]
	for w, word := range users {
		set[w] |= word
	}
}

// on returns who came on a day, nobody if nothing is known of it.
func (b *pastBlock) on(date Day) userSet {
	if i := int(date - b.first); i >= 0 && i < len(b.sets) {
		return b.sets[i]
	}
	return nil
}

// between returns who came on one of the days from first to last.
func (b *pastBlock) between(first, last Day) (all userSet) {
	all = make(userSet, min(blockWords, b.words))
	for date := max(first, b.first); date <= min(last, b.today); date++ {
		addWords(all, b.on(date))
	}
	return all
}

// countVisitors adds the users of the block to counts by length and day: see VisitorsEach.
func (b *pastBlock) countVisitors(last Day, counts [][]int, lengths []int) {
	if len(counts) == 0 || len(counts[0]) == 0 {
		return
	}
	all := len(counts[0]) + slices.Max(lengths) - 1
	sets := make([]userSet, all)
	for i := range sets {
		sets[i] = b.on(last - Day(all-1-i))
	}
	column, window := make([]uint64, all), newSlidingUnion(all)
	for w := range min(blockWords, b.words) {
		anybody := uint64(0)
		for i, set := range sets {
			column[i] = set.word(w)
			anybody |= column[i]
		}
		if anybody == 0 {
			continue
		}
		for i, length := range lengths {
			window.count(column, length, counts[i])
		}
	}
}

// weeklyGrowth returns the accounting of the last weeks that are over, at most the given
// number: see PastCounts.Weeks.
func (b *pastBlock) weeklyGrowth(weeks int) (all []WeekGrowth) {
	end := mondayOf(b.today) // of the week that is not over
	first := max(end-Day(weeks)*WeekDays, mondayOf(b.known+GrowthDays+WeekDays-1))
	if first >= end {
		return nil
	}
	before := b.between(b.first, first-1) // who came before the week
	last := b.between(first-WeekDays, first-1)
	for week := first; week < end; week += WeekDays {
		g, current := WeekGrowth{Week: week}, b.between(week, week+WeekDays-1)
		for w, now := range current {
			then := last[w]
			g.Active += bits.OnesCount64(now)
			g.New += bits.OnesCount64(now &^ before[w])
			g.Back += bits.OnesCount64(now & before[w] &^ then)
			g.Gone += bits.OnesCount64(then &^ now)
		}
		addWords(before, current)
		all, last = append(all, g), current
	}
	return all
}

// cohorts is Calendar.Cohorts.
func (b *pastBlock) cohorts() []Cohort {
	monday := mondayOf(b.today)
	first := monday - (CohortWeeks-1)*WeekDays
	var weeks []userSet
	for week := first; week <= monday; week += WeekDays {
		weeks = append(weeks, b.between(week, week+WeekDays-1))
	}
	return followed(weeks, b.between(b.first, first-1), first, b.known)
}
