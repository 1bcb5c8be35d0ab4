package activity

import (
	"encoding/binary"
	"math/bits"
)

// A packedSet is a set of user numbers that is kept for long and read from its
// beginning to its end. In most sets, users are on average fewer than 128 numbers
// apart: the distance from one to the next takes a byte. That is half of what a
// Roaring bitmap takes.
//
// It begins with a varint: twice the number of words that the set takes as a userSet,
// and one more if these words follow. Else distances follow, as varints. It never
// changes. An empty set is nil.
type packedSet []byte

// pack returns the packed form of a set.
func pack(set userSet) packedSet {
	for len(set) > 0 && set[len(set)-1] == 0 {
		set = set[:len(set)-1]
	}
	users := set.count()
	if users == 0 {
		return nil
	}
	const word = 8
	header := uint64(2 * len(set))
	if users >= word*len(set) { // words take less
		p := binary.AppendUvarint(make(packedSet, 0, binary.MaxVarintLen32+word*len(set)), header+1)
		for _, w := range set {
			p = binary.LittleEndian.AppendUint64(p, w)
		}
		return p
	}
	p := binary.AppendUvarint(make(packedSet, 0, binary.MaxVarintLen32+users+users/16), header)
	next := 0
	for w, word := range set {
		for ; word != 0; word &= word - 1 {
			n := 64*w + bits.TrailingZeros64(word)
			p = binary.AppendUvarint(p, uint64(n-next))
			next = n + 1
		}
	}
	return exact(p)
}

// addTo adds the users to a set.
func (p packedSet) addTo(set *userSet) {
	if len(p) == 0 {
		return
	}
	header, size := binary.Uvarint(p)
	p = p[size:]
	set.grow(int(header / 2))
	words := *set
	if header%2 == 1 {
		for w := range header / 2 {
			words[w] |= binary.LittleEndian.Uint64(p[8*w:])
		}
		return
	}
	n := uint64(0)
	for i := 0; i < len(p); n++ {
		distance := uint64(p[i])
		if distance < 0x80 {
			i++
		} else {
			distance, size = binary.Uvarint(p[i:])
			i += size
		}
		n += distance
		words[n/64] |= 1 << (n % 64)
	}
}
