package years_test

import (
	"fmt"

	"active_users_exporter/collector"
)

// shown are the figures of a snapshot, under the names that known.count gives them.
func shown(s *collector.Snapshot) figures {
	d := s.Domains[0]
	f := figures{"damaged": d.Damaged}
	f.talk(s)
	if s.Online != collector.OnlineNotApplicable {
		f["is online known"] = 0
		if s.Online == collector.OnlineKnown {
			f["is online known"] = 1
		}
	}
	if d.Online.Known {
		f["online"] = d.Online.Number
	}
	for _, a := range d.Registered {
		f["registered "+string(a.Type)] = a.Users
	}
	for _, a := range d.Created {
		f["created "+string(a.Type)] = a.Users
	}
	for _, a := range d.Active {
		name := "active " + a.Window.String()
		f[name] = a.Users
		f.clients(name, a.Clients)
		f.kinds(name, a.Kinds)
	}
	if d.History.Known {
		f["history"] = d.History.Number
	}
	if d.Retention != nil {
		f["r30v2"] = d.Retention.Users
		f.clients("r30v2", d.Retention.Clients)
		f.kinds("r30v2", d.Retention.Kinds)
	}
	if d.Habit != nil {
		for n := 1; n <= 28; n++ {
			f[fmt.Sprintf("on %d of 28 days", n)] = d.Habit[n]
		}
	}
	f.past(d)
	if d.Month.Known {
		f["visitors of 30 days"] = d.Month.Number
	}
	if d.HalfYear.Known {
		f["visitors of 180 days"] = d.HalfYear.Number
	}
	return f
}

// past are the figures that need a long history.
func (f figures) past(d collector.Domain) {
	if g := d.Growth; g != nil {
		f.accounting("growth", g.Active, g.Before, g.New, g.Retained, g.Resurrected, g.Churned)
	}
	for _, l := range d.Lifecycles {
		f.accounting(fmt.Sprintf("lifecycle %d", l.Days), l.Active, l.Before, l.New, l.Retained, l.Resurrected, l.Dormant)
	}
	if d.Dormancy != nil {
		for age, label := range []string{"0-7d", "7-30d", "30-90d", "90-180d", "180-365d", "365d-", "never", "unknown"} {
			f["dormant "+label] = d.Dormancy[age]
		}
	}
	for _, m := range d.Months {
		f["month "+m.First.Start().Format("2006-01")] = m.Users
	}
	for _, c := range d.Cohorts {
		for week, users := range c.Users {
			f[fmt.Sprintf("cohort of %s in week %d", c.Week, week)] = users
		}
	}
	for i, c := range d.Daily {
		if c.Known {
			f[fmt.Sprintf("on day -%d", len(d.Daily)-i)] = c.Number
		}
	}
}

func (f figures) clients(name string, clients []collector.ClientUsers) {
	for _, c := range clients {
		f[name+" "+c.Client] = c.Users
	}
}

// kinds leaves out empty ones.
func (f figures) kinds(name string, kinds []collector.KindUsers) {
	for _, k := range kinds {
		if k.Users > 0 {
			f[name+" "+k.Kind.String()+" accounts"] = k.Users
		}
	}
}

func (f figures) accounting(name string, active, before, fresh, retained, back, gone int) {
	f[name+" active"], f[name+" before"], f[name+" new"] = active, before, fresh
	f[name+" retained"], f[name+" back"], f[name+" gone"] = retained, back, gone
}
