package activity

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A packed set has the same users as before, whether it is read as a whole or in blocks
// of any length: dense sets, sparse ones, and users who are far apart.
func TestPackedSetsAreReadInBlocks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		words := 1 + random.IntN(500)
		set := make(userSet, words)
		for range random.IntN(1 + 64*words>>random.IntN(12)) {
			set.add(uint32(random.IntN(64 * words)))
		}
		if round%3 == 0 { // most in one place: distances elsewhere are far longer than the mean
			for n := range 64 {
				set.add(uint32(n))
			}
		}
		packed := pack(set)
		var whole userSet
		packed.addTo(&whole)
		whole.grow(words)
		if !slices.Equal(whole, set) {
			t.Fatalf("%d words, %d users: %d users when unpacked", words, set.count(), whole.count())
		}
		size, reader := 1+random.IntN(words), packed.reader()
		for first := 0; first < words; first += size {
			block := make(userSet, size)
			reader.addTo(block, uint64(64*first))
			want := make(userSet, size)
			copy(want, set[first:])
			if !slices.Equal(block, want) {
				t.Fatalf("%d words, %d users, %d words from %d on: %d users, want %d", words, set.count(), size, first, block.count(), want.count())
			}
		}
	}
}
