package activity

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// visits are those of one day: a set of users for each Client. Those of today change
// and are dense; others hardly ever do and are packed, since there are many days.
type visits struct {
	owner   *Calendar // who may change them: calendars share days that none of them changes
	version *byte     // where it points to differs once they have been changed
	rows    int
	sets    []userSet   // by Client, nil when packed
	packed  []packedSet // by Client, nil when not
	users   int         // of all clients, when packed
}

func (c *Calendar) newVisits() *visits {
	return &visits{owner: c, version: new(byte), sets: make([]userSet, c.classes.Clients())}
}

// writable returns the visits of a day, dense, that no other calendar shares.
func (c *Calendar) writable(d *domain, day Day) *visits {
	v, ok := d.days[day]
	switch {
	case !ok:
		v = c.newVisits()
	case v.owner == c && v.sets != nil:
		return v
	case v.sets != nil:
		v = &visits{owner: c, version: new(byte), rows: v.rows, sets: slices.Clone(v.sets)}
		for client, set := range v.sets {
			v.sets[client] = slices.Clone(set)
		}
	default:
		v = &visits{owner: c, version: new(byte), rows: v.rows, sets: v.dense()}
	}
	d.days[day] = v
	return v
}

// freeze makes sure that visits that are known under their version never change.
func (c *Calendar) freeze(v *visits) {
	if v.owner == c {
		v.owner = nil
		c.recent = recent{}
	}
}

// dense returns the sets as words, which may be shared.
func (v *visits) dense() []userSet {
	if v.sets != nil {
		return v.sets
	}
	sets := make([]userSet, len(v.packed))
	for client, set := range v.packed {
		set.addTo(&sets[client])
	}
	return sets
}

// addTo adds everybody who came to a set.
func (v *visits) addTo(everyone *userSet) {
	for _, set := range v.sets {
		everyone.addAll(set)
	}
	for _, set := range v.packed {
		set.addTo(everyone)
	}
}

// addClientTo adds those who came with a client of a class to a set.
func (v *visits) addClientTo(client Client, set *userSet) {
	if v.sets != nil {
		set.addAll(v.sets[client])
	} else {
		v.packed[client].addTo(set)
	}
}

// bitmaps returns the sets as Roaring bitmaps, which have a form that can be stored.
func (v *visits) bitmaps() []*roaring.Bitmap {
	all := make([]*roaring.Bitmap, max(len(v.sets), len(v.packed)))
	for client, set := range v.dense() {
		all[client] = roaring.FromDense(set, true)
		all[client].RunOptimize()
	}
	return all
}

// pack returns the same visits packed.
func (v *visits) pack() *visits {
	packed := &visits{version: v.version, rows: v.rows, packed: make([]packedSet, len(v.sets))}
	var everyone userSet
	for client, set := range v.sets {
		packed.packed[client] = pack(set)
		everyone.addAll(set)
	}
	packed.users = everyone.count()
	return packed
}
