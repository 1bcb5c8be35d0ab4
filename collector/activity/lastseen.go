package activity

import (
	"math/bits"
	"slices"
)

// lastSeen holds when each user was last seen with each class of client, in blocks of
// users. Calendars share blocks until one of them changes one: so a block that is still
// the same holds the same.
type lastSeen struct {
	blocks []*seenBlock // by number / blockUsers
	owned  userSet      // the blocks that no other calendar shares
}

const blockUsers = 64

// A seenBlock holds the times of some users. Most users have one class: times of other
// classes than that of the newest time are apart. Arrays of small numbers take less
// than an array of structs.
type seenBlock struct {
	high    [blockUsers]uint32 // of the newest times
	low     [blockUsers]uint16
	clients [blockUsers]Client
	others  []otherSeen
}

// otherSeen is when a user was last seen with another client than the newest.
type otherSeen struct {
	high   uint32
	low    uint16
	user   uint8 // in the block
	client Client
}

// A moment is Unix milliseconds in 48 bits, up to the year 10889.
type moment uint64

const (
	// neverSeen stands for users who are known from visits alone; it lies before
	// every window.
	neverSeen moment = iota
	// onlyExists stands for users about whom the server says no more than that they
	// exist; it is later than neverSeen, and also before every window.
	onlyExists
	earliest
	latest moment = 1<<48 - 1

	clientBits = 8
	lastClient = 1<<clientBits - 1 // the largest Client there can be
)

// momentOf returns the moment of a time in Unix milliseconds; times before 1970 are
// those of its beginning.
func momentOf(milli int64) moment {
	return moment(max(int64(earliest), min(milli, int64(latest))))
}

func (m moment) milli() int64 { return int64(m) }

func joined(high uint32, low uint16) moment { return moment(high)<<16 | moment(low) }

func (m moment) split() (high uint32, low uint16) { return uint32(m >> 16), uint16(m) }

func (o otherSeen) at() moment { return joined(o.high, o.low) }

// newest returns the newest time of a user.
func (b *seenBlock) newest(i int) moment { return joined(b.high[i], b.low[i]) }

func (b *seenBlock) set(i int, client Client, at moment) {
	b.high[i], b.low[i] = at.split()
	b.clients[i] = client
}

func otherKey(n uint32, client Client) uint64 { return uint64(n)<<clientBits | uint64(client) }

// newestOf returns the newest moment of a user.
func (l *lastSeen) newestOf(n uint32) moment {
	if b := int(n / blockUsers); b < len(l.blocks) {
		return l.blocks[b].newest(int(n % blockUsers))
	}
	return neverSeen
}

// all calls yield with the newest time of each user and its client, and then with those
// of other clients.
func (l *lastSeen) all(yield func(n uint32, client Client, at moment)) {
	for b, block := range l.blocks {
		for i := range blockUsers {
			if at := block.newest(i); at != neverSeen {
				yield(uint32(b*blockUsers+i), block.clients[i], at)
			}
		}
		for _, o := range block.others {
			yield(uint32(b*blockUsers)+uint32(o.user), o.client, o.at())
		}
	}
}

// seen records one moment.
func (l *lastSeen) seen(n uint32, client Client, at moment) {
	block, i := l.writable(n), int(n%blockUsers)
	newest, of := block.newest(i), block.clients[i]
	switch {
	case newest <= onlyExists || of == client:
		block.set(i, client, max(newest, at))
	case at > newest:
		// The clients change places.
		block.others = slices.DeleteFunc(block.others, func(o otherSeen) bool { return o.user == uint8(i) && o.client == client })
		block.other(uint8(i), of, newest)
		block.set(i, client, at)
	default:
		block.other(uint8(i), client, at)
	}
}

// other records a moment of another client than the newest.
func (b *seenBlock) other(user uint8, client Client, at moment) {
	for i, o := range b.others {
		if o.user == user && o.client == client {
			b.others[i].high, b.others[i].low = max(o.at(), at).split()
			return
		}
	}
	high, low := at.split()
	b.others = append(b.others, otherSeen{high, low, user, client})
}

// forgetOthers drops the times of other clients than the newest that are later than
// after and not later than until.
func (l *lastSeen) forgetOthers(after, until moment) {
	within := func(o otherSeen) bool { return o.at() > after && o.at() <= until }
	for b, block := range l.blocks {
		if slices.ContainsFunc(block.others, within) {
			block = l.writable(uint32(b * blockUsers))
			block.others = slices.DeleteFunc(block.others, within)
		}
	}
}

// exists records that the server knows a user.
func (l *lastSeen) exists(n uint32) {
	if l.newestOf(n) < onlyExists {
		l.writable(n).set(int(n%blockUsers), Unknown, onlyExists)
	}
}

// writable returns the block of a user, which no other calendar shares.
func (l *lastSeen) writable(n uint32) *seenBlock {
	b := n / blockUsers
	for int(b) >= len(l.blocks) {
		l.owned.add(uint32(len(l.blocks)))
		l.blocks = append(l.blocks, new(seenBlock))
	}
	if !l.owned.has(b) {
		block := *l.blocks[b]
		block.others = slices.Clone(block.others)
		l.blocks[b] = &block
		l.owned.add(b)
	}
	return l.blocks[b]
}

// share returns the same times for another calendar.
func (l *lastSeen) share() lastSeen {
	l.owned = nil
	return lastSeen{blocks: slices.Clone(l.blocks)}
}

// compact gives back memory that is reserved.
func (l *lastSeen) compact() {
	l.blocks = exact(l.blocks)
	l.owned.each(func(b int) { l.blocks[b].others = exact(l.blocks[b].others) })
}

// at returns a block, an empty one beyond the last.
func at(blocks []*seenBlock, b int) *seenBlock {
	if b < len(blocks) {
		return blocks[b]
	}
	return new(seenBlock)
}

// differing returns the users of two blocks, a bit for each, whose times differ.
func (b *seenBlock) differing(other *seenBlock) (users uint64) {
	for i := range blockUsers {
		if b.high[i] != other.high[i] || b.low[i] != other.low[i] || b.clients[i] != other.clients[i] {
			users |= 1 << i
		}
	}
	if !slices.Equal(b.others, other.others) {
		for _, o := range slices.Concat(b.others, other.others) {
			users |= 1 << o.user
		}
	}
	return users
}

// leaving returns the users, a bit for each, who have a time after from and not after
// to, and the earliest time after to, or latest if there is none.
func (b *seenBlock) leaving(from, to moment) (users uint64, next moment) {
	next = latest
	for i := range blockUsers {
		if at := b.newest(i); at > to {
			next = min(next, at)
		} else if at > from {
			users |= 1 << i
		}
	}
	for _, o := range b.others {
		if at := o.at(); at > to {
			next = min(next, at)
		} else if at > from {
			users |= 1 << o.user
		}
	}
	return users, next
}

// outside returns the users, a bit for each, who have a time before from, or at until
// or after it.
func (b *seenBlock) outside(from, until moment) (users uint64) {
	for i := range blockUsers {
		if at := b.newest(i); at < from || at >= until {
			users |= 1 << i
		}
	}
	for _, o := range b.others {
		if at := o.at(); at < from || at >= until {
			users |= 1 << o.user
		}
	}
	return users
}

// eachBit calls yield with each bit that is set.
func eachBit(word uint64, yield func(i int)) {
	for ; word != 0; word &= word - 1 {
		yield(bits.TrailingZeros64(word))
	}
}
