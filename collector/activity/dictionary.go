package activity

// A dictionary numbers users: each keyed hash of a name has a dense number. It
// is a table of open addressing over the hashes themselves, which takes half
// the memory and a third of the time of a map, and keeps them in the order in
// which history writes them.
type dictionary struct {
	hashes []uint64 // by number; unused for a number that was given back
	slots  []uint32 // number + 1 where the hash's probe sequence finds it, 0 for none
	free   []uint32 // numbers given back
	// changed counts how often numbers were given back or taken again: as long
	// as it stays, hashes only grows.
	changed int
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
	mask := uint32(len(d.slots) - 1)
	slot := uint32(hash) & mask
	for ; d.slots[slot] != 0; slot = (slot + 1) & mask {
		if n := d.slots[slot] - 1; d.hashes[n] == hash {
			return n
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
	d.slots[slot] = n + 1
	return n
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
	d.slots = make([]uint32, size)
	mask := uint32(size - 1)
	for n, hash := range d.hashes {
		if hash == unused {
			continue
		}
		slot := uint32(hash) & mask
		for d.slots[slot] != 0 {
			slot = (slot + 1) & mask
		}
		d.slots[slot] = uint32(n) + 1
	}
}
