package history

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"io"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// Stored bytes begin with a checksum of what they are and of themselves, so
// that a flipped bit is noticed, and so is a blob in the place of another.

const checksumSize = 8

func checksum(what string, content []byte) uint64 {
	table := crc64.MakeTable(crc64.ECMA)
	return crc64.Update(crc64.Checksum([]byte(what), table), table, content)
}

func addChecksum(what string, content []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, checksum(what, content)), content...)
}

// storedChecksum is the checksum of what verifyChecksum has found to be sound.
func storedChecksum(blob []byte) uint64 { return binary.LittleEndian.Uint64(blob) }

func verifyChecksum(what string, blob []byte) ([]byte, error) {
	if len(blob) < checksumSize || binary.LittleEndian.Uint64(blob) != checksum(what, blob[checksumSize:]) {
		return nil, errFormat
	}
	return blob[checksumSize:], nil
}

// verifiedContent returns what follows the checksum; false if that is damaged.
func verifiedContent(what string, blob []byte) (content []byte, sound bool) {
	content, err := verifyChecksum(what, blob)
	return content, err == nil
}

// huffman is the first byte of a set that is written for size; no Roaring
// bitmap begins with it.
const huffman = 0

// An encoder writes sets of users' numbers. It is for one goroutine, and takes about a
// megabyte once it has written one for size.
type encoder struct{ huffman *flate.Writer }

// set writes a set as it is in memory, or, at the price of reading it ten times more
// slowly, as the distances from each number to the next, in Huffman's code. It is close to
// the least that chance allows.
func (e *encoder) set(set *roaring.Bitmap, small bool) (_ []byte, err error) {
	if !small {
		return set.ToBytes()
	}
	var gaps []byte
	last := int64(-1)
	for numbers := set.Iterator(); numbers.HasNext(); {
		n := int64(numbers.Next())
		gaps = binary.AppendUvarint(gaps, uint64(n-last-1))
		last = n
	}
	var content bytes.Buffer
	content.WriteByte(huffman)
	if e.huffman == nil {
		e.huffman, err = flate.NewWriter(&content, flate.HuffmanOnly)
	} else {
		e.huffman.Reset(&content)
	}
	if err == nil {
		_, err = e.huffman.Write(gaps)
	}
	if err == nil {
		err = e.huffman.Close()
	}
	return content.Bytes(), err
}

func isHuffman(content []byte) bool { return len(content) > 0 && content[0] == huffman }

// decodeSet reads a set of users' numbers.
func decodeSet(content []byte) (set *roaring.Bitmap, err error) {
	if isHuffman(content) {
		return decodeGaps(content[1:])
	}
	defer func() { // the library trusts its input, which a checksum vouches for
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errFormat, p)
		}
	}()
	set = roaring.New()
	_, err = set.FromBuffer(content)
	return set, err
}

func decodeGaps(content []byte) (*roaring.Bitmap, error) {
	gaps, err := io.ReadAll(flate.NewReader(bytes.NewReader(content)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFormat, err)
	}
	numbers := make([]uint32, 0, len(gaps))
	next := uint64(0)
	for len(gaps) > 0 {
		gap, size := binary.Uvarint(gaps)
		if size <= 0 || next+gap > math.MaxUint32 {
			return nil, errFormat
		}
		numbers = append(numbers, uint32(next+gap))
		next += gap + 1
		gaps = gaps[size:]
	}
	return roaring.BitmapOf(numbers...), nil
}

// encodeNumbers writes numbers as they are in memory.
func encodeNumbers[N int64 | uint64](numbers []N) []byte {
	content := make([]byte, 0, 8*len(numbers))
	for _, n := range numbers {
		content = binary.LittleEndian.AppendUint64(content, uint64(n))
	}
	return content
}

// verifiedNumbers returns what follows the checksum, and the numbers that it is; false if
// that is damaged.
func verifiedNumbers[N int64 | uint64](what string, blob []byte) (content []byte, numbers []N, sound bool) {
	content, err := verifyChecksum(what, blob)
	if err == nil {
		numbers, err = decodeNumbers[N](content)
	}
	return content, numbers, err == nil
}

func decodeNumbers[N int64 | uint64](content []byte) ([]N, error) {
	return appendNumbers(make([]N, 0, len(content)/8), content)
}

// appendNumbers appends stored numbers to others.
func appendNumbers[N int64 | uint64](numbers []N, content []byte) ([]N, error) {
	if len(content)%8 != 0 {
		return numbers, errFormat
	}
	known := len(numbers)
	numbers = slices.Grow(numbers, len(content)/8)[:known+len(content)/8]
	for i := range numbers[known:] {
		numbers[known+i] = N(binary.LittleEndian.Uint64(content[8*i:]))
	}
	return numbers, nil
}
