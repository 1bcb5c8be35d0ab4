package activity

import (
	"math/bits"
	"slices"

	"github.com/dchest/siphash"
)

// A Kind is what an account is. Each account has one.
type Kind uint8

// The kinds. NoAccount is for a user without a reported account.
const (
	NoAccount Kind = iota
	Native         // a person's
	Bridged        // made by an application service (a bridge)
	Guest
	Bot         // native, and marked as a bot
	Support     // native, and marked as one of the operator's support
	Deactivated // whatever it was before
	Anonymous   // nobody's: its user gets in without one, and is another one the next time
	kinds
	// FewKinds is that of users of several kinds who are shown together; see Minimum.
	FewKinds = kinds
)

// ActiveKinds are the kinds that active users can have.
func ActiveKinds() []Kind {
	return []Kind{Native, Bridged, Guest, Bot, Support, Deactivated, Anonymous}
}

// String returns the kind as the label "type" has it.
func (k Kind) String() string {
	return [kinds + 1]string{"none", "native", "bridged", "guest", "bot", "support", "deactivated", "anonymous", FewName}[k]
}

// isNative says whether chat_registered_users counts the account as native.
func (k Kind) isNative() bool { return k == Native || k == Bot || k == Support }

// KindCounts are numbers of accounts or users by Kind.
type KindCounts [kinds]int

// An accountTable holds the accounts of a domain, even those of users
// who never came and have no number: so it is no part of the dictionary. It takes 8
// bytes and a half for each account, and never changes: calendars share it.
//
// An account is the highest 58 bits of the keyed hash of its name with a tag below.
// With n accounts the expected number of pairs that share them is n²/2⁵⁹.
type accountTable struct {
	accounts []uint64 // sorted
	// starts are the indexes of the first account for each value of the highest
	// bits, about eight accounts apart, and the number of all.
	starts []uint32
	shift  int
	counts [1 << tagBits]int // by tag
}

// A tag is a Kind, and the Age that the account has if the calendar knows no later
// activity of it.
type tag uint8

const (
	kindBits = 3
	tagBits  = 2 * kindBits
	tagMask  = 1<<tagBits - 1
)

// AccountHash returns what an account of a State has of the keyed hash of its name.
func AccountHash(accountOrHash uint64) uint64 { return accountOrHash &^ tagMask }

func tagOf(kind Kind, age Age) tag { return tag(age)<<kindBits | tag(kind) }

func (t tag) kind() Kind { return Kind(t & (1<<kindBits - 1)) }
func (t tag) age() Age   { return Age(t >> kindBits) }

// and returns what two reports of one account say together.
func (t tag) and(other tag) tag {
	return tagOf(max(t.kind(), other.kind()), min(t.age(), other.age()))
}

// ForgetAccounts implements Recorder.
func (c *Calendar) ForgetAccounts(domain []byte) {
	c.recent = recent{}
	d := c.domain(domain)
	d.accounts, d.reported = newAccountTable(nil), nil
}

// DropAccounts forgets the accounts of all domains, which are then not known: the
// reader reports all of them each time, and until then nobody asks for them.
func (c *Calendar) DropAccounts() {
	for _, d := range c.domains {
		d.accounts, d.reported, d.tagged = nil, nil, tagged{}
	}
}

// AllReported says that all accounts of a domain have been reported since the last
// ForgetLastSeen.
func (c *Calendar) AllReported(domain string) {
	if d := c.domain([]byte(domain)); d.accounts == nil {
		d.accounts = newAccountTable(nil)
	}
}

// Account implements Recorder.
func (c *Calendar) Account(domain, user []byte, kind Kind, age Age) {
	d := c.domain(domain)
	d.reported = append(d.reported, siphash.Hash(c.k0, c.k1, user)&^tagMask|uint64(tagOf(kind, age)))
}

// Accounts implements Recorder.
func (c *Calendar) Accounts(domain []byte) (counts KindCounts, known bool) {
	d, ok := c.domains[string(domain)]
	if !ok || d.accounts == nil {
		return counts, false
	}
	d.acceptReported()
	for t, n := range d.accounts.counts {
		counts[tag(t).kind()] += n
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
	for i := 0; i < len(d.reported); {
		hash, t := d.reported[i]&^tagMask, tag(d.reported[i]&tagMask)
		for i++; i < len(d.reported) && d.reported[i]&^tagMask == hash; i++ {
			t = t.and(tag(d.reported[i] & tagMask))
		}
		for len(known) > 0 && known[0]&^tagMask < hash {
			all, known = append(all, known[0]), known[1:]
		}
		if len(known) > 0 && known[0]&^tagMask == hash {
			known = known[1:]
		}
		if t.kind() != NoAccount { // else only the age of somebody is known
			all = append(all, hash|uint64(t))
		}
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

// tagged are the tags of users, by number, as long as neither accounts nor numbers
// change.
type tagged struct {
	accounts        *accountTable
	hashes, changed int
	tags            []tag
}

// tags returns the tag of each user, by number.
func (d *domain) tags() []tag {
	d.acceptReported()
	if t := d.tagged; t.accounts == d.accounts && t.hashes == len(d.hashes) && t.changed == d.changed {
		return t.tags
	}
	all := make([]tag, len(d.hashes))
	for n, hash := range d.hashes {
		if hash != unused {
			all[n] = d.accounts.of(hash)
		}
	}
	d.tagged = tagged{d.accounts, len(d.hashes), d.changed, all}
	return all
}

// byKind counts users by the kind of their account.
func (d *domain) byKind(users userSet, tags []tag) (counts KindCounts) {
	users.each(func(n int) { counts[tags[n].kind()]++ })
	return counts
}
