package history

import (
	"context"
	"fmt"
	"math/bits"

	"active_users_exporter/collector/activity"
)

// Accounts are stored so that a restart need not ask the chat server for all of them. They
// are in order of their hashes; a part has those that begin with the same bits, about
// accountsInPart, so that a new account changes one part alone.

const accountsInPart = 4096

// accountContents is what is stored of accounts.
type accountContents struct {
	version any            // State.AccountsVersion
	sums    map[int]uint64 // checksums by part
}

// accounts writes the accounts, as far as they have changed.
func (w *writer) accounts(ctx context.Context, state activity.State) error {
	w.new.accounts = accountContents{state.AccountsVersion, w.old.accounts.sums}
	if state.AccountsVersion == w.old.accounts.version {
		return nil
	}
	w.new.accounts.sums = make(map[int]uint64)
	shift := 64 - bits.Len(uint(len(state.Accounts)/accountsInPart))
	for rest := state.Accounts; len(rest) > 0; {
		part, n := rest[0]>>shift, 1
		for n < len(rest) && rest[n]>>shift == part {
			n++
		}
		if err := w.part(ctx, "accounts", "accounts", int(part), encodeNumbers(rest[:n]), w.old.accounts.sums, w.new.accounts.sums); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return w.gone(ctx, "accounts", w.old.accounts.sums, w.new.accounts.sums)
}

// accounts reads the accounts, nil if they are not known. If any of them are damaged, all
// are read again from the chat server.
func (r *reader) accounts(ctx context.Context) (all []uint64, err error) {
	var rows []struct {
		Part     int
		Accounts []byte
	}
	if err := r.db.SelectContext(ctx, &rows, r.db.Rebind(`SELECT part, accounts FROM history_accounts WHERE domain = ? ORDER BY part`), r.row.ID); err != nil {
		return nil, err
	}
	r.accountSums = make(map[int]uint64)
	all = make([]uint64, 0, len(rows)*2*accountsInPart)
	for _, row := range rows {
		what := fmt.Sprintf("accounts %d", row.Part)
		_, accounts, sound := verifiedNumbers[uint64](what, row.Accounts)
		if !sound {
			r.damaged("which accounts there are")
			return nil, nil
		}
		all = append(all, accounts...)
		r.accountSums[row.Part] = storedChecksum(row.Accounts)
	}
	return all, nil
}
