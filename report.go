package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strconv"
	"sync"
	"text/tabwriter"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"active_users_exporter/collector"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/reports"
	"active_users_exporter/config"
	"active_users_exporter/web"
)

// addReport adds the command that refreshes once and prints.
func addReport(app *kingpin.Application) command {
	cmd := app.Command("report", "Read each chat server once and print its figures.")
	source := addSourceFlags(cmd)
	addStorageFlag(cmd, source)
	addReportsFlag(cmd, source)
	output := enved{cmd}.Choice("output", "Format: table, json or openmetrics; html or text is a letter to people about a month or a week.", "table", "json", "openmetrics", "html", "text")
	var month, week string
	cmd.Flag("month", "The month (UTC) of the letter, as in 2026-11; the last one that is over if not set.").PlaceHolder("MONTH").StringVar(&month)
	cmd.Flag("week", "The week (UTC, ISO 8601) of the letter, as in 2026-W45, instead of a month.").PlaceHolder("WEEK").StringVar(&week)
	return func(ctx context.Context, e environment) error {
		if *output == "html" || *output == "text" {
			return writeLetter(ctx, e, *source, month, week, *output == "html")
		}
		if month != "" || week != "" {
			return &usageError{fmt.Errorf("--month and --week are for --output=html and --output=text, not %s", *output)}
		}
		statuses, err := refreshOnce(ctx, *source, e)
		if err != nil {
			return err
		}
		switch *output {
		case "json":
			err = writeJSON(e.stdout, source.ChatServers(), statuses)
		case "openmetrics":
			err = writeOpenMetrics(e.stdout, source.ChatServers(), statuses)
		default:
			err = writeTable(e.stdout, statuses)
		}
		if err != nil {
			return fmt.Errorf("print the report: %w", err)
		}
		return anyDown(statuses)
	}
}

// refreshOnce refreshes every configured server, all at the same time. What
// fails is logged.
func refreshOnce(ctx context.Context, source config.Source, e environment) ([]collector.Status, error) {
	c, err := source.Load()
	if err != nil {
		return nil, &usageError{err}
	}
	logWarnings(e.logger, c)
	recorded := existingHistory(c.Storage)
	if recorded != nil {
		defer func() { _ = recorded.Close() }()
	}
	exporter := NewExporter(source, e.clock, e.logger)
	statuses := make([]collector.Status, len(c.Servers))
	var wait sync.WaitGroup
	for i, s := range c.Servers {
		settings := settingsOf(s, c)
		settings.halfYear = false // reports do not show it
		options := exporter.options(settings)
		if recorded != nil {
			options.Key, options.History = recorded.Key(), recorded
		}
		refresher := collector.NewRefresher(options)
		wait.Go(func() {
			if isTerminal(e.stderr) {
				_, _ = fmt.Fprintf(e.stderr, "%s: reading ...\n", s.Name)
			}
			_ = refresher.Refresh(ctx) // it logs its error and keeps it in the status
			statuses[i] = refresher.Status()
			refresher.Close()
		})
	}
	wait.Wait()
	return statuses, ctx.Err()
}

// existingHistory opens the folder of a history, which is nil if there is none
// yet. That of a database is left alone: to open it may be to lead its replicas.
func existingHistory(s config.Storage) *history.Store {
	if !history.Exists(s.Location) {
		return nil
	}
	return history.NewReader(s.Location, s.KeyFile)
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

// writeTable prints one line for each domain: active users by window,
// retention over all clients and by client, and accounts.
func writeTable(w io.Writer, statuses []collector.Status) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "SERVER\tDOMAIN\tFIGURE\tUSERS")
	for _, s := range statuses {
		if s.Snapshot == nil {
			_, _ = fmt.Fprintf(table, "%s\t\tcould not be read\t\n", s.Server)
			continue
		}
		for _, d := range s.Snapshot.Domains {
			for _, row := range figures(d) {
				_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Server, d.Name, row[0], row[1])
			}
		}
		for _, m := range s.Snapshot.Modules {
			if trouble := m.Trouble(); trouble != "" {
				_, _ = fmt.Fprintf(table, "%s\t%s\tmodule %s\t%s\n", s.Server, m.Domain, m.Name, trouble)
			}
		}
	}
	return table.Flush()
}

// figures returns the rows of one domain: what, and how many.
func figures(d collector.Domain) (rows [][2]string) {
	add := func(what string, users int) { rows = append(rows, [2]string{what, strconv.Itoa(users)}) }
	for _, a := range d.Active {
		add("active "+a.Window.String(), a.Users)
	}
	if d.Retention != nil {
		add("retained (r30v2)", d.Retention.Users)
		for _, c := range d.Retention.Clients {
			add("retained "+c.Client, c.Users)
		}
	}
	for _, a := range d.Registered {
		add("registered "+string(a.Type), a.Users)
	}
	if d.Damaged > 0 {
		add("damaged records", d.Damaged)
	}
	return rows
}
