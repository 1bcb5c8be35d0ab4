package demo

import (
	"math/rand/v2"
	"time"
)

// A model is the source of all that is invented: a clock that stands still and
// one seeded stream of chance.
type model struct {
	now   time.Time // UTC, in whole milliseconds
	start time.Time // 00:00 UTC of the first day of the history
	rng   *rand.Rand
}

func newModel(now time.Time, seed uint64) *model {
	now = now.UTC().Truncate(time.Millisecond)
	return &model{
		now:   now,
		start: now.Truncate(oneDay).Add(-(historyDays - 1) * oneDay),
		rng:   rand.New(rand.NewPCG(seed, historyDays)), //nolint:gosec // for looks, not for secrets
	}
}

// chance is true with the given probability.
func (m *model) chance(p float64) bool { return m.rng.Float64() < p }

// pick returns an index with a probability in proportion to its weight.
func (m *model) pick(weights []int) int {
	total := 0
	for _, w := range weights {
		total += w
	}
	n := m.rng.IntN(total)
	for i, w := range weights {
		if n -= w; n < 0 {
			return i
		}
	}
	panic("unreachable: the weights add up to more than n")
}

// upTo returns a duration in whole milliseconds, less than the limit.
func (m *model) upTo(limit time.Duration) time.Duration {
	return time.Duration(m.rng.Int64N(limit.Milliseconds())) * time.Millisecond
}

// between returns a moment not before from and before to, from itself where
// there is none.
func (m *model) between(from, to time.Time) time.Time {
	if to.Sub(from) < time.Millisecond {
		return from
	}
	return from.Add(m.upTo(to.Sub(from)))
}

// text returns n random characters of an alphabet.
func (m *model) text(n int, alphabet string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[m.rng.IntN(len(alphabet))]
	}
	return string(b)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
