package reports

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/systemmetrics"
)

// database is where reports are kept. What a method was given is on disk once
// it returns without an error.
type database interface {
	// write adds reports, all or none.
	write(ctx context.Context, batch []*pending) error
	// merge adds reports of whatever time but those that are there already,
	// all or none, and returns how many it added.
	merge(ctx context.Context, all []*pending) (added int, err error)
	// latest calls use with the newest report of each homeserver that was heard,
	// or about which anything was written, within a time before now, unless known
	// returns true for the number of its reports. One report is in memory at a time.
	latest(ctx context.Context, now time.Time, within time.Duration, known func(homeserver string, reports uint64) bool, use func(stored)) error
	// keepPart adds a part of a MongooseIM cluster's report to what is known
	// of the node.
	keepPart(ctx context.Context, c *clusters, from node, p systemmetrics.Part, now time.Time) error
	// restoreClusters takes up what was stored of clusters within a time before
	// now.
	restoreClusters(ctx context.Context, c *clusters, now time.Time, within time.Duration) error
	// size returns how much is stored.
	size(ctx context.Context) (Stored, error)
	// shrink deletes a part of the reports, between 0 and 1, and returns how many: of
	// homeservers that reported once first, then the oldest.
	shrink(ctx context.Context, part float64) (deleted int64, err error)
	// purge deletes reports received longer ago than retention, homeservers that have
	// not reported for as long, and clusters likewise or beyond maxClusters.
	purge(ctx context.Context, now time.Time, retention time.Duration) error
	close() error
}

// openDatabase opens the reports in a folder, or in a PostgreSQL database.
func openDatabase(ctx context.Context, location storage.Location) (database, error) {
	if location.Shared() {
		return openPostgreSQL(ctx, location)
	}
	return openSQLite(ctx, location)
}

// pending is a report on its way to the disk.
type pending struct {
	homeserver string
	received   time.Time
	body       []byte
	done       chan error // of capacity 1
}

// stored is a report as it is kept.
type stored struct {
	Homeserver string
	Received   int64 `db:"received_at"` // Unix milliseconds
	Body       []byte
	FirstSeen  int64 `db:"first_seen"`
	Reports    uint64
}

const (
	maxQueue = 1024 // reports that wait
	maxBatch = 512  // reports in one transaction
)

// store keeps every report that was accepted. Reports that arrive while one
// transaction is being written go into the next one together: the disk's time
// to make something durable is shared by all who wait.
//
// It may be closed at first: a disk that is full or a database that is down costs
// reports and no more.
type store struct {
	database // once it is open
	opened   atomic.Bool
	location storage.Location
	shared   bool       // with other receivers
	writing  sync.Mutex // one transaction at a time
	queue    chan *pending
	stopped  chan struct{}

	measuring sync.Mutex // of what follows
	limits    capacity
}

// newStore returns a store that is closed and will hold at most so many bytes; 0 for
// no limit.
func newStore(location storage.Location, most int64) *store {
	return &store{
		location: location, shared: location.Shared(), queue: make(chan *pending, maxQueue), stopped: make(chan struct{}),
		limits: capacity{most: most, full: make(chan struct{}, 1)},
	}
}

// open opens what is closed.
func (s *store) open(ctx context.Context) error {
	db, err := openDatabase(ctx, s.location)
	if err != nil {
		return err
	}
	s.database = db
	s.opened.Store(true)
	go s.run(context.WithoutCancel(ctx))
	return nil
}

// close writes what is waiting. Nobody calls keep or open any longer.
func (s *store) close() error {
	if !s.opened.Load() {
		return nil
	}
	close(s.queue)
	<-s.stopped
	return s.database.close()
}

var errClosed = errors.New("the store of reports is not open")

var errBusy = errors.New("too many reports are waiting to be stored")

// keep returns once the report is on disk. If ctx ends first, it may be stored
// nevertheless.
func (s *store) keep(ctx context.Context, homeserver string, received time.Time, body []byte) error {
	if !s.opened.Load() {
		return errClosed
	}
	if !s.hasRoom(body) {
		return errFull
	}
	p := &pending{homeserver, received, body, make(chan error, 1)}
	// A report that comes alone waits for no other goroutine.
	if len(s.queue) == 0 && s.writing.TryLock() {
		defer s.writing.Unlock()
		return s.write(context.WithoutCancel(ctx), []*pending{p})
	}
	select {
	case s.queue <- p:
	default:
		return errBusy
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *store) hasRoom(body []byte) bool {
	s.measuring.Lock()
	defer s.measuring.Unlock()
	return s.limits.takes(body)
}

// run writes what others leave in the queue.
func (s *store) run(ctx context.Context) {
	defer close(s.stopped)
	for first := range s.queue {
		s.writing.Lock()
		s.writeEach(ctx, s.batch(first))
		s.writing.Unlock()
	}
}

// writeEach writes a batch, and, if that fails, each of its reports by itself: a report
// that the database refuses must not cost the others their place.
func (s *store) writeEach(ctx context.Context, batch []*pending) {
	err := s.write(ctx, batch)
	if err == nil || len(batch) == 1 || !sqldb.RefusesValue(err) {
		for _, p := range batch {
			p.done <- err
		}
		return
	}
	for _, p := range batch {
		p.done <- s.write(ctx, []*pending{p})
	}
}

// batch returns a report and those that wait behind it.
func (s *store) batch(first *pending) []*pending {
	batch := []*pending{first}
	for len(batch) < maxBatch {
		select {
		case p, open := <-s.queue:
			if !open {
				return batch
			}
			batch = append(batch, p)
		default:
			return batch
		}
	}
	return batch
}
