package history

import (
	"context"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/activity"
)

// Forget removes one person's past on a domain: hashes, last-seen times, visits and
// messages. A person is all users with one of the names, which are hashed at once. Server
// names the chat server, "" for all. It returns the number of servers that knew the
// person. Nothing of it is left in the file.
//
// The numbers of rows of days stay, so that they are not read again for that.
func (s *Store) Forget(ctx context.Context, server, domain string, names ...string) (servers int, err error) {
	return s.erase(ctx, "forget in the history", func(tx *sqlx.Tx) (n int, err error) {
		hashes := make(map[uint64]bool)
		for _, name := range names {
			hashes[s.key.Hash([]byte(name))] = true
		}
		var ids []int64
		query := `SELECT id FROM history_domains WHERE domain = ? AND (server = ? OR ? = '') ORDER BY id`
		if err := tx.SelectContext(ctx, &ids, tx.Rebind(query), domain, server, server); err != nil {
			return 0, err
		}
		for _, id := range ids {
			e := eraser{tx: tx, id: id, hashes: hashes, numbers: make(map[uint32]bool)}
			if err := e.erase(ctx); err != nil {
				return 0, err
			}
			if e.found {
				n++
			}
		}
		return n, nil
	})
}

// eraser removes some users from one domain of a server.
type eraser struct {
	tx      *sqlx.Tx
	id      int64
	hashes  map[uint64]bool
	numbers map[uint32]bool // of these users
	found   bool
}

func (e *eraser) erase(ctx context.Context) error {
	for _, table := range []struct {
		name, column string
		change       func(part int, numbers []int64) []int64
	}{{"users", "users", e.unhash}, {"last_seen", "moments", e.unsee}, {"senders", "moments", e.unsend}, {"accounts", "accounts", e.unlist}} {
		if err := e.parts(ctx, table.name, table.column, table.change); err != nil {
			return err
		}
	}
	if len(e.numbers) == 0 {
		return nil
	}
	return e.visits(ctx)
}

// unhash gives back the numbers of the users.
func (e *eraser) unhash(part int, hashes []int64) []int64 {
	for i, hash := range hashes {
		if hash != 0 && e.hashes[uint64(hash)] {
			e.numbers[uint32(part*partSize+i)] = true
			hashes[i] = 0
		}
	}
	return hashes
}

// unsee removes last-seen times, which stand under numbers, or in pairs with them.
func (e *eraser) unsee(part int, moments []int64) []int64 {
	if part == otherSeen {
		return withoutRows(moments, func(key int64) bool { return e.numbers[activity.NumberOfMoment(uint64(key))] })
	}
	for i := range moments {
		if e.numbers[uint32(part*partSize+i)] {
			moments[i] = activity.NeverSeen
		}
	}
	return moments
}

// unsend removes the times of messages, which stand behind hashes.
func (e *eraser) unsend(_ int, moments []int64) []int64 {
	return withoutRows(moments, func(hash int64) bool { return e.hashes[uint64(hash)] })
}

// unlist removes the accounts.
func (e *eraser) unlist(_ int, accounts []int64) []int64 {
	return slices.DeleteFunc(accounts, func(account int64) bool {
		for hash := range e.hashes {
			if activity.AccountHash(hash) == activity.AccountHash(uint64(account)) {
				return true
			}
		}
		return false
	})
}

// withoutRows removes those pairs of numbers whose first one is to go.
func withoutRows(pairs []int64, gone func(int64) bool) (kept []int64) {
	for pair := range slices.Chunk(pairs, 2) {
		if !gone(pair[0]) {
			kept = append(kept, pair...)
		}
	}
	return kept
}

// parts changes numbers that were written in parts.
func (e *eraser) parts(ctx context.Context, table, column string, change func(int, []int64) []int64) error {
	var rows []struct {
		Part    int
		Content []byte
	}
	if err := e.tx.SelectContext(ctx, &rows, e.tx.Rebind(`SELECT part, `+column+` AS content FROM history_`+table+` WHERE domain = ? ORDER BY part`), e.id); err != nil {
		return err
	}
	for _, row := range rows {
		what := fmt.Sprintf("%s %d", table, row.Part)
		content, numbers, sound := verifiedNumbers[int64](what, row.Content)
		if !sound {
			return fmt.Errorf("part %d of table history_%s: %w: history purge deletes the whole domain", row.Part, table, errFormat)
		}
		changed := encodeNumbers(change(row.Part, numbers))
		if slices.Equal(changed, content) {
			continue
		}
		e.found = true
		if _, err := e.tx.ExecContext(ctx, e.tx.Rebind(`UPDATE history_`+table+` SET `+column+` = ? WHERE domain = ? AND part = ?`), addChecksum(what, changed), e.id, row.Part); err != nil {
			return err
		}
	}
	return nil
}

// visits removes the users from the sets of all days, in the code that each is in.
func (e *eraser) visits(ctx context.Context) error {
	var days []struct {
		Day    int64
		Client string
		Visits int
		Users  []byte
	}
	if err := e.tx.SelectContext(ctx, &days, e.tx.Rebind(`SELECT day, client, visits, users FROM history_visits WHERE domain = ? ORDER BY day, client`), e.id); err != nil {
		return err
	}
	encoder := new(encoder)
	for _, row := range days {
		what := visitsOf(activity.Day(row.Day), row.Client, row.Visits)
		content, err := verifyChecksum(what, row.Users)
		if err != nil {
			continue // nobody can be found in it, and loading leaves it out
		}
		set, err := decodeSet(content)
		if err != nil {
			continue
		}
		set, before := set.Clone(), set.GetCardinality() // what is decoded may lie in the bytes
		for n := range e.numbers {
			set.Remove(n)
		}
		if set.GetCardinality() == before {
			continue
		}
		e.found = true
		changed, err := encoder.set(set, isHuffman(content))
		if err != nil {
			return err
		}
		if _, err := e.tx.ExecContext(ctx, e.tx.Rebind(`UPDATE history_visits SET users = ? WHERE domain = ? AND day = ? AND client = ?`), addChecksum(what, changed), e.id, row.Day, row.Client); err != nil {
			return err
		}
	}
	return nil
}
