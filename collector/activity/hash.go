package activity

import (
	"encoding/binary"

	"github.com/dchest/siphash"
)

// Hash returns what is known of a user in place of the name.
func (k Key) Hash(user []byte) uint64 {
	return max(unused+1, siphash.Hash(binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:]), user))
}

// NumberOfMoment returns whose number a key of State.Seen has.
func NumberOfMoment(key uint64) uint32 { return uint32(key >> clientBits) }

// NeverSeen is what State.Seen has for users without a last-seen time.
const NeverSeen int64 = storedNever
