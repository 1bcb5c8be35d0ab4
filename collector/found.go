package collector

import (
	"maps"
	"slices"
	"unicode/utf8"
)

// Found is what a Reader has found of the domains of a server, by name, while it
// gathers that from several tables and questions.
type Found map[string]*FoundDomain

// A FoundDomain is one of them. Its accounts are native ones.
type FoundDomain struct {
	// Activity says that last-seen times are kept.
	Activity                    bool
	Registered, Created, Online Count
	// Damaged is how many last-seen times could not be read; Good says that
	// one could.
	Damaged int
	Good    bool
}

// knows says whether it is known who was active. If all records are damaged, as
// when a version to come writes them otherwise, nobody must take that for
// nobody.
func (d *FoundDomain) knows() bool { return d.Activity && (d.Good || d.Damaged == 0) }

// Of returns a domain, with what was found before.
func (f Found) Of(name []byte) *FoundDomain {
	d, ok := f[string(name)]
	if !ok {
		d = &FoundDomain{}
		f[string(name)] = d
	}
	return d
}

// Activity says that last-seen times of any domain are kept.
func (f Found) Activity() bool {
	for _, d := range f {
		if d.Activity {
			return true
		}
	}
	return false
}

// Lost says that records are damaged, and no domain is left of which it is known
// who was active.
func (f Found) Lost() bool {
	damaged := false
	for _, d := range f {
		if d.knows() {
			return false
		}
		damaged = damaged || d.Damaged > 0
	}
	return damaged
}

// Facts returns the domains in the order of their names, without those whose
// name can be no label.
func (f Found) Facts() (all []DomainFacts) {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if !utf8.ValidString(name) {
			continue
		}
		d := f[name]
		all = append(all, DomainFacts{
			Name: name, Activity: d.knows(), Online: d.Online, Traceless: d.Online.Known, Damaged: d.Damaged,
			Registered: d.Registered.Native(), Created: d.Created.Native(),
		})
	}
	return all
}
