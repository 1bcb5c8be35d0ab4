package activity

// Stored last-seen times are Unix milliseconds with the class of client in the lowest
// byte. Such numbers stand for those who were never seen, or only exist.
const (
	storedNever  = -1 << 62
	storedExists = storedNever + 1<<clientBits
)

// stored returns the times in the form of State.
func (l *lastSeen) stored() (newest []int64, others map[uint64]int64) {
	others = make(map[uint64]int64)
	for b, block := range l.blocks {
		for i := range blockUsers {
			newest = append(newest, block.newest(i).stored(block.clients[i]))
		}
		for _, o := range block.others {
			others[otherKey(uint32(b*blockUsers)+uint32(o.user), o.client)] = o.at().stored(o.client)
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
	for n, stored := range s.LastSeen {
		switch client := Client(stored & lastClient); {
		case !known(uint64(n)) || stored <= storedNever:
		case stored <= storedExists:
			l.exists(uint32(n))
		default:
			l.seen(uint32(n), client, momentOf(stored>>clientBits))
		}
	}
	for key, stored := range s.OtherSeen {
		if n := key >> clientBits; known(n) {
			l.seen(uint32(n), Client(key&lastClient), momentOf(stored>>clientBits))
		}
	}
}
