package history

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"

	"github.com/RoaringBitmap/roaring/v2"
)

// Stored bytes begin with a checksum of what they are and of themselves, so
// that a flipped bit is noticed, and so is a blob in the place of another.

const checksumSize = 8

func checksum(what string, content []byte) uint64 {
	table := crc64.MakeTable(crc64.ECMA)
	return crc64.Update(crc64.Checksum([]byte(what), table), table, content)
}

func seal(what string, content []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, checksum(what, content)), content...)
}

func unseal(what string, blob []byte) ([]byte, error) {
	if len(blob) < checksumSize || binary.LittleEndian.Uint64(blob) != checksum(what, blob[checksumSize:]) {
		return nil, errFormat
	}
	return blob[checksumSize:], nil
}

// decodeSet reads a set of users' numbers.
func decodeSet(content []byte) (set *roaring.Bitmap, err error) {
	defer func() { // the library trusts its input, which a checksum vouches for
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errFormat, p)
		}
	}()
	set = roaring.New()
	_, err = set.FromBuffer(content)
	return set, err
}

// encodeNumbers writes numbers as they are in memory.
func encodeNumbers[N int64 | uint64](numbers []N) []byte {
	content := make([]byte, 0, 8*len(numbers))
	for _, n := range numbers {
		content = binary.LittleEndian.AppendUint64(content, uint64(n))
	}
	return content
}

func decodeNumbers[N int64 | uint64](content []byte) ([]N, error) {
	if len(content)%8 != 0 {
		return nil, errFormat
	}
	numbers := make([]N, 0, len(content)/8)
	for ; len(content) > 0; content = content[8:] {
		numbers = append(numbers, N(binary.LittleEndian.Uint64(content)))
	}
	return numbers, nil
}
