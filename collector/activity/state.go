package activity

import (
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
)

// State is all that a Calendar knows of one domain, in a form that can be
// stored. What State returns is shared with the calendar and must not be
// changed; what Restore is given belongs to the calendar from then on.
type State struct {
	// Hashes are the keyed hashes of the users, by number; 0 for a number that
	// is not in use.
	Hashes []uint64
	// Changed differs from that of an earlier State unless Hashes has only grown.
	Changed int
	// Seen returns the newest moments by number, and those with other classes of clients
	// than the newest, each behind a key that NumberOfMoment understands, in the order of
	// keys. It is nil where visits are recorded here, because such a server reports them
	// again.
	Seen func() (newest, others []int64)
	// Progress is how far the reading of last-seen times has come.
	Progress Progress
	// Days are the visits by day.
	Days map[Day]DayState
	// Recorded says that the visits were recorded here, since the given day.
	Recorded bool
	Since    Day
	// Observed are the days on which the records were read, sorted.
	Observed []Day
	// Messages is nil if nothing is known of them.
	Messages *MessageState
	// Accounts are the accounts, each with its kind and age, sorted by their hashes; see
	// AccountHash. They are nil if they are not known, and left out where visits are
	// recorded here, because such a server reports them again. AccountsVersion differs
	// from that of an earlier State if they have changed.
	Accounts        []uint64
	AccountsVersion any
	// Notes are those of the reader, nil for none; see Recorder.
	Notes []byte
}

// DayState are the visits of one day.
type DayState struct {
	// Version differs from that of an earlier State if the day has changed.
	Version any
	Rows    int
	// Sets returns the sets of users' numbers by Client.
	Sets func() []*roaring.Bitmap
}

// State returns what is known of a domain.
func (c *Calendar) State(name string) State {
	d, ok := c.domains[name]
	if !ok {
		return State{}
	}
	s := State{
		Hashes: d.hashes, Changed: d.changed,
		Days: make(map[Day]DayState, len(d.days)), Recorded: d.recorded, Since: d.since, Observed: d.observed,
		Progress: d.reading.progress,
		Messages: d.messages.state(), Notes: d.notes,
	}
	if !d.recorded {
		s.Seen = d.stored
		if d.accounts != nil && len(d.reported) == 0 {
			s.Accounts, s.AccountsVersion = d.accounts.accounts, d.accounts
		}
	}
	for date, v := range d.days {
		s.Days[date] = DayState{Version: v.version, Rows: v.rows, Sets: v.bitmaps}
	}
	return s
}

// Restore makes a domain what it was when its State was taken. Sets of more
// clients than there are now, and numbers beyond those in use, are left out.
func (c *Calendar) Restore(name string, s State) {
	c.recent = recent{}
	d := &domain{days: make(map[Day]*visits, len(s.Days)), recorded: s.Recorded, since: s.Since, observed: s.Observed, messages: c.restoreMessages(s.Messages), notes: s.Notes}
	d.reading.progress = s.Progress
	c.shareObserved(d)
	d.hashes, d.changed = s.Hashes, s.Changed
	for n, hash := range d.hashes {
		if hash == unused {
			d.free = append(d.free, uint32(n))
		}
	}
	d.rehash(fewSlots(len(d.hashes)))
	d.restore(s, func(n uint64) bool { return n < uint64(len(d.hashes)) && d.hashes[n] != unused })
	if len(s.Accounts) > 0 && slices.IsSorted(s.Accounts) {
		d.accounts = newAccountTable(s.Accounts)
	}
	var inUse userSet
	for n, hash := range d.hashes {
		if hash != unused {
			inUse.add(uint32(n))
		}
	}
	r := restorer{clients: c.classes.Clients(), inUse: inUse}
	for date, state := range s.Days {
		d.days[date] = r.visits(state)
	}
	c.domains[name] = d
}

// A restorer packs the visits of one day after the other, in the same memory.
type restorer struct {
	clients        int
	inUse          userSet // the numbers that users have
	came, everyone userSet // with one client, with all
}

// visits returns the visits of a day.
func (r *restorer) visits(state DayState) *visits {
	v := &visits{version: new(byte), rows: state.Rows, packed: make([]packedSet, r.clients)}
	clear(r.everyone)
	for client, set := range state.Sets() {
		if client >= r.clients || set == nil {
			continue
		}
		clear(r.came)
		r.came.grow(int(set.DenseSize()))
		set.WriteDenseTo(r.came)
		r.came.keepAll(r.inUse)
		v.packed[client] = pack(r.came)
		r.everyone.addAll(r.came)
	}
	v.users = r.everyone.count()
	return v
}

// Label names a Client in a way that outlasts changes of the rules: by the name of
// its class, and by Synapse's class.
func (c *Classes) Label(client Client) string {
	for group, clients := range c.groups {
		if slices.Contains(clients, client) {
			for synapse, all := range c.bySynapse {
				if slices.Contains(all, client) {
					return c.names[group] + "/" + SynapseNames()[synapse]
				}
			}
		}
	}
	return "unknown/unknown"
}

// ByLabel returns the Client of a label. One of a class that no longer exists
// becomes what it is for Synapse.
func (c *Classes) ByLabel(label string) Client {
	name, synapseName, _ := strings.Cut(label, "/")
	synapse := max(0, slices.Index(SynapseNames(), synapseName))
	group := slices.Index(c.names, name)
	if group < 0 || len(c.rules) == 0 {
		group = synapse
	}
	return c.table[group][synapse]
}

// Fingerprint is the same for the same rules alone.
func (c *Classes) Fingerprint() string {
	var text strings.Builder
	for _, r := range c.rules {
		text.WriteString(r.Name + "\x00any\x00" + strings.Join(r.Any, "\x00") + "\x00all\x00" + strings.Join(r.All, "\x00") + "\x01")
	}
	return text.String()
}
