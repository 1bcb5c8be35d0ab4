package activity

import (
	"cmp"
	"slices"
)

// Stored last-seen times are Unix milliseconds with the class of client in the lowest
// byte. Such numbers stand for those who were never seen, or only exist.
const (
	storedNever  = -1 << 62
	storedExists = storedNever + 1<<clientBits
)

// stored returns the times in the form of State.
func (l *lastSeen) stored() (newest, others []int64) {
	newest = make([]int64, 0, len(l.blocks)*blockUsers)
	for b, block := range l.blocks {
		for i := range blockUsers {
			newest = append(newest, block.newest(i).stored(block.clients[i]))
		}
		inOrder := slices.SortedFunc(slices.Values(block.others), func(a, b otherSeen) int {
			return cmp.Or(cmp.Compare(a.user, b.user), cmp.Compare(a.client, b.client))
		})
		for _, o := range inOrder {
			others = append(others, int64(otherKey(uint32(b*blockUsers)+uint32(o.user), o.client)), o.at().stored(o.client))
		}
	}
	return newest, others
}

func (m moment) stored(client Client) int64 {
	if m == neverSeen {
		return storedNever
	}
	if m == onlyExists {
		return storedExists
	}
	return m.milli()<<clientBits | int64(client)
}

// restore takes times from the form of State, those of known numbers.
func (l *lastSeen) restore(s State, known func(n uint64) bool) {
	if s.Seen == nil {
		return
	}
	newest, others := s.Seen()
	l.blocks = make([]*seenBlock, 0, (len(newest)+blockUsers-1)/blockUsers)
	for n, stored := range newest {
		switch client := Client(stored & lastClient); {
		case !known(uint64(n)) || stored <= storedNever:
		case stored <= storedExists:
			l.exists(uint32(n))
		default:
			l.seen(uint32(n), client, momentOf(stored>>clientBits))
		}
	}
	for pair := range slices.Chunk(others, 2) {
		if key := uint64(pair[0]); len(pair) == 2 && known(key>>clientBits) {
			l.seen(uint32(key>>clientBits), Client(key&lastClient), momentOf(pair[1]>>clientBits))
		}
	}
}
