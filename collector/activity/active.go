package activity

import "time"

// Active is the number of distinct users active within a window.
type Active struct {
	// Users is the number over all clients together.
	Users int
	// Clients holds the same by class, in the order of Classes.Names. A user of
	// two classes is in both.
	Clients []int
}

// ActiveAfter counts the users of the domain seen later than a moment. A server
// that prunes its last-seen times has complete ones from the moment kept on;
// before it, whole days of visits stand in, those that begin later than after
// and earlier than kept. The zero time says that nothing is pruned.
func (c *Calendar) ActiveAfter(domain string, after, kept time.Time) Active {
	return c.ActiveAfterEach(domain, []time.Time{after}, kept)[0]
}

// ActiveAfterEach is ActiveAfter for several moments.
func (c *Calendar) ActiveAfterEach(domain string, after []time.Time, kept time.Time) []Active {
	all := make([]Active, len(after))
	d, ok := c.domains[domain]
	if !ok {
		for i := range all {
			all[i].Clients = make([]int, len(c.classes.groups))
		}
		return all
	}
	for i, from := range after {
		all[i] = c.countSeen(d, from, kept)
	}
	return all
}

// Visitors counts the users of the domain who came on one of the given number
// of UTC days up to last, that day included.
func (c *Calendar) Visitors(domain string, last Day, days int) Active {
	active := Active{Clients: make([]int, len(c.classes.groups))}
	d, ok := c.domains[domain]
	if !ok {
		return active
	}
	sets := make([]userSet, c.classes.Clients())
	for date := last - Day(days) + 1; date <= last; date++ {
		if v, known := d.days[date]; known {
			for client, set := range v.dense() {
				sets[client].addAll(set)
			}
		}
	}
	c.count(sets, &active)
	return active
}

// DayVisitors counts the users of the domain who came on one UTC day.
func (c *Calendar) DayVisitors(domain string, date Day) int {
	d, ok := c.domains[domain]
	if !ok {
		return 0
	}
	v, known := d.days[date]
	switch {
	case !known:
		return 0
	case v.packed != nil:
		return v.users
	}
	var everyone userSet
	v.addTo(&everyone)
	return everyone.count()
}

// count adds up the sets of Clients by class and in all.
func (c *Calendar) count(sets []userSet, active *Active) {
	var everyone userSet
	for group, clients := range c.classes.groups {
		var members userSet
		for _, client := range clients {
			members.addAll(sets[client])
		}
		active.Clients[group] = members.count()
		everyone.addAll(members)
	}
	active.Users = everyone.count()
}
