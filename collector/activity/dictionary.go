package activity

import (
	"math"
	"math/bits"
)

// This file and batch.go are more than a map because of BenchmarkPostgreSQL in
// collector/synapse: most of the exporter's share of reading a large server is
// looking up users, one for each row, whose hashes are strewn over memory.

// A dictionary numbers users: each keyed hash of a name has a dense number. It
// is a table of open addressing over the hashes themselves, which takes half
// the memory and a third of the time of a map, and keeps them in the order in
// which history writes them.
type dictionary struct {
	hashes []uint64 // by number; unused for a number that was given back
	slots  []slot   // where the hash's probe sequence finds it
	free   []uint32 // numbers given back
	// changed counts how often numbers were given back or taken again: as long
	// as it stays, hashes only grows.
	changed int
}

// A slot is 0 for none. Else its low bits, as many as the size of the table has,
// hold number + 1, and the others the highest bits of the hash, its tag. The tag
// shows nearly always whether a slot is that of another hash, without a look at
// that hash, which is a wait for memory.
type slot uint32

// number returns the number in a slot that is not 0.
func (s slot) number(mask uint32) uint32 { return uint32(s)&mask - 1 }

// place returns where the probe sequence of a hash begins, the mask of the low bits
// of a slot, and the tag of the hash.
func (d *dictionary) place(hash uint64) (at, mask uint32, tag slot) {
	mask = 1<<bits.Len(uint(len(d.slots))) - 1
	return uint32(uint64(uint32(hash)) * uint64(len(d.slots)) >> 32), mask, slot(hash>>32) &^ slot(mask)
}

// after returns the next place of a probe sequence.
func (d *dictionary) after(at uint32) uint32 {
	if at++; int(at) < len(d.slots) {
		return at
	}
	return 0
}

// unused stands for no user. A hash that happens to be equal is taken for 1.
const unused = 0

// find returns the number of a hash, if it is there, and else the slot in which it
// is missing. There must be slots.
func (d *dictionary) find(hash uint64) (n, at uint32, known bool) {
	at, mask, tag := d.place(hash)
	for ; d.slots[at] != 0; at = d.after(at) {
		if s := d.slots[at]; s&^slot(mask) == tag {
			if n := s.number(mask); d.hashes[n] == hash {
				return n, at, true
			}
		}
	}
	return 0, at, false
}

// knownNumber returns the number of a hash, if it is there.
func (d *dictionary) knownNumber(hash uint64) (n uint32, known bool) {
	if len(d.slots) == 0 {
		return 0, false
	}
	n, _, known = d.find(max(hash, unused+1))
	return n, known
}

// numberOf returns the number of a hash, a new one if it is not there yet.
func (d *dictionary) numberOf(hash uint64) uint32 {
	hash = max(hash, unused+1)
	if full(len(d.hashes), len(d.slots)) {
		d.rehash(2 * len(d.slots))
	}
	n, at, known := d.find(hash)
	if known {
		return n
	}
	n = uint32(len(d.hashes))
	if last := len(d.free) - 1; last >= 0 {
		n, d.free = d.free[last], d.free[:last]
		d.hashes[n] = hash
		d.changed++
	} else {
		d.hashes = append(d.hashes, hash)
	}
	_, _, tag := d.place(hash)
	d.slots[at] = tag | slot(n+1)
	return n
}

// numbersOf is numberOf for many hashes. Memory is far away for a processor, but it
// can wait for many words at once. So this goes over all hashes three times, and
// each time reads memory that the next time needs.
func (d *dictionary) numbersOf(hashes []uint64, numbers []uint32) {
	if len(d.slots) == 0 {
		d.rehash(0)
	}
	for i, hash := range hashes { // read the slots; their values are of no use yet
		at, _, _ := d.place(hash)
		numbers[i] = uint32(d.slots[at])
	}
	for i, hash := range hashes { // read where the slots lead to
		numbers[i] = d.candidate(hash)
	}
	for i, hash := range hashes { // read the hashes there
		if n := numbers[i]; n == noNumber || hash == unused || d.hashes[n] != hash {
			numbers[i] = d.numberOf(hash)
		}
	}
}

// noNumber is larger than any number.
const noNumber = math.MaxUint32

// candidate returns the number in the first slot that has the tag of a hash. That is
// nearly always the number of the hash, but another hash may have the same tag. It
// returns noNumber if the hash has no number.
func (d *dictionary) candidate(hash uint64) uint32 {
	at, mask, tag := d.place(hash)
	for ; d.slots[at] != 0; at = d.after(at) {
		if s := d.slots[at]; s&^slot(mask) == tag {
			return s.number(mask)
		}
	}
	return noNumber
}

// full says whether another user would leave fewer than an eighth of the slots empty:
// then it takes long to find that a hash is missing.
func full(users, slots int) bool { return 8*(users+1) > 7*slots }

// compact gives back memory that is reserved. Few enough slots are empty then.
func (d *dictionary) compact() {
	d.hashes = exact(d.hashes)
	if slots := fewSlots(len(d.hashes)); len(d.slots) > slots+slots/8 {
		d.rehash(slots)
	}
}

// fewSlots is a number of slots that leaves few of them empty.
func fewSlots(users int) int { return users * 6 / 5 }

// forget gives back the numbers of users.
func (d *dictionary) forget(numbers []uint32) {
	for _, n := range numbers {
		d.hashes[n] = unused
	}
	d.free = append(d.free, numbers...)
	d.changed++
	d.rehash(len(d.slots))
}

// rehash builds the table of slots from the hashes, with at least the given number
// of slots.
func (d *dictionary) rehash(size int) {
	const smallest = 64
	size = max(size, smallest)
	for full(len(d.hashes), size) {
		size *= 2
	}
	d.slots = make([]slot, size)
	for n, hash := range d.hashes {
		if hash == unused {
			continue
		}
		at, _, tag := d.place(hash)
		for d.slots[at] != 0 {
			at = d.after(at)
		}
		d.slots[at] = tag | slot(n+1)
	}
}
