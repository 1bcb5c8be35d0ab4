package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/config"
)

// monthReport says how many people were active in a calendar month.
type monthReport struct {
	first, last activity.Day // of the month (UTC), up to today if it is not over
	over        bool
	minDays     int
	servers     []monthServer
}

// monthServer is what is known of the month of one chat server.
type monthServer struct {
	name    string
	domains []collector.MonthUsers
}

// reportMonth prints how many people were active in a month on so many days of it.
func reportMonth(ctx context.Context, e environment, source config.Source, flags reportFlags) error {
	now := e.clock()
	start, err := time.Parse("2006-01", flags.month)
	if err != nil {
		return &usageError{fmt.Errorf("--month=%s: want a month such as 2026-11", flags.month)}
	}
	first, next := activity.MonthOf(start)
	today := activity.DayOf(now)
	if first > today {
		return &usageError{fmt.Errorf("--month=%s: has not begun", flags.month)}
	}
	r := monthReport{first: first, last: min(next-1, today), over: next <= today, minDays: max(1, flags.minDays)}
	c, err := source.Load()
	if err != nil {
		return &usageError{err}
	}
	logWarnings(e.logger, c)
	err = eachPast(ctx, e, c, func(s config.Server, calendar *activity.Calendar, facts collector.Facts) {
		server := monthServer{name: s.Name}
		for _, f := range facts.Domains {
			if f.HasLastSeen && !f.KeepsVisits { // as a refresh does: who came since the last one
				calendar.Observe(f.Name, now)
				calendar.RecordVisits(f.Name, now)
			}
			server.domains = append(server.domains, collector.UsersOfMonth(first, r.minDays, now, f, calendar, c.Minimum))
		}
		r.servers = append(r.servers, server)
	})
	if err != nil {
		return err
	}
	write := r.writeTable
	if *flags.output == "json" {
		write = r.writeJSON
	}
	if err := write(e.stdout); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return r.complete()
}

// complete returns an error if the month is not known of every domain.
func (r monthReport) complete() error {
	for _, s := range r.servers {
		for _, d := range s.domains {
			if d.Unknown != "" {
				return fmt.Errorf("%s is not known of every domain: nothing is shown of %s, because %s", r.name(), d.Domain, d.Unknown)
			}
		}
	}
	return nil
}

// name is the month as people write it.
func (r monthReport) name() string { return r.first.Start().Format("January 2006") }

// writeTable prints the users of each domain by kind of account, and what is counted.
func (r monthReport) writeTable(w io.Writer) error {
	state := ""
	if !r.over {
		state = "; not over"
	}
	_, _ = fmt.Fprintf(w, "Active users of %s (%s to %s, UTC%s)\n\n", r.name(), r.first, r.last, state)
	head, kinds := row{server: "SERVER", domain: "DOMAIN", figures: []string{"USERS"}}, r.kinds()
	for _, kind := range kinds {
		head.figures = append(head.figures, strings.ToUpper(kind.String()))
	}
	var rows []row
	var notes []string
	for _, s := range r.servers {
		for _, d := range s.domains {
			next := row{server: s.name, domain: d.Domain}
			if d.Unknown != "" {
				next.sentence = "not known: " + d.Unknown
				rows = append(rows, next)
				continue
			}
			next.figures = []string{humanize.Comma(int64(d.Users))}
			for _, kind := range kinds {
				next.figures = append(next.figures, usersOf(d, kind))
			}
			rows = append(rows, next)
			if d.Off > 0 {
				notes = append(notes, fmt.Sprintf("%s: the exporter was off on %s: who came only then is missing.", d.Domain, number(d.Off, "day")))
			}
		}
	}
	if err := writeRows(w, head, rows); err != nil {
		return err
	}
	notes = append([]string{
		"Counted are distinct users who were active on at least " + number(r.minDays, "UTC day") + " of the",
		"month. The columns are types of accounts as they are now, without types that",
		"nobody has. An account has one type, so the columns add up to USERS.",
	}, notes...)
	_, err := fmt.Fprintln(w, "\n"+strings.Join(notes, "\n"))
	return err
}

// kinds are those that any user of the month has.
func (r monthReport) kinds() (all []activity.Kind) {
	for _, kind := range append(activity.ActiveKinds(), activity.FewKinds) {
		for _, s := range r.servers {
			for _, d := range s.domains {
				if slices.ContainsFunc(d.Kinds, func(k collector.KindUsers) bool { return k.Kind == kind && k.Users > 0 }) && !slices.Contains(all, kind) {
					all = append(all, kind)
				}
			}
		}
	}
	return all
}

// usersOf returns the users of a kind as people read it.
func usersOf(d collector.MonthUsers, kind activity.Kind) string {
	for _, k := range d.Kinds {
		if k.Kind == kind {
			return humanize.Comma(int64(k.Users))
		}
	}
	return unknown
}

// writeJSON prints an array of samples: for each domain all users, and those of each kind
// with the label type. Domains without a known month are absent.
func (r monthReport) writeJSON(w io.Writer) error {
	samples := []sample{}
	for _, s := range r.servers {
		for _, d := range s.domains {
			if d.Unknown != "" {
				continue
			}
			add := func(kind string, users int) {
				labels := map[string]string{"server": s.name, "domain": d.Domain, "month": r.first.Start().Format("2006-01"), "min_days": strconv.Itoa(r.minDays)}
				if kind != "" {
					labels["type"] = kind
				}
				samples = append(samples, sample{"chat_month_users", labels, float64(users)})
			}
			add("", d.Users)
			for _, k := range d.Kinds {
				add(k.Kind.String(), k.Users)
			}
		}
	}
	return encodeSamples(w, samples)
}
