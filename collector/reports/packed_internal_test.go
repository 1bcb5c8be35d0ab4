package reports

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// What was packed is unpacked, bit by bit.
func TestPacked(t *testing.T) {
	number := rapid.OneOf(
		rapid.Float64Range(0, math.MaxFloat64),
		rapid.Map(rapid.Uint64Range(0, 1<<62), func(n uint64) float64 { return float64(n) }),
		rapid.SampledFrom([]float64{0, 1, 0.5, 127, 128, 1<<53 - 1, 1 << 53, 64060588800, 1e10, 1e12, math.NaN(), math.Inf(1)}),
	)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(number).Draw(t, "values")
		got := make([]float64, len(values))
		pack(values).unpack(got)
		for i, value := range values {
			if math.Float64bits(got[i]) != math.Float64bits(value) {
				t.Errorf("%v became %v", value, got[i])
			}
		}
	})
}
