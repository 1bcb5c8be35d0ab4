package activity

import "math/bits"

// A packedSet is a set of user numbers that is kept for long and read from its
// beginning to its end. It holds the distances from one user to the next in Golomb's
// and Rice's code, which takes little more than such distances can take at best: 6 bits
// each if a twentieth of the users came, where a Roaring bitmap takes 16. It never takes
// more than one bit for each number.
//
// The first word is a packedHeader. A distance is its quotient by 1<<shift, as that many
// zeros and a one, and then its lowest bits, as many as shift. Bits begin with the lowest
// of each word. An empty set is nil.
type packedSet []uint64

// A packedHeader is the number of users, the number of words of the set as a userSet, and
// the shift.
type packedHeader uint64

const (
	shiftBits = 6
	wordBits  = 26
)

func (h packedHeader) users() int  { return int(h >> (shiftBits + wordBits)) }
func (h packedHeader) words() int  { return int(h >> shiftBits & (1<<wordBits - 1)) }
func (h packedHeader) shift() uint { return uint(h & (1<<shiftBits - 1)) }

// pack returns the packed form of a set.
func pack(set userSet) packedSet {
	for len(set) > 0 && set[len(set)-1] == 0 {
		set = set[:len(set)-1]
	}
	users := set.count()
	if users == 0 {
		return nil
	}
	// Distances are best divided by the power of two next to 0.69 times their mean.
	shift := uint(max(0, bits.Len(uint(64*len(set)*69/(users*100)))-1))
	w := bitWriter{words: make(packedSet, 1, 3+users*int(shift+2)/64)}
	w.words[0] = uint64(users)<<(shiftBits+wordBits) | uint64(len(set))<<shiftBits | uint64(shift)
	next := 0
	for at, word := range set {
		for ; word != 0; word &= word - 1 {
			n := 64*at + bits.TrailingZeros64(word)
			distance := uint64(n - next)
			zeros, rest := distance>>shift, distance&(1<<shift-1)
			for ; zeros >= 32; zeros -= 32 {
				w.write(0, 32)
			}
			w.write((rest<<1+1)<<zeros, uint(zeros)+1+shift) // fewer than 32 + 1 + 31 bits
			next = n + 1
		}
	}
	return exact(append(w.words, w.word, 0))
}

// A bitWriter appends bits to words.
type bitWriter struct {
	words []uint64
	word  uint64 // that is not full
	used  uint   // of its bits
}

func (w *bitWriter) write(value uint64, length uint) {
	w.word |= value << w.used
	w.used += length
	if w.used >= 64 {
		w.words = append(w.words, w.word)
		w.used -= 64
		w.word = value >> (length - w.used)
	}
}

// addTo adds the users to a set.
func (p packedSet) addTo(set *userSet) {
	if len(p) == 0 {
		return
	}
	header := packedHeader(p[0])
	set.grow(header.words())
	words, shift := *set, header.shift()
	mask := uint64(1)<<shift - 1
	n, at := uint64(0), uint(64)
	for range header.users() {
		zeros, rest := uint64(0), p.bits(at)
		for ; rest == 0; rest = p.bits(at) {
			zeros, at = zeros+64, at+64
		}
		one := uint(bits.TrailingZeros64(rest))
		n += (zeros + uint64(one)) << shift
		at += one + 1
		if one+1+shift <= 64 {
			n += rest >> (one + 1) & mask
		} else {
			n += p.bits(at) & mask
		}
		at += shift
		words[n/64] |= 1 << (n % 64)
		n++
	}
}

// bits returns the 64 bits from one on. There are that many: a set ends with a
// word that is not used.
func (p packedSet) bits(at uint) uint64 {
	w, skip := at/64, at%64
	return p[w]>>skip | p[w+1]<<1<<(63-skip)
}
