package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/expfmt"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/metric"
	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/usagereport"
	"active_users_exporter/config"
)

// addBackfill adds the command that writes figures of the past.
func addBackfill(app *kingpin.Application) command {
	cmd := app.Command("backfill", "Write figures of past days as OpenMetrics with timestamps, for promtool tsdb create-blocks-from openmetrics: "+
		"from the visits that Synapse keeps, from the history, and from stored usage reports.")
	source := addSourceFlags(cmd)
	addStorageFlag(cmd, source)
	var from, to string
	cmd.Flag("from", "First day (UTC), as in 2026-09-01.").Required().PlaceHolder("DATE").StringVar(&from)
	cmd.Flag("to", "Last day (UTC), at most yesterday.").Required().PlaceHolder("DATE").StringVar(&to)

	step := duration(time.Hour)
	enved{cmd}.Flag("step", "Time between two samples of a series: each value is repeated until the next one. Take the scrape interval for lines without gaps, 1d for one sample a day.").Default("1h").SetValue(&step)
	var job, instance string
	enved{cmd}.Flag("job", "Value of the label job; no such label if not set.").StringVar(&job)
	enved{cmd}.Flag("instance", "Value of the label instance; no such label if not set.").StringVar(&instance)

	return func(ctx context.Context, e environment) error {
		const shortest = 10 * time.Second
		if time.Duration(step) < shortest {
			return &usageError{&config.FlagError{Flag: "step", Value: step.String(), Err: fmt.Errorf("the shortest is %s", shortest)}}
		}
		first, err1 := time.Parse(time.DateOnly, from)
		last, err2 := time.Parse(time.DateOnly, to)
		if err1 != nil || err2 != nil || last.Before(first) {
			return &usageError{fmt.Errorf("--from=%s --to=%s: want two days such as 2026-09-01, the earlier one first", from, to)}
		}
		if yesterday := activity.DayOf(e.clock()) - 1; activity.DayOf(first) > yesterday {
			return &usageError{fmt.Errorf("--from=%s: the last day that is over is %s", from, yesterday)}
		}
		source.ServersOptional = true // stored reports are something to write
		c, err := source.Load()
		if err != nil {
			return &usageError{err}
		}
		b := backfill{environment: e, config: c, first: activity.DayOf(first), last: min(activity.DayOf(last), activity.DayOf(e.clock())-1)}
		b.repeat = metric.Repetition{Step: time.Duration(step), Hold: 24 * time.Hour, Until: e.clock(), Labels: labels(job, instance)}
		return b.run(ctx)
	}
}

// backfill is one run of the command.
type backfill struct {
	environment
	config      *config.Config
	first, last activity.Day
	repeat      metric.Repetition
}

// labels returns the labels that are set.
func labels(job, instance string) (all [][2]string) {
	for _, label := range [][2]string{{"job", job}, {"instance", instance}} {
		if label[1] != "" {
			all = append(all, label)
		}
	}
	return all
}

func (b backfill) run(ctx context.Context) error {
	days := make(map[activity.Day]*metric.Past[collector.Status])
	for date := b.first; date <= b.last; date++ {
		days[date] = &metric.Past[collector.Status]{At: (date + 1).Start()}
	}
	err := eachPast(ctx, b.environment, b.config, func(s config.Server, calendar *activity.Calendar, facts collector.Facts) {
		b.server(s, calendar, facts, days)
	})
	if err != nil {
		return err
	}
	var moments []metric.Past[collector.Status]
	for date := b.first; date <= b.last; date++ {
		moments = append(moments, *days[date])
	}
	reported, err := b.reports(ctx)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(b.stdout)
	if err := collector.WritePast(out, moments, b.repeat); err != nil {
		return err
	}
	repeat := b.repeat // a homeserver reports every three hours, and is shown for a while after
	repeat.Hold, repeat.Until = b.config.Reports.ExpireAfter, (b.last + 1).Start().Add(-time.Millisecond)
	if err := metric.WritePast(out, usagereport.Owner(), usagereport.Families(), reported, repeat); err != nil {
		return err
	}
	if _, err := expfmt.FinalizeOpenMetrics(out); err != nil {
		return err
	}
	return out.Flush()
}

// server adds what is known of one chat server to the days.
func (b backfill) server(s config.Server, calendar *activity.Calendar, facts collector.Facts, days map[activity.Day]*metric.Past[collector.Status]) {
	for date := b.first; date <= b.last; date++ {
		b.progress("%s: %s", s.Name, date)
		snapshot := &collector.Snapshot{At: days[date].At}
		for _, f := range facts.Domains {
			snapshot.Domains = append(snapshot.Domains, collector.PastDomain(date, f, calendar, b.config.Windows, b.config.Clients, b.config.Minimum))
		}
		days[date].Subjects = append(days[date].Subjects, collector.Status{Server: s.Name, Software: s.Software, Snapshot: snapshot})
	}
}

// reports returns the stored usage reports of the days.
func (b backfill) reports(ctx context.Context) (all []metric.Past[usagereport.Homeserver], err error) {
	if b.config.Storage.Location.IsZero() {
		return nil, nil
	}
	counts := make(map[string]uint64)
	err = reports.Each(ctx, b.config.Storage.Location, b.first.Start(), (b.last + 1).Start(), func(a reports.Archived) error {
		r, err := usagereport.Parse(a.Report)
		if err != nil {
			return nil //nolint:nilerr // stored by an exporter that was less strict
		}
		counts[r.Homeserver]++
		all = append(all, metric.Past[usagereport.Homeserver]{At: a.Received, Subjects: []usagereport.Homeserver{{
			Name: r.Homeserver, Software: r.Software, Statistics: r.Statistics, Info: r.Info, Reported: a.Received, Reports: counts[r.Homeserver],
		}}})
		return nil
	})
	slices.SortStableFunc(all, func(x, y metric.Past[usagereport.Homeserver]) int { return x.At.Compare(y.At) })
	return all, err
}

// progress shows people what is going on; nothing is printed for programs.
func (e environment) progress(format string, args ...any) {
	if isTerminal(e.stderr) {
		_, _ = fmt.Fprintf(e.stderr, "\r\x1b[K"+format, args...)
	}
}
