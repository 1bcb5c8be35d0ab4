package collector

import (
	"reflect"
	"slices"
	"time"

	"active_users_exporter/collector/metric"
)

// New returns a Collector of the figures of every chat server. It asks statuses, at
// each scrape, for the servers there are, whose names must differ. It does no I/O
// and waits for nothing: a scrape costs the same while a refresh runs.
func New(statuses func() []Status) metric.Described {
	return metric.NewCollector(owner(), statuses, families())
}

// A Special is what one server has that others do not have; see Facts.Special.
type Special[T any] struct {
	Server string
	Value  T
}

// A Lasting is a special value that stays, until it is stale, while the second source
// that it comes from cannot be read: see Facts.PartialErr.
type Lasting interface {
	// Moment is that of the value.
	Moment() time.Time
}

// keepSpecials takes from an earlier snapshot the Lasting values of types that this
// one lacks, unless they are stale.
func (s *Snapshot) keepSpecials(earlier *Snapshot, now time.Time, staleAfter time.Duration) {
	if earlier == nil {
		return
	}
	for _, special := range earlier.Special {
		lasting, is := special.(Lasting)
		sameType := func(other any) bool { return reflect.TypeOf(other) == reflect.TypeOf(special) }
		if is && now.Sub(lasting.Moment()) <= staleAfter && !slices.ContainsFunc(s.Special, sameType) {
			s.Special = append(s.Special, special)
		}
	}
}

// Specials returns the special values of type T that the newest snapshots hold, in
// the order of the servers: what the owner of T makes its own metrics from.
func Specials[T any](statuses []Status) (all []Special[T]) {
	for _, s := range statuses {
		if s.Snapshot == nil {
			continue
		}
		for _, special := range s.Snapshot.Special {
			if value, ok := special.(T); ok {
				all = append(all, Special[T]{s.Server, value})
			}
		}
	}
	return all
}
