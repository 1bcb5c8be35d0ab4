package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// writeDetails prints all figures of each domain.
func writeDetails(w io.Writer, statuses []collector.Status) error {
	for i, s := range statuses {
		if i > 0 {
			_, _ = fmt.Fprintln(w)
		}
		if s.Snapshot == nil {
			_, _ = fmt.Fprintf(w, "%s: could not be read\n", s.Server)
			continue
		}
		_, _ = fmt.Fprintf(w, "%s: %s on %s\n", s.Server, strings.TrimSpace(s.Software+" "+s.Snapshot.Version), s.Snapshot.Database)
		for _, d := range s.Snapshot.Domains {
			if err := writeRows(w, row{domain: d.Name, figures: []string{"NUMBER"}}, detailsOf(d)); err != nil {
				return err
			}
		}
		for _, m := range s.Snapshot.Modules {
			if trouble := m.Trouble(); trouble != "" {
				_, _ = fmt.Fprintf(w, "  module %s of %s: %s\n", m.Name, m.Domain, trouble)
			}
		}
	}
	return nil
}

// details are rows, one for each figure of a domain.
type details []row

// detailsOf returns what the families chat_* say of a domain.
func detailsOf(d collector.Domain) []row {
	var all details
	all.active(d)
	all.returning(d)
	all.accounts(d)
	if d.Online.Known {
		all.add("online", d.Online.Number)
	}
	for _, m := range d.Messages {
		what := "within " + m.Window.String()
		all.add("sent a message "+what, m.Senders)
		all.add("rooms with a plain message "+what, m.Rooms)
		all.add("rooms with an encrypted message "+what, m.EncryptedRooms)
	}
	if d.History.Known {
		all.add("days of visits that are known", d.History.Number)
	}
	if d.Damaged > 0 {
		all.add("damaged records", d.Damaged)
	}
	return all
}

func (all *details) add(what string, n int) {
	*all = append(*all, row{domain: "  " + what, figures: []string{humanize.Comma(int64(n))}})
}

// cell adds a cell of what is split, unless it is merged with others.
func (all *details) cell(what string, n int) {
	if n != activity.Merged {
		all.add(what, n)
	}
}

// few adds the cells that are merged, if there are any.
func (all *details) few(what string, n int) {
	if n > 0 {
		all.add(what, n)
	}
}

// split adds users by kind of account and by class of client.
func (all *details) split(what string, kinds []collector.KindUsers, clients []collector.ClientUsers) {
	for _, k := range kinds {
		kind := k.Kind.String()
		if k.Kind == activity.FewKinds {
			kind = "of few types"
		}
		all.add(what+", "+kind, k.Users)
	}
	clients = slices.SortedFunc(slices.Values(clients), func(a, b collector.ClientUsers) int { return strings.Compare(a.Client, b.Client) })
	for _, c := range clients {
		client := c.Client
		if client == activity.FewName {
			client = "of few clients"
		}
		all.add(what+", "+client, c.Users)
	}
}

// active adds the users of windows and of months.
func (all *details) active(d collector.Domain) {
	for _, a := range d.Active {
		what := "active within " + a.Window.String()
		all.add(what, a.Users)
		all.split(what, a.Kinds, a.Clients)
	}
	for _, m := range d.Months {
		all.add("active in "+m.First.Start().Format("2006-01"), m.Users)
	}
}

// returning adds who comes again, who does not, and how often.
func (all *details) returning(d collector.Domain) {
	if d.Retention != nil {
		all.add("came back after 30 days (r30v2)", d.Retention.Users)
		all.split("r30v2", d.Retention.Kinds, d.Retention.Clients)
	}
	if g := d.Growth; g != nil {
		const what = "growth within 30 days, "
		all.cell(what+"new", g.New)
		all.cell(what+"retained", g.Retained)
		all.cell(what+"resurrected", g.Resurrected)
		all.cell(what+"churned", g.Churned)
		all.few(what+activity.FewName, g.Few)
	}
	for _, l := range d.Lifecycles {
		what := fmt.Sprintf("interval of %dd, ", l.Days)
		all.cell(what+"new", l.New)
		all.cell(what+"retained", l.Retained)
		all.cell(what+"resurrected", l.Resurrected)
		all.cell(what+"dormant", l.Dormant)
		all.few(what+activity.FewName, l.Few)
	}
	if d.Habit != nil {
		for _, days := range collector.HabitBounds() {
			users := 0
			for _, n := range d.Habit[:days+1] {
				users += n
			}
			all.add(fmt.Sprintf("came on at most %s of the last %d (L28)", number(days, "day"), activity.HabitDays), users)
		}
	}
}

// accounts adds the accounts by type and by age.
func (all *details) accounts(d collector.Domain) {
	for _, a := range d.Registered {
		all.add("accounts, "+string(a.Type), a.Users)
	}
	for _, a := range d.Created {
		all.add("accounts created within 24 hours, "+string(a.Type), a.Users)
	}
	if d.Dormancy != nil {
		for i, age := range activity.DormancyAges() {
			all.cell("accounts last seen "+age, d.Dormancy[i])
		}
		all.few("accounts last seen at few times", d.FewDormant)
	}
}
