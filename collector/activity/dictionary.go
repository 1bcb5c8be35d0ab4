package activity

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

// A slot is 0 for none, or number + 1 in as many low bits as the size of the
// table has, and the highest bits of the hash in the others: nearly all that a
// probe sequence passes over is told by them, without looking up its hash, which
// is a wait for memory.
type slot uint32

// place returns where the probe sequence of a hash begins, and what a slot of it
// has above the number.
func (d *dictionary) place(hash uint64) (at, mask uint32, tag slot) {
	mask = uint32(len(d.slots) - 1)
	return uint32(hash) & mask, mask, slot(hash>>32) &^ slot(mask)
}

// unused stands for no user. A hash that happens to be equal is taken for 1.
const unused = 0

// number returns the number of a hash, a new one if it is not there yet.
func (d *dictionary) number(hash uint64) uint32 {
	if hash == unused {
		hash = 1
	}
	if 4*(len(d.hashes)+1) > 3*len(d.slots) {
		d.index(2 * len(d.slots))
	}
	at, mask, tag := d.place(hash)
	for ; d.slots[at] != 0; at = (at + 1) & mask {
		if s := d.slots[at]; s&^slot(mask) == tag {
			if n := uint32(s)&mask - 1; d.hashes[n] == hash {
				return n
			}
		}
	}
	n := uint32(len(d.hashes))
	if last := len(d.free) - 1; last >= 0 {
		n, d.free = d.free[last], d.free[:last]
		d.hashes[n] = hash
		d.changed++
	} else {
		d.hashes = append(d.hashes, hash)
	}
	d.slots[at] = tag | slot(n+1)
	return n
}

// numbersOf is number for many hashes. It goes through them step by step, so that
// in each the processor can wait for the memory of all at once.
func (d *dictionary) numbersOf(hashes []uint64, numbers []uint32) {
	if len(d.slots) == 0 {
		d.index(0)
	}
	for i, hash := range hashes { // the slots come
		at, _, _ := d.place(hash)
		numbers[i] = uint32(d.slots[at])
	}
	for i, hash := range hashes { // the probable number, or one too many
		at, mask, tag := d.place(hash)
		for d.slots[at] != 0 && d.slots[at]&^slot(mask) != tag {
			at = (at + 1) & mask
		}
		numbers[i] = uint32(d.slots[at])&mask - 1
	}
	for i, hash := range hashes { // the hashes come
		if n := numbers[i]; hash == unused || n >= uint32(len(d.hashes)) || d.hashes[n] != hash {
			numbers[i] = d.number(hash)
		}
	}
}

// forget gives back the numbers of users. Index must be called after it.
func (d *dictionary) forget(numbers []uint32) {
	for _, n := range numbers {
		d.hashes[n] = unused
	}
	d.free = append(d.free, numbers...)
	d.changed++
	d.index(len(d.slots))
}

// index makes the table anew, with at least the given number of slots.
func (d *dictionary) index(size int) {
	const smallest = 64 // a power of two, as all sizes are
	size = max(size, smallest)
	for 4*(len(d.hashes)+1) > 3*size {
		size *= 2
	}
	d.slots = make([]slot, size)
	for n, hash := range d.hashes {
		if hash == unused {
			continue
		}
		at, mask, tag := d.place(hash)
		for d.slots[at] != 0 {
			at = (at + 1) & mask
		}
		d.slots[at] = tag | slot(n+1)
	}
}
