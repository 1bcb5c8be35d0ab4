package activity

import (
	"iter"
	"math"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/dchest/siphash"
)

// Messages are the messages that a domain's server has stored lately, as far as
// figures need them: where in the server's stream of events those of the last day
// are, and when each room and each of the server's own users had the newest one. Rooms
// and users are keyed hashes. It is part of a Calendar.
type Messages struct {
	MessageSpan

	k0, k1 uint64
	// positions are those of messages, by class.
	positions [messageClasses]*roaring64.Bitmap
	rooms     newestTable // for plain and encrypted messages: position, moment
	senders   newestTable // moment
}

// A MessageSpan says which messages are known. Positions are those of the server's
// stream of events, which grows by the order of arrival; moments are of the server's
// clock, in Unix milliseconds.
type MessageSpan struct {
	// Last is the position of the newest event, of whatever kind, and Arrived when it
	// came; 0 if nothing is known. Up to Settled, no event can come any more.
	Last, Arrived, Settled int64
	// All positions after First are known, and of all messages after Oldest the rooms and
	// senders. They are those that arrived after Since, which may be AlwaysKnown or NotKnown.
	First, Oldest, Since int64
}

// Values of MessageSpan.Since: all messages are known that there are, or none.
const (
	AlwaysKnown = math.MinInt64
	NotKnown    = math.MaxInt64
)

// A Message is an event that somebody has sent.
type Message struct {
	Position int64
	Arrived  int64  // Unix milliseconds
	Room     []byte // its identifier
	// Sender is the name of a user of this server, nil for others.
	Sender    []byte
	Encrypted bool
}

const messageClasses = 4 // encrypted or not, of this server's users or not

// messageClass is the index in Messages.positions.
func messageClass(encrypted, local bool) (class int) {
	if encrypted {
		class = 2
	}
	if local {
		class++
	}
	return class
}

// The columns of Messages.rooms; those for encrypted messages come after those for
// plain ones.
const (
	roomPosition = iota
	roomMoment
	roomColumns
)

func newMessages(k0, k1 uint64) *Messages {
	m := &Messages{k0: k0, k1: k1}
	m.Forget()
	return m
}

// Forget drops everything.
func (m *Messages) Forget() {
	*m = Messages{MessageSpan: MessageSpan{Since: NotKnown}, k0: m.k0, k1: m.k1, rooms: newestTable{columns: 2 * roomColumns}, senders: newestTable{columns: 1}}
	m.ForgetPositions()
}

// ForgetPositions drops the positions of messages: the reader is about to report all
// after First again.
func (m *Messages) ForgetPositions() {
	for class := range m.positions {
		m.positions[class] = roaring64.New()
	}
	m.rooms.zero(roomPosition)
	m.rooms.zero(roomColumns + roomPosition)
}

// Begin moves First, and drops the positions up to there.
func (m *Messages) Begin(first int64) {
	m.First = first
	for _, set := range m.positions {
		set.RemoveRange(0, uint64(max(-1, first)+1))
	}
}

// Add adds one message. A repeat changes nothing.
func (m *Messages) Add(message Message) {
	room, column := siphash.Hash(m.k0, m.k1, message.Room), 0
	if message.Encrypted {
		column = roomColumns
	}
	n := m.rooms.numberOf(room)
	m.rooms.raise(n, column+roomMoment, message.Arrived)
	if message.Position > m.First {
		m.positions[messageClass(message.Encrypted, message.Sender != nil)].Add(uint64(message.Position))
		m.rooms.raise(n, column+roomPosition, message.Position)
	}
	if message.Sender != nil {
		m.senders.raise(m.senders.numberOf(siphash.Hash(m.k0, m.k1, message.Sender)), 0, message.Arrived)
	}
}

// MessageCounts are numbers of messages, and of the rooms that they are in.
type MessageCounts struct{ Messages, Sent, Rooms int }

// After counts what came after a position, which must not be less than First. Sent are
// those messages that this server's users sent.
func (m *Messages) After(position int64, encrypted bool) (c MessageCounts) {
	count := func(local bool) int {
		set := m.positions[messageClass(encrypted, local)]
		return int(set.GetCardinality() - set.Rank(uint64(max(0, position))))
	}
	column := 0
	if encrypted {
		column = roomColumns
	}
	c.Sent = count(true)
	c.Messages = c.Sent + count(false)
	c.Rooms = m.rooms.count(column+roomPosition, position)
	return c
}

// Senders returns how many of the domain's own users have sent a message that arrived
// after a moment, and false if not all of these messages are known.
func (c *Calendar) Senders(domain string, after time.Time) (users int, known bool) {
	m := c.messagesSince(domain, after)
	if m == nil {
		return 0, false
	}
	return m.senders.count(0, after.UnixMilli()), true
}

// ActiveRooms returns how many rooms have a message, encrypted or not, that arrived
// after a moment, and false if not all of these messages are known.
func (c *Calendar) ActiveRooms(domain string, after time.Time, encrypted bool) (rooms int, known bool) {
	m := c.messagesSince(domain, after)
	if m == nil {
		return 0, false
	}
	column := roomMoment
	if encrypted {
		column += roomColumns
	}
	return m.rooms.count(column, after.UnixMilli()), true
}

// messagesSince returns the messages of a domain, nil if not all after the moment are
// known.
func (c *Calendar) messagesSince(domain string, after time.Time) *Messages {
	d, ok := c.domains[domain]
	if !ok || d.messages == nil || d.messages.Since > after.UnixMilli() {
		return nil
	}
	return d.messages
}

