package collector

import "active_users_exporter/collector/metric"

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
