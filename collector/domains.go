package collector

import (
	"maps"
	"slices"
	"unicode/utf8"
)

// A DomainSet is what a Reader has found of the domains of a server so far, by name,
// while it reads several tables and asks the running server.
type DomainSet map[string]*DomainBuilder

// A DomainBuilder is one domain of a DomainSet. Its accounts are native ones. Online
// comes from another source than last-seen times, so that a logout may be in neither.
type DomainBuilder struct {
	// HasLastSeen says that last-seen times are kept, Clients that classes of
	// clients are kept with them.
	HasLastSeen, Clients        bool
	Registered, Created, Online Count
	// AllAccounts and Guests are those of DomainFacts.
	AllAccounts bool
	Guests      Guests
	// Damaged is the number of last-seen times that could not be read; AnyReadable
	// says that at least one could. DamagedOther is the number of other records
	// that could not be read, such as those of clients.
	Damaged, DamagedOther int
	AnyReadable           bool
}

// ActivityKnown says whether it is known who was active. If all records are
// damaged, as after a power cut or when a version to come writes them otherwise,
// that must not look as if nobody was active.
func (d *DomainBuilder) ActivityKnown() bool {
	return d.HasLastSeen && (d.AnyReadable || d.Damaged == 0)
}

// Of returns a domain with what was found so far, and adds it if it is new.
func (f DomainSet) Of(name []byte) *DomainBuilder {
	d, ok := f[string(name)]
	if !ok {
		d = &DomainBuilder{}
		f[string(name)] = d
	}
	return d
}

// HasLastSeen returns true if last-seen times of any domain are kept.
func (f DomainSet) HasLastSeen() bool {
	for _, d := range f {
		if d.HasLastSeen {
			return true
		}
	}
	return false
}

// AllDamaged returns true if records are damaged and no domain is left for which it
// is known who was active.
func (f DomainSet) AllDamaged() bool {
	damaged := false
	for _, d := range f {
		if d.ActivityKnown() {
			return false
		}
		damaged = damaged || d.HasLastSeen && d.Damaged > 0
	}
	return damaged
}

// Facts returns the domains in the order of their names, without those whose
// name can be no label.
func (f DomainSet) Facts() (all []DomainFacts) {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if !utf8.ValidString(name) {
			continue
		}
		d := f[name]
		all = append(all, DomainFacts{
			Name: name, HasLastSeen: d.ActivityKnown(), Clients: d.Clients, Online: d.Online, LogoutsUnrecorded: d.Online.Known,
			Damaged: d.Damaged + d.DamagedOther, Registered: d.Registered.Native(), Created: d.Created.Native(),
			AllAccounts: d.AllAccounts, Guests: d.Guests,
		})
	}
	return all
}
