package activity

import "math/bits"

// userSet is a set of dense user numbers, one bit each. Dense words beat
// compressed sets while counting: the sets of 60 days of a million users are
// read at the speed of memory.
type userSet []uint64

func (s *userSet) add(n uint32) {
	w := int(n / 64)
	s.grow(w + 1)
	(*s)[w] |= 1 << (n % 64)
}

func (s *userSet) addAll(other userSet) {
	s.grow(len(other))
	for w, word := range other {
		(*s)[w] |= word
	}
}

func (s userSet) remove(n uint32) {
	if w := int(n / 64); w < len(s) {
		s[w] &^= 1 << (n % 64)
	}
}

func (s userSet) has(n uint32) bool { return s.word(int(n/64))>>(n%64)&1 == 1 }

func (s *userSet) grow(words int) {
	if words > len(*s) {
		*s = append(*s, make([]uint64, words-len(*s))...)
	}
}

// staggered returns the same set in as little memory as it should take. Large sets
// would all begin at the same place of a page of memory. Counting reads the same
// word of 60 days, and a processor's cache holds only a few words from the same
// place. So the set of each day begins a cache line later than that of the day
// before.
func (s userSet) staggered(day int) userSet {
	const line, page, large = 8, 512, 8 * 512 // words
	if len(s) < large {
		return exact(s)
	}
	from := day % (page / line) * line
	grown := make(userSet, from+len(s))
	copy(grown[from:], s)
	return grown[from:]
}

// word returns the w-th 64 users; beyond the end of the set there are none.
func (s userSet) word(w int) uint64 {
	if w < len(s) {
		return s[w]
	}
	return 0
}

func (s userSet) count() (n int) {
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}
