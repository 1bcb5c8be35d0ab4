package synapse

import (
	"encoding/json"
	"fmt"
)

// notes are what a Read leaves to the next one beside activity. The calendar keeps them,
// with what they belong to, so that an exporter that is started again goes on as well.
// They hold numbers alone, nobody's name.
type notes struct {
	Format    int // notesFormat
	Mark      mark
	Counts    counts
	VisitsEnd visitsEnd
	Ledger    ledger // of the visits
	Walk      walk   // through user_ips
}

// notesFormat is another one as soon as notes, or what they count, have another meaning.
const notesFormat = 1

// recall takes up the notes of the last Read, unless they are of another version of the
// exporter or nothing goes on from what was read.
func (r *reading) recall() {
	if err := json.Unmarshal(r.rec.Notes(r.server), &r.notes); err != nil || r.Format != notesFormat || r.startsOver {
		r.notes = notes{Format: notesFormat}
	}
	if r.since.IsZero() { // what was read before is forgotten
		r.Walk = walk{}
	}
}

// leave leaves the notes to the next Read.
func (r *reading) leave() {
	text, err := json.Marshal(r.notes)
	if err != nil {
		panic(fmt.Sprintf("notes cannot be encoded: %v", err)) // numbers always can
	}
	r.rec.SetNotes(r.server, text)
}
