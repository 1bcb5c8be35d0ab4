package activity

// userSet is a set of dense user numbers, one bit each. Dense words beat
// compressed sets while counting: the sets of 60 days of a million users are
// read at the speed of memory.
type userSet []uint64

func (s *userSet) add(n uint32) {
	w := int(n / 64)
	if w >= len(*s) {
		*s = append(*s, make([]uint64, w+1-len(*s))...)
	}
	(*s)[w] |= 1 << (n % 64)
}

// word returns the w-th 64 users; beyond the end of the set there are none.
func (s userSet) word(w int) uint64 {
	if w < len(s) {
		return s[w]
	}
	return 0
}
