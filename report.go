package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"sync"

	"github.com/alecthomas/kingpin/v2"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"active_users_exporter/collector"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/storage"
	"active_users_exporter/config"
	"active_users_exporter/web"
)

// addReport adds the command that refreshes once and prints.
func addReport(app *kingpin.Application) command {
	cmd := app.Command("report", "Read each chat server once and print its figures.")
	source := addSourceFlags(cmd)
	addStorageFlag(cmd, source)
	addReportsFlag(cmd, source)
	var r reportFlags
	r.output = enved{cmd}.Choice("output", "Format: table, json or openmetrics; html or text is a letter to people about a month or a week.", "table", "json", "openmetrics", "html", "text")
	enved{cmd}.Flag("long", "With a table: all figures chat_* of each domain, one in a line. What only one chat server has, such as usage reports, is in json and openmetrics.").BoolVar(&r.long)
	cmd.Flag("month", "A month (UTC), as in 2026-11: as a table or as JSON, how many people were active in it, by kind of account; else the month of the letter, the last one that is over if not set.").PlaceHolder("MONTH").StringVar(&r.month)
	cmd.Flag("min-days", "With --month: on how many days of it a person was active at least; 1 if not set.").PlaceHolder("DAYS").IsSetByUser(&r.minDaysSet).IntVar(&r.minDays)
	cmd.Flag("week", "The week (UTC, ISO 8601) of the letter, as in 2026-W45, instead of a month.").PlaceHolder("WEEK").StringVar(&r.week)
	return func(ctx context.Context, e environment) error {
		if err := r.check(); err != nil {
			return &usageError{err}
		}
		switch output := *r.output; {
		case output == "html" || output == "text":
			return writeLetter(ctx, e, *source, r.month, r.week, output == "html")
		case r.month != "":
			return reportMonth(ctx, e, *source, r)
		}
		statuses, err := refreshOnce(ctx, *source, e)
		if err != nil {
			return err
		}
		switch *r.output {
		case "json":
			err = writeJSON(e.stdout, source.ChatServers(), statuses)
		case "openmetrics":
			err = writeOpenMetrics(e.stdout, source.ChatServers(), statuses)
		default:
			err = writeTables(e.stdout, statuses, r.long)
		}
		if err != nil {
			return fmt.Errorf("print the report: %w", err)
		}
		return anyDown(statuses)
	}
}

// reportFlags say what a report is about, and how it is written.
type reportFlags struct {
	output      *string
	long        bool
	month, week string
	minDays     int // 0 if not set
	minDaysSet  bool
}

// check finds flags that do not go together.
func (r reportFlags) check() error {
	letter := *r.output == "html" || *r.output == "text"
	const mostDays = 31
	switch {
	case r.week != "" && !letter:
		return fmt.Errorf("--week is for --output=html and --output=text, not %s", *r.output)
	case r.month != "" && *r.output == "openmetrics":
		return errors.New("--month is for --output=table, json, html and text, not openmetrics: use backfill")
	case r.long && (*r.output != "table" || r.month != ""):
		return errors.New("--long is for --output=table without --month")
	case r.minDaysSet && (r.month == "" || letter):
		return errors.New("--min-days is for --month with --output=table or json")
	case r.minDaysSet && (r.minDays < 1 || r.minDays > mostDays):
		return fmt.Errorf("--min-days=%d: want a number of days from 1 to %d", r.minDays, mostDays)
	}
	return nil
}

// refreshOnce refreshes every configured server, all at the same time, until nothing is
// left to read. What fails is logged.
func refreshOnce(ctx context.Context, source config.Source, e environment) ([]collector.Status, error) {
	c, err := source.Load()
	if err != nil {
		return nil, &usageError{err}
	}
	logWarnings(e.logger, c)
	recorded := history.NewReader(c.Storage.Location, c.Storage.KeyFile)
	defer func() { _ = recorded.Close() }()
	unusable := recorded.Check(ctx)
	if unusable != nil && !errors.Is(unusable, storage.ErrEmpty) {
		_ = level.Error(e.logger).Log("msg", "the history cannot be used", "err", unusable)
	}
	exporter := NewExporter(source, e.clock, e.logger)
	statuses := make([]collector.Status, len(c.Servers))
	var wait sync.WaitGroup
	for i, s := range c.Servers {
		settings := settingsOf(s, c)
		settings.halfYear = false // reports do not show it
		options := exporter.options(settings)
		if unusable == nil {
			options.Key, options.History = recorded.Key(), recorded
		}
		refresher := collector.NewRefresher(options)
		wait.Go(func() {
			if isTerminal(e.stderr) {
				_, _ = fmt.Fprintf(e.stderr, "%s: reading ...\n", s.Name)
			}
			for reads := true; reads; { // it logs its error and keeps it in the status
				err := refresher.Refresh(ctx)
				statuses[i] = refresher.Status()
				reads = err == nil && statuses[i].Snapshot != nil && statuses[i].Snapshot.Unfinished
			}
			refresher.Close()
		})
	}
	wait.Wait()
	return statuses, ctx.Err()
}

// anyDown returns errReported if a server could not be read; the log says why.
func anyDown(statuses []collector.Status) error {
	for _, s := range statuses {
		if !s.Up {
			return errReported
		}
	}
	return nil
}

// sample is one line of a report in JSON.
type sample struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
	Value  float64           `json:"value"`
}

func registryOf(kinds []chatserver.Kind, statuses []collector.Status) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	all := web.Families(kinds, func() []collector.Status { return statuses }, func() *reports.Receiver { return nil })
	for _, c := range all {
		registry.MustRegister(c)
	}
	return registry
}

// writeJSON prints an array of samples, in the order of /metrics.
func writeJSON(w io.Writer, kinds []chatserver.Kind, statuses []collector.Status) error {
	families, err := registryOf(kinds, statuses).Gather()
	if err != nil {
		return err
	}
	samples := []sample{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			samples = append(samples, samplesOf(f.GetName(), m)...)
		}
	}
	return encodeSamples(w, samples)
}

// encodeSamples prints samples as JSON that people can read as well.
func encodeSamples(w io.Writer, samples []sample) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(samples)
}

// samplesOf returns what one metric is in the text format: of a histogram, its
// buckets, sum and count.
func samplesOf(name string, m *dto.Metric) (all []sample) {
	labels := make(map[string]string)
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	h := m.GetHistogram()
	if h == nil {
		return []sample{{name, labels, m.GetGauge().GetValue() + m.GetCounter().GetValue()}}
	}
	bucket := func(le string, count uint64) {
		labels := maps.Clone(labels)
		labels["le"] = le
		all = append(all, sample{name + "_bucket", labels, float64(count)})
	}
	for _, b := range h.GetBucket() {
		bucket(strconv.FormatFloat(b.GetUpperBound(), 'g', -1, 64), b.GetCumulativeCount())
	}
	bucket("+Inf", h.GetSampleCount())
	return append(all, sample{name + "_sum", labels, h.GetSampleSum()}, sample{name + "_count", labels, float64(h.GetSampleCount())})
}

func writeOpenMetrics(w io.Writer, kinds []chatserver.Kind, statuses []collector.Status) error {
	families, err := registryOf(kinds, statuses).Gather()
	if err != nil {
		return err
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToOpenMetrics(w, f); err != nil {
			return err
		}
	}
	_, err = expfmt.FinalizeOpenMetrics(w)
	return err
}
