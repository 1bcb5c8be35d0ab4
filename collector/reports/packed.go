package reports

import (
	"encoding/binary"
	"math"
)

// packed are numbers in few bytes, a third of what they take otherwise: anybody
// can make a receiver remember thousands of homeservers. Most are small and
// whole; those are varints.
type packed string

// What a varint may say besides the number that is so much smaller.
const (
	isNaN    = iota // there is none
	isFloat         // it follows in eight bytes
	fromHere        // 0
)

// pack takes numbers that are not negative, NaN where there is none.
func pack(values []float64) packed {
	content := make([]byte, 0, 8*len(values))
	for _, value := range values {
		const exact = 1 << 53 // below it, a float64 holds each whole number
		switch {
		case math.IsNaN(value):
			content = binary.AppendUvarint(content, isNaN)
		case value < exact && value == math.Trunc(value):
			content = binary.AppendUvarint(content, uint64(value)+fromHere)
		default:
			content = binary.AppendUvarint(content, isFloat)
			content = binary.BigEndian.AppendUint64(content, math.Float64bits(value))
		}
	}
	return packed(content)
}

// unpack fills values with as many as were packed.
func (p packed) unpack(values []float64) {
	next := 0
	for i := range values {
		said := uint64(0)
		for shift := 0; ; shift += 7 {
			b := p[next]
			next++
			said |= uint64(b&0x7f) << shift
			if b < 0x80 {
				break
			}
		}
		switch said {
		case isNaN:
			values[i] = math.NaN()
		case isFloat:
			values[i] = math.Float64frombits(binary.BigEndian.Uint64([]byte(p[next : next+8])))
			next += 8
		default:
			values[i] = float64(said - fromHere)
		}
	}
}
