package collector_test

import (
	"testing"

	"active_users_exporter/collector"
)

// If all records of a domain are damaged, who was active is not known, which is not
// nobody. If that is so on every domain that keeps records, the server has failed.
func TestAllDamagedIsNotNobody(t *testing.T) {
	var (
		good        = collector.DomainBuilder{HasLastSeen: true, AnyReadable: true, Damaged: 3}
		empty       = collector.DomainBuilder{HasLastSeen: true}
		damaged     = collector.DomainBuilder{HasLastSeen: true, Damaged: 3}
		accounts    = collector.DomainBuilder{Registered: collector.Known(5)}
		clientsOnly = collector.DomainBuilder{Registered: collector.Known(5), DamagedOther: 1}
		noClients   = collector.DomainBuilder{HasLastSeen: true, DamagedOther: 1}
	)
	for name, c := range map[string]struct {
		domains    []collector.DomainBuilder
		known      []bool
		allDamaged bool
	}{
		"no domain":                   {nil, nil, false},
		"some damaged":                {[]collector.DomainBuilder{good}, []bool{true}, false},
		"a new server":                {[]collector.DomainBuilder{empty}, []bool{true}, false},
		"all damaged":                 {[]collector.DomainBuilder{damaged}, []bool{false}, true},
		"all of one domain":           {[]collector.DomainBuilder{damaged, good}, []bool{false, true}, false},
		"beside one without activity": {[]collector.DomainBuilder{damaged, accounts}, []bool{false, false}, true},
		"no activity kept":            {[]collector.DomainBuilder{accounts}, []bool{false}, false},
		"nor clients":                 {[]collector.DomainBuilder{clientsOnly}, []bool{false}, false},
		"clients damaged":             {[]collector.DomainBuilder{noClients}, []bool{true}, false},
	} {
		set := make(collector.DomainSet)
		for i := range c.domains {
			set[string(rune('a'+i))] = &c.domains[i]
		}
		if set.AllDamaged() != c.allDamaged {
			t.Errorf("%s: all damaged %v", name, !c.allDamaged)
		}
		facts := set.Facts()
		if len(facts) != len(c.known) {
			t.Fatalf("%s: %d domains, want %d", name, len(facts), len(c.known))
		}
		for i, f := range facts {
			if f.HasLastSeen != c.known[i] || f.Damaged != c.domains[i].Damaged+c.domains[i].DamagedOther {
				t.Errorf("%s: domain %s: who was active is known: %v, damaged %d", name, f.Name, f.HasLastSeen, f.Damaged)
			}
		}
	}
}
