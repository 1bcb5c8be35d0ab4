package activity

import (
	"time"

	"github.com/dchest/siphash"
)

// A Batch is a Recorder that passes visits on to a Calendar, many at a time. Users
// of rows that follow each other are strewn over memory. Looked up one by one, each
// costs two waits for memory; for many, the processor waits once. dictionary.go
// names the benchmark.
//
// A Batch is for one goroutine. The Calendar must not be used before Flush.
type Batch struct {
	calendar *Calendar
	domain   []byte
	day      Day
	hashes   []uint64
	clients  []Client
	numbers  []uint32
}

const batchSize = 256

// NewBatch returns a Batch for a Calendar.
func NewBatch(c *Calendar) *Batch { return &Batch{calendar: c, numbers: make([]uint32, batchSize)} }

// Visit implements Recorder.
func (b *Batch) Visit(domain, user []byte, client Client, day Day) {
	if len(b.hashes) == batchSize || day != b.day || string(domain) != string(b.domain) {
		b.Flush()
		b.domain, b.day = append(b.domain[:0], domain...), day
	}
	b.hashes = append(b.hashes, siphash.Hash(b.calendar.k0, b.calendar.k1, user))
	b.clients = append(b.clients, client)
}

// Flush passes on what is left.
func (b *Batch) Flush() {
	if len(b.hashes) == 0 {
		return
	}
	d, v := b.calendar.visitsOf(b.domain, b.day)
	numbers := b.numbers[:len(b.hashes)]
	d.numbersOf(b.hashes, numbers)
	for i, n := range numbers {
		v.sets[b.clients[i]].add(n)
	}
	v.rows += len(numbers)
	b.hashes, b.clients = b.hashes[:0], b.clients[:0]
}

// Seen implements Recorder.
func (b *Batch) Seen(domain, user []byte, client Client, at time.Time) {
	b.Flush()
	b.calendar.Seen(domain, user, client, at)
}

// Exists implements Recorder.
func (b *Batch) Exists(domain, user []byte, age Age) {
	b.Flush()
	b.calendar.Exists(domain, user, age)
}

// Newest implements Recorder.
func (b *Batch) Newest(domain []byte) time.Time {
	b.Flush()
	return b.calendar.Newest(domain)
}

// RecordedSince implements Recorder.
func (b *Batch) RecordedSince(domain []byte, now time.Time) (first Day, recorded bool) {
	b.Flush()
	return b.calendar.RecordedSince(domain, now)
}

// Rows implements Recorder.
func (b *Batch) Rows(domain []byte, day Day) (n int, known bool) {
	b.Flush()
	return b.calendar.Rows(domain, day)
}

// Forget implements Recorder.
func (b *Batch) Forget(domain []byte, day Day) {
	b.Flush()
	b.calendar.Forget(domain, day)
}

// ForgetAccounts implements Recorder.
func (b *Batch) ForgetAccounts(domain []byte) {
	b.Flush()
	b.calendar.ForgetAccounts(domain)
}

// Account implements Recorder.
func (b *Batch) Account(domain, user []byte, kind Kind, age Age) {
	b.Flush()
	b.calendar.Account(domain, user, kind, age)
}

// Accounts implements Recorder.
func (b *Batch) Accounts(domain []byte) (counts KindCounts, known bool) {
	b.Flush()
	return b.calendar.Accounts(domain)
}

// Progress implements Recorder.
func (b *Batch) Progress(domain []byte) Progress { return b.calendar.Progress(domain) }

// SetProgress implements Recorder.
func (b *Batch) SetProgress(domain []byte, p Progress) { b.calendar.SetProgress(domain, p) }

// ForgetSeen implements Recorder.
func (b *Batch) ForgetSeen(domain []byte) {
	b.Flush()
	b.calendar.ForgetSeen(domain)
}

// KeepClients implements Recorder.
func (b *Batch) KeepClients(domain []byte, from time.Time) bool {
	b.Flush()
	return b.calendar.KeepClients(domain, from)
}

// BeginSlice implements Recorder.
func (b *Batch) BeginSlice(domain []byte) {
	b.Flush()
	b.calendar.BeginSlice(domain)
}

// EndSlice implements Recorder.
func (b *Batch) EndSlice(domain []byte, after, until time.Time) {
	b.Flush()
	b.calendar.EndSlice(domain, after, until)
}

// Notes implements Recorder.
func (b *Batch) Notes(domain []byte) []byte { return b.calendar.Notes(domain) }

// SetNotes implements Recorder.
func (b *Batch) SetNotes(domain, notes []byte) { b.calendar.SetNotes(domain, notes) }

// Messages implements Recorder.
func (b *Batch) Messages(domain []byte) *Messages {
	b.Flush()
	return b.calendar.Messages(domain)
}
