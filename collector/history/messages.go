package history

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"active_users_exporter/collector/activity"
)

// messagesName names which messages are known, for the checksum.
const messagesName = "messages"

// messageContents are checksums of what is stored of messages.
type messageContents struct {
	positions      uint64
	rooms, senders map[int]uint64 // by part
}

// messages writes what is known of messages, as far as it has changed.
func (w *writer) messages(ctx context.Context, state *activity.MessageState) error {
	w.new.messages = messageContents{rooms: make(map[int]uint64), senders: make(map[int]uint64)}
	if state == nil {
		if w.old.messages.positions == 0 {
			return nil
		}
		state = &activity.MessageState{} // as good as nothing
	}
	if err := w.parts(ctx, "rooms", "moments", 0, encodeNumbers(state.Rooms), w.old.messages.rooms, w.new.messages.rooms); err != nil {
		return err
	}
	if err := w.parts(ctx, "senders", "moments", 0, encodeNumbers(state.Senders), w.old.messages.senders, w.new.messages.senders); err != nil {
		return err
	}
	content, err := encodeMessages(state)
	if err != nil {
		return err
	}
	w.new.messages.positions = checksum(messagesName, content)
	if w.new.messages.positions == w.old.messages.positions {
		return nil
	}
	return w.exec(ctx, `INSERT INTO history_messages (domain, positions) VALUES (?, ?)
		ON CONFLICT (domain) DO UPDATE SET positions = excluded.positions`, w.new.id, addChecksum(messagesName, content))
}

// messages reads what is known of messages, nil for nothing. What is damaged is read
// again from the chat server, with all that belongs to it.
func (r *reader) messages(ctx context.Context) (*activity.MessageState, error) {
	var blob []byte
	err := r.db.GetContext(ctx, &blob, r.db.Rebind(`SELECT positions FROM history_messages WHERE domain = ?`), r.row.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	state := decodeMessages(blob)
	if state == nil {
		r.damaged("which messages are known")
		return nil, nil
	}
	var roomsDamaged, sendersDamaged bool
	stored := messageContents{positions: storedChecksum(blob)}
	if state.Rooms, _, stored.rooms, roomsDamaged, err = parts[int64](ctx, r, "rooms", "moments"); err != nil {
		return nil, err
	}
	if state.Senders, _, stored.senders, sendersDamaged, err = parts[int64](ctx, r, "senders", "moments"); err != nil {
		return nil, err
	}
	if roomsDamaged || sendersDamaged || state.Last == 0 {
		return nil, nil
	}
	r.stored = stored
	return state, nil
}

// encodeMessages writes the span and the sets of positions, each with its length.
func encodeMessages(state *activity.MessageState) ([]byte, error) {
	s := state.MessageSpan
	content := encodeNumbers([]int64{s.Last, s.Arrived, s.Settled, s.First, s.Oldest, s.Since})
	for _, set := range state.Positions {
		encoded, err := set.ToBytes()
		if err != nil {
			return nil, err
		}
		content = slices.Concat(content, encodeNumbers([]int64{int64(len(encoded))}), encoded)
	}
	return content, nil
}

// decodeMessages is the reverse of encodeMessages, behind a checksum; nil if that is damaged.
func decodeMessages(blob []byte) (state *activity.MessageState) {
	defer func() { // the library trusts its input, which a checksum vouches for
		if recover() != nil {
			state = nil
		}
	}()
	content, err := verifyChecksum(messagesName, blob)
	if err != nil {
		return nil
	}
	span, err := decodeNumbers[int64](content[:6*8])
	if err != nil {
		return nil
	}
	state = &activity.MessageState{MessageSpan: activity.MessageSpan{
		Last: span[0], Arrived: span[1], Settled: span[2], First: span[3], Oldest: span[4], Since: span[5],
	}}
	for rest := content[6*8:]; len(rest) > 0; {
		size, err := decodeNumbers[int64](rest[:8])
		if err != nil {
			return nil
		}
		set := roaring64.New()
		if _, err := set.ReadFrom(bytes.NewReader(rest[8 : 8+size[0]])); err != nil {
			return nil
		}
		state.Positions = append(state.Positions, set)
		rest = rest[8+size[0]:]
	}
	return state
}
