package activity

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// visits are those of one day: a set of users for each Client. The days that
// r30v2 looks at are dense words, for the speed of counting; older ones are
// packed, for their number.
type visits struct {
	owner   *Calendar // who may change them: calendars share days that neither changes
	version *byte     // where it points to differs once they have been changed
	rows    int
	sets    []userSet         // by Client, nil when packed
	packed  []*roaring.Bitmap // by Client, nil when not
}

// denseDays is how many days are kept dense: those of r30v2, today and
// tomorrow, and one for late refreshes.
const denseDays = RetentionDays + 3

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
	default:
		v = &visits{owner: c, version: new(byte), rows: v.rows, sets: v.dense()}
		for client, set := range v.sets {
			v.sets[client] = slices.Clone(set)
		}
	}
	d.days[day] = v
	return v
}

// dense returns the sets as words, which may be shared.
func (v *visits) dense() []userSet {
	if v.sets != nil {
		return slices.Clone(v.sets)
	}
	sets := make([]userSet, len(v.packed))
	for client, set := range v.packed {
		if !set.IsEmpty() {
			sets[client] = set.ToDense()
		}
	}
	return sets
}

// has says whether a user came with a client of the class.
func (v *visits) has(n uint32, client Client) bool {
	if v.sets != nil {
		return v.sets[client].has(n)
	}
	return v.packed[client].Contains(n)
}

// addTo adds everybody who came to a set.
func (v *visits) addTo(everyone *userSet) {
	for _, set := range v.dense() {
		everyone.addAll(set)
	}
}

// bitmaps returns the sets compressed, which may be shared.
func (v *visits) bitmaps() []*roaring.Bitmap {
	if v.packed != nil {
		return v.packed
	}
	packed := make([]*roaring.Bitmap, len(v.sets))
	for client, set := range v.sets {
		packed[client] = roaring.FromDense(set, true)
		packed[client].RunOptimize()
	}
	return packed
}

// compacted returns the same visits in as little memory as they should take.
func (v *visits) compacted(date Day, pack bool) *visits {
	compact := &visits{owner: v.owner, version: v.version, rows: v.rows}
	if pack {
		compact.packed = v.bitmaps()
		return compact
	}
	compact.sets = v.dense()
	for client, set := range compact.sets {
		compact.sets[client] = set.staggered(int(date))
	}
	return compact
}
