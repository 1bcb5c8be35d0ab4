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
	if len(p) > 0 {
		set.grow(packedHeader(p[0]).words())
		p.reader().addTo(*set, 0)
	}
}

// A packedReader reads a set from its beginning to its end, a block of users at a time.
type packedReader struct {
	set  packedSet
	at   uint   // the next bit
	next uint64 // the least number that the next user can have
	left int    // users who are not read yet
}

// reader returns one that begins with the first user.
func (p packedSet) reader() *packedReader {
	if len(p) == 0 {
		return &packedReader{}
	}
	return &packedReader{set: p, at: 64, left: packedHeader(p[0]).users()}
}

// addTo adds the next users to a set whose first bit is the given number, which can be
// divided by 64: those for whom the set has room.
func (r *packedReader) addTo(words userSet, first uint64) {
	if r.left == 0 {
		return
	}
	shift := packedHeader(r.set[0]).shift()
	mask, end := uint64(1)<<shift-1, first+64*uint64(len(words))
	next, at, left := r.next, r.at, r.left
	for n := uint64(0); left > 0 && n < end; {
		// As many users as these 64 bits hold: to shift them takes less time than to
		// fetch others.
		window, fetched := r.set.bits(at), at
		for left > 0 {
			one := uint(bits.TrailingZeros64(window))
			length := one + 1 + shift
			if at+length > fetched+64 {
				break
			}
			if n = next + uint64(one)<<shift + window>>((one+1)%64)&mask; n >= end {
				break
			}
			words[(n-first)/64] |= 1 << (n % 64)
			next, at, window = n+1, at+length, window>>(length%64)
			left--
		}
		if at == fetched && n < end {
			var after uint
			if n, after = r.far(next, at, shift); n < end {
				words[(n-first)/64] |= 1 << (n % 64)
				next, at = n+1, after
				left--
			}
		}
	}
	r.next, r.at, r.left = next, at, left
}

// far returns a user whose distance is longer than 64 bits, and the bit after it.
func (r *packedReader) far(next uint64, at, shift uint) (n uint64, after uint) {
	zeros, rest := uint64(0), r.set.bits(at)
	for ; rest == 0; rest = r.set.bits(at) {
		zeros, at = zeros+64, at+64
	}
	one := uint(bits.TrailingZeros64(rest))
	at += one + 1
	return next + (zeros+uint64(one))<<shift + r.set.bits(at)&(1<<shift-1), at + shift
}

// bits returns the 64 bits from one on. There are that many: a set ends with a
// word that is not used.
func (p packedSet) bits(at uint) uint64 {
	w, skip := at/64, at%64
	return p[w]>>skip | p[w+1]<<1<<(63-skip)
}
