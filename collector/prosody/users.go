package prosody

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"time"

	"active_users_exporter/collector/activity"
)

// This file and queue.go are more than a map because of BenchmarkSQLite: nearly all
// of the time of reading a million users' rows from an SQLite file is looking up
// whose row it is.

// userTable holds what a database says about each user of a host, by name. The
// table prosody has its rows in the order in which they were written. So all users
// are in memory at once, and the next row may be about any of them. A userTable
// takes a third of the memory of a map, finds a user with two accesses to memory,
// and leaves the garbage collector nothing to follow.
type userTable struct {
	seed  maphash.Seed
	count int
	slots []userSlot // open addressing; a power of two of them, no more than three quarters in use
	// chunks hold the records, one behind the other. A record never moves to
	// another chunk.
	chunks [][]byte
}

// userSlot leads to a record: its chunk, and where in the chunk it begins, in
// units of 8 bytes. That reaches for 32 GiB of records.
type userSlot struct {
	hash uint32
	at   uint32 // 0 for none
}

const (
	chunkSize   = 1 << 20
	recordAlign = 8
	chunkPlaces = chunkSize / recordAlign
)

// A userRecord is what is known of one user: last login, logout and activity in
// Unix seconds, 0 for never; the state of the account; whether stores of
// activity have rows; the day on which the account was created; the name, its size first.
type userRecord []byte

const (
	recordLogin    = 0
	recordLogout   = 8
	recordActivity = 16
	recordAccount  = 24
	recordStored   = 25
	recordCreated  = 26
	recordSize     = 28
	recordName     = 32
)

func (u userRecord) time(which int) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(u[which:]))
}

func (u userRecord) setTime(which int, seconds float64) {
	binary.LittleEndian.PutUint64(u[which:], math.Float64bits(seconds))
}

func (u userRecord) latest() float64 {
	return max(u.time(recordLogin), u.time(recordLogout), u.time(recordActivity))
}

func (u userRecord) account() accountState         { return accountState(u[recordAccount]) }
func (u userRecord) setAccount(state accountState) { u[recordAccount] = byte(state) }

// What stores of activity say of a user: the bits of rows that can be read, and of
// others.
const (
	storedReadable = 1 << iota
	storedDamaged
)

func (u userRecord) stored() bool         { return u[recordStored] != 0 }
func (u userRecord) setStored(which byte) { u[recordStored] |= which }

// created returns the day on which the account was created, 0 if it is not known.
func (u userRecord) created() activity.Day {
	return activity.Day(binary.LittleEndian.Uint16(u[recordCreated:]))
}

func (u userRecord) setCreated(day activity.Day) {
	binary.LittleEndian.PutUint16(u[recordCreated:], uint16(max(0, min(day, math.MaxUint16))))
}

// age returns that of the user's account.
func (u userRecord) age(now time.Time, covered covered) activity.Age {
	if !u.stored() {
		return covered.unused(u.created())
	}
	at := u.latest()
	if at <= 0 && u[recordStored] == storedReadable {
		at = neverSeconds
	}
	return ageOf(now, at)
}

// sizeOfRecord is that with a name of the given size.
func sizeOfRecord(name int) int {
	return (recordName + name + recordAlign - 1) / recordAlign * recordAlign
}

func (u userRecord) name() []byte {
	return u[recordName:][:binary.LittleEndian.Uint32(u[recordSize:])]
}

// of returns the record of a user, to be changed, a new one if there is none
// yet. It is valid until the next call.
func (t *userTable) of(name []byte) userRecord {
	return t.find(t.hash(name), name)
}

// hash returns that of a name, for find and near.
func (t *userTable) hash(name []byte) uint32 {
	if t.slots == nil {
		t.grow()
	}
	return uint32(maphash.Bytes(t.seed, name))
}

// near returns where the record of a user probably is, 0 for nowhere.
func (t *userTable) near(hash uint32) (at uint32) { return t.slots[hash&uint32(len(t.slots)-1)].at }

// find is of, with the hash of the name.
func (t *userTable) find(hash uint32, name []byte) userRecord {
	if 4*t.count >= 3*len(t.slots) {
		t.grow()
	}
	mask := uint32(len(t.slots) - 1)
	i := hash & mask
	for ; t.slots[i].at != 0; i = (i + 1) & mask {
		if t.slots[i].hash == hash {
			if u := t.record(t.slots[i].at); string(u.name()) == string(name) {
				return u
			}
		}
	}
	t.slots[i] = userSlot{hash, t.add(name)}
	t.count++
	return t.record(t.slots[i].at)
}

func (t *userTable) record(at uint32) userRecord {
	return t.chunks[(at-1)/chunkPlaces][(at-1)%chunkPlaces*recordAlign:]
}

// add appends a record and returns where it is.
func (t *userTable) add(name []byte) (at uint32) {
	size := sizeOfRecord(len(name))
	last := len(t.chunks) - 1
	switch {
	case last < 0:
		t.chunks = append(t.chunks, nil) // grows, as most hosts are small
		last = 0
	case len(t.chunks[last])+size > chunkSize:
		t.chunks = append(t.chunks, make([]byte, 0, max(size, chunkSize)))
		last++
	}
	from := len(t.chunks[last])
	t.chunks[last] = append(t.chunks[last], make([]byte, size)...)
	u := t.chunks[last][from:]
	binary.LittleEndian.PutUint32(u[recordSize:], uint32(len(name)))
	copy(u[recordName:], name)
	return uint32(last*chunkPlaces+from/recordAlign) + 1
}

// grow makes room for more slots.
func (t *userTable) grow() {
	old := t.slots
	if old == nil {
		t.seed = maphash.MakeSeed()
	}
	t.slots = make([]userSlot, max(16, 2*len(old)))
	mask := uint32(len(t.slots) - 1)
	for _, slot := range old {
		if slot.at == 0 {
			continue
		}
		i := slot.hash & mask
		for t.slots[i].at != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = slot
	}
}

// drain calls yield with each user, in the order in which they came, and lets go
// of them: what is made of them needs the memory.
func (t *userTable) drain(yield func(userRecord) bool) {
	t.slots = nil
	for i, chunk := range t.chunks {
		t.chunks[i] = nil
		for len(chunk) > 0 {
			u := userRecord(chunk)
			if !yield(u) {
				return
			}
			chunk = chunk[sizeOfRecord(len(u.name())):]
		}
	}
}
