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

// OtherSeen is a stored moment; NumberOfMoment names the user.
type OtherSeen struct {
	Key    uint64
	Moment int64
}

// stored returns the times in the form of State, the others in the order of their keys.
func (l *lastSeen) stored() (newest []int64, others []OtherSeen) {
	newest = make([]int64, 0, len(l.blocks)*blockUsers)
	for b, block := range l.blocks {
		first := len(others)
		for i := range blockUsers {
			newest = append(newest, block.newest(i).stored(block.clients[i]))
		}
		for _, o := range block.others {
			others = append(others, OtherSeen{otherKey(uint32(b*blockUsers)+uint32(o.user), o.client), o.at().stored(o.client)})
		}
		slices.SortFunc(others[first:], func(a, b OtherSeen) int { return cmp.Compare(a.Key, b.Key) })
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
	for _, o := range others {
		if n := o.Key >> clientBits; known(n) {
			l.seen(uint32(n), Client(o.Key&lastClient), momentOf(o.Moment>>clientBits))
		}
	}
}
