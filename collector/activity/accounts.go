package activity

import (
	"math/bits"
	"slices"

	"github.com/dchest/siphash"
)

// A Kind is what an account is. Each account has one.
type Kind uint8

// The kinds. NoAccount is that of a user of whom no account was reported.
const (
	NoAccount Kind = iota
	Native         // a person's
	Bridged        // made by an application service (a bridge)
	Guest
	Bot         // native, and marked as a bot
	Support     // native, and marked as one of the operator's support
	Deactivated // whatever it was before
	kinds
)

// ActiveKinds are the kinds that active users can have.
func ActiveKinds() []Kind { return []Kind{Native, Bridged, Guest, Bot, Support, Deactivated} }

// String returns the kind as the label "type" has it.
func (k Kind) String() string {
	return [kinds]string{"none", "native", "bridged", "guest", "bot", "support", "deactivated"}[k]
}

// isNative says whether chat_registered_users counts the account as native.
func (k Kind) isNative() bool { return k == Native || k == Bot || k == Support }

// KindCounts are numbers of accounts or users by Kind.
type KindCounts [kinds]int

// An accountTable holds the accounts of a domain, most of which may belong to users
// who never came and have no number: so it is no part of the dictionary. It takes 8
// bytes and a half for each account, and never changes: calendars share it.
//
// An account is the highest 60 bits of the keyed hash of its name with a tag below.
// With n accounts the expected number of pairs that share them is n²/2⁶¹.
type accountTable struct {
	accounts []uint64 // sorted
	// starts are the indexes of the first account for each value of the highest
	// bits, about eight accounts apart, and the number of all.
	starts []uint32
	shift  int
	counts [1 << tagBits]int // by tag
}

// A tag is a Kind, with tracedBit if all activity since the account was created
// is known.
type tag uint8

const (
	tagBits       = 4
	tagMask       = 1<<tagBits - 1
	tracedBit tag = 1 << (tagBits - 1)
)

func (t tag) kind() Kind   { return Kind(t &^ tracedBit) }
func (t tag) traced() bool { return t&tracedBit != 0 }

// ForgetAccounts implements Recorder.
func (c *Calendar) ForgetAccounts(domain []byte) {
	c.recent = recent{}
	d := c.domain(domain)
	d.accounts, d.reported = newAccountTable(nil), nil
}

// Account implements Recorder.
func (c *Calendar) Account(domain, user []byte, kind Kind, traced bool) {
	d := c.domain(domain)
	t := tag(kind)
	if traced {
		t |= tracedBit
	}
	d.reported = append(d.reported, siphash.Hash(c.k0, c.k1, user)&^tagMask|uint64(t))
}

// Accounts implements Recorder.
func (c *Calendar) Accounts(domain []byte) (counts KindCounts, known bool) {
	d, ok := c.domains[string(domain)]
	if !ok || d.accounts == nil {
		return counts, false
	}
	d.acceptReported()
	for t, n := range d.accounts.counts {
		if k := tag(t).kind(); k < kinds {
			counts[k] += n
		}
	}
	return counts, true
}

// acceptReported takes the accounts that were reported lately into the table.
func (d *domain) acceptReported() {
	if len(d.reported) == 0 || d.accounts == nil {
		return
	}
	slices.Sort(d.reported)
	known, all := d.accounts.accounts, make([]uint64, 0, len(d.accounts.accounts)+len(d.reported))
	for i, account := range d.reported {
		if i+1 < len(d.reported) && d.reported[i+1]&^tagMask == account&^tagMask {
			continue // reported twice
		}
		for len(known) > 0 && known[0]&^tagMask < account&^tagMask {
			all, known = append(all, known[0]), known[1:]
		}
		if len(known) > 0 && known[0]&^tagMask == account&^tagMask {
			known = known[1:]
		}
		all = append(all, account)
	}
	d.accounts, d.reported = newAccountTable(exact(append(all, known...))), nil
}

// newAccountTable returns the table of accounts, which are sorted.
func newAccountTable(accounts []uint64) *accountTable {
	buckets := max(0, bits.Len(uint(len(accounts)))-3) // as a power of two
	t := &accountTable{accounts: accounts, starts: make([]uint32, 1<<buckets+1), shift: 64 - buckets}
	next := 0
	for i, account := range accounts {
		t.counts[account&tagMask]++
		for ; next <= int(account>>t.shift); next++ {
			t.starts[next] = uint32(i)
		}
	}
	for ; next < len(t.starts); next++ {
		t.starts[next] = uint32(len(accounts))
	}
	return t
}

// of returns the tag of the account of a hash, or that of NoAccount.
func (t *accountTable) of(hash uint64) tag {
	bucket := hash >> t.shift
	for _, account := range t.accounts[t.starts[bucket]:t.starts[bucket+1]] {
		if account&^tagMask == hash&^tagMask {
			return tag(account & tagMask)
		}
	}
	return tag(NoAccount)
}

// tags returns the tag of each user, by number.
func (d *domain) tags() []tag {
	d.acceptReported()
	all := make([]tag, len(d.hashes))
	for n, hash := range d.hashes {
		if hash != unused {
			all[n] = d.accounts.of(hash)
		}
	}
	return all
}