// Messages implements Recorder.
func (c *Calendar) Messages(domain []byte) *Messages {
	d := c.domain(domain)
	if d.messages == nil {
		d.messages = newMessages(c.k0, c.k1)
	}
	return d.messages
}

// MessageState is what a Calendar knows of the messages of a domain, in a form that can
// be stored.
type MessageState struct {
	MessageSpan
	// Positions are sets of positions, by class.
	Positions []*roaring64.Bitmap
	// Rooms and Senders are keyed hashes, each with the numbers that belong to it.
	Rooms, Senders []int64
}

// state returns what is known, nil for nothing. The sets are shared.
func (m *Messages) state() *MessageState {
	if m == nil || m.Last == 0 {
		return nil
	}
	return &MessageState{m.MessageSpan, m.positions[:], m.rooms.state(), m.senders.state()}
}

// restoreMessages returns the messages of a state, whose sets then belong to them; nil of nil.
func (c *Calendar) restoreMessages(s *MessageState) *Messages {
	if s == nil {
		return nil
	}
	m := newMessages(c.k0, c.k1)
	m.MessageSpan = s.MessageSpan
	copy(m.positions[:], s.Positions)
	m.rooms.restore(s.Rooms)
	m.senders.restore(s.Senders)
	return m
}

// clone returns a copy; nil of nil.
func (m *Messages) clone() *Messages {
	if m == nil {
		return nil
	}
	copied := *m
	for class, set := range m.positions {
		copied.positions[class] = set.Clone()
	}
	copied.rooms, copied.senders = m.rooms.clone(), m.senders.clone()
	return &copied
}

// quietDays is for how many days a server has no events at most while the clock is right
// by which its messages are old.
const quietDays = 30

// purge forgets the rooms and senders whose newest message is older than a day. If they are
// younger than MaxWindow by the server's own clock, ours is ahead: so that the reader finds
// them again, no message is then taken for known.
func (m *Messages) purge(before Day) {
	if m == nil {
		return
	}
	oldest := before.Start().UnixMilli()
	if m.Last > 0 && before > FirstDay(time.UnixMilli(m.Arrived), MaxWindow)+quietDays {
		m.Since, m.Oldest = max(m.Since, oldest), m.Last
	}
	m.rooms = m.rooms.without(func(values []int64) bool {
		return max(values[roomMoment], values[roomColumns+roomMoment]) < oldest
	})
	m.senders = m.senders.without(func(values []int64) bool { return values[0] < oldest })
}

// A newestTable holds the largest of some numbers for each of many keyed hashes.
type newestTable struct {
	dictionary
	columns int
	values  []int64 // columns for each number of the dictionary
}

// raise makes a value what is given, if it was less.
func (t *newestTable) raise(n uint32, column int, value int64) {
	for len(t.values) < len(t.hashes)*t.columns {
		t.values = append(t.values, 0)
	}
	at := &t.values[int(n)*t.columns+column]
	*at = max(*at, value)
}

// zero makes all values of a column 0.
func (t *newestTable) zero(column int) {
	for at := column; at < len(t.values); at += t.columns {
		t.values[at] = 0
	}
}

// count returns how many values of a column are larger than the given one.
func (t *newestTable) count(column int, than int64) (n int) {
	for at := column; at < len(t.values); at += t.columns {
		if t.values[at] > max(0, than) {
			n++
		}
	}
	return n
}

func (t *newestTable) clone() newestTable {
	d := dictionary{slices.Clone(t.hashes), slices.Clone(t.slots), slices.Clone(t.free), t.changed}
	return newestTable{d, t.columns, slices.Clone(t.values)}
}

// without returns the table without the rows that are old.
func (t newestTable) without(old func(values []int64) bool) newestTable {
	kept := newestTable{columns: t.columns}
	for hash, values := range t.rows() {
		if !old(values) {
			kept.add(hash, values)
		}
	}
	if len(kept.hashes) == len(t.hashes) {
		return t
	}
	return kept
}

// rows are the keyed hashes and their values, in the order of their numbers.
func (t *newestTable) rows() iter.Seq2[uint64, []int64] {
	return func(yield func(uint64, []int64) bool) {
		for n, hash := range t.hashes {
			if !yield(hash, t.values[n*t.columns:(n+1)*t.columns]) {
				return
			}
		}
	}
}

// add adds a row.
func (t *newestTable) add(hash uint64, values []int64) {
	n := t.numberOf(hash)
	for column, value := range values {
		t.raise(n, column, value)
	}
}

// state returns each hash, as it is, with its values behind it.
func (t *newestTable) state() []int64 {
	all := make([]int64, 0, len(t.hashes)*(1+t.columns))
	for hash, values := range t.rows() {
		all = append(append(all, int64(hash)), values...)
	}
	return all
}

// restore adds the rows of a state to an empty table.
func (t *newestTable) restore(state []int64) {
	rows := len(state) / (1 + t.columns)
	t.hashes, t.values = make([]uint64, 0, rows), make([]int64, 0, rows*t.columns)
	t.rehash(fewSlots(rows))
	for row := range slices.Chunk(state, 1+t.columns) {
		if len(row) == 1+t.columns {
			t.add(uint64(row[0]), row[1:])
		}
	}
}

// newer returns a copy of the messages that are known up to the later position.
func newer(a, b *Messages) *Messages {
	if a == nil || b != nil && a.Last < b.Last {
		return b.clone()
	}
	return a.clone()
}
