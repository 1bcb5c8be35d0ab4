package reports

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Stored is how much a store holds.
type Stored struct {
	// Bytes is the room that reports and clusters take.
	Bytes int64
	// Oldest is when the oldest report was received, the zero time if there is none.
	Oldest time.Time
}

// maxClusters is how many MongooseIM clusters are kept, the newest: an id that begins
// with "ephemeral-" leaves a row at each start of its cluster, and anybody can invent
// IDs.
const maxClusters = 2 * maxNodes

var errFull = errors.New("the store of reports is full")

// capacity watches the size of a store between two measurements.
type capacity struct {
	most     int64 // bytes, 0 for no limit
	measured Stored
	written  int64         // bytes since it was measured
	full     chan struct{} // of capacity 1: the store has to be measured now
}

// rowOverhead is about what a report takes beside its body.
const rowOverhead = 100

// takes accounts for a report that is about to be written. It returns false if there
// is no room until older reports are deleted.
func (c *capacity) takes(body []byte) bool {
	if c.most == 0 {
		return true
	}
	c.written += int64(len(body)) + rowOverhead
	size := c.measured.Bytes + c.written
	if size > c.most {
		select {
		case c.full <- struct{}{}:
		default:
		}
	}
	return size <= c.most+c.most/10
}

// fit measures the store and deletes reports until it is below its limit, with some
// room.
func (s *store) fit(ctx context.Context) error {
	size, err := s.size(ctx)
	if err != nil {
		return fmt.Errorf("measure the store of reports: %w", err)
	}
	most := s.limits.most
	for tries := 0; most > 0 && size.Bytes > most-most/10 && tries < 10; tries++ {
		deleted, err := s.shrink(ctx, float64(size.Bytes-most*8/10)/float64(size.Bytes))
		if err != nil {
			return fmt.Errorf("delete reports that are too many: %w", err)
		}
		if deleted == 0 {
			break
		}
		if size, err = s.size(ctx); err != nil {
			return fmt.Errorf("measure the store of reports: %w", err)
		}
	}
	s.measuring.Lock()
	defer s.measuring.Unlock()
	s.limits.measured, s.limits.written = size, 0
	return nil
}

// holds returns how much the store held when it was last measured, and what was
// written since.
func (s *store) holds() Stored {
	s.measuring.Lock()
	defer s.measuring.Unlock()
	held := s.limits.measured
	held.Bytes += s.limits.written
	return held
}
