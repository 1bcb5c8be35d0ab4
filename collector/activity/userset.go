package activity

import "math/bits"

// userSet is a set of dense user numbers, one bit each: what is counted with. See
// packedSet for sets that are kept.
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

func (s userSet) has(n uint32) bool { return s.word(int(n/64))>>(n%64)&1 == 1 }

func (s *userSet) grow(words int) {
	if words > len(*s) {
		*s = append(*s, make([]uint64, words-len(*s))...)
	}
}

// addBoth adds the users who are in two sets.
func (s *userSet) addBoth(a, b userSet) {
	both := min(len(a), len(b))
	s.grow(both)
	for w, word := range a[:both] {
		(*s)[w] |= word & b[w]
	}
}

// keepAll removes the users who are not in another set.
func (s userSet) keepAll(other userSet) {
	for w := range s {
		s[w] &= other.word(w)
	}
}

// meets says whether some user is in both sets.
func (s userSet) meets(other userSet) bool {
	for w := range min(len(s), len(other)) {
		if s[w]&other[w] != 0 {
			return true
		}
	}
	return false
}

func (s userSet) removeAll(other userSet) {
	for w := range s {
		s[w] &^= other.word(w)
	}
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
