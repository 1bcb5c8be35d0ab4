package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/usagereport"
	"active_users_exporter/config"
)

// storageOf returns where history and reports are, as the flags and the
// configuration file say.
func storageOf(source *config.Source) (config.Storage, error) {
	source.ServersOptional = true
	c, err := source.Load()
	if err != nil {
		return config.Storage{}, &usageError{err}
	}
	if c.Storage.Location.IsZero() {
		return config.Storage{}, &usageError{errors.New("--storage.path is empty: nothing is kept")}
	}
	return c.Storage, nil
}

// addReports adds the commands for stored usage reports.
func addReports(app *kingpin.Application) map[string]command {
	cmd := app.Command("reports", "Stored usage reports.")
	export := cmd.Command("export", "Write all stored reports, one JSON object with received and report in a line.")
	exportSource := addSourceFlags(export)
	addStorageFlag(export, exportSource)
	imported := cmd.Command("import", "Add reports to the store, while the exporter is stopped unless that is a PostgreSQL database: from lines as export writes them, from plain reports (received at their timestamp), or from the database of panopticon or barad-dur.")
	importSource := addSourceFlags(imported)
	addStorageFlag(imported, importSource)
	from := imported.Arg("from", "File, - for the standard input, or the location of panopticon's database (sqlite:FILE, mysql://USER@HOST/DATABASE) or of barad-dur's (postgres://USER@HOST/DATABASE).").Required().String()
	return map[string]command{
		export.FullCommand(): func(ctx context.Context, e environment) error {
			kept, err := storageOf(exportSource)
			if err != nil {
				return err
			}
			out := bufio.NewWriter(e.stdout)
			encoder := json.NewEncoder(out)
			if err := reports.Each(ctx, kept.Location, time.Unix(0, 0), e.clock().AddDate(1, 0, 0), func(a reports.Archived) error { return encoder.Encode(a) }); err != nil {
				return err
			}
			return out.Flush()
		},
		imported.FullCommand(): func(ctx context.Context, e environment) error {
			kept, err := storageOf(importSource)
			if err != nil {
				return err
			}
			all, err := readArchive(ctx, *from)
			if err != nil {
				return err
			}
			claim, err := kept.Location.Claim(imported.FullCommand())
			if err != nil {
				return err
			}
			defer func() { _ = claim.Release() }()
			added, err := reports.Import(ctx, kept.Location, all)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(e.stdout, "%d reports read, %d added; the others were there already or are no reports\n", len(all), added)
			return nil
		},
	}
}

// readArchive reads reports from wherever they are.
func readArchive(ctx context.Context, from string) ([]reports.Archived, error) {
	if source, err := sqldb.ParseSource(from); err == nil {
		return reports.ImportDatabase(ctx, source)
	}
	in := io.Reader(os.Stdin)
	if from == "-" || from == "" { // kingpin takes "-" for a flag without a name
		from = "standard input"
	} else {
		file, err := os.Open(from)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	var all []reports.Archived
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 2*usagereport.MaxBody)
	for n := 1; lines.Scan(); n++ {
		var a reports.Archived
		var plain struct{ Timestamp int64 }
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, fmt.Errorf("%s:%d: no JSON object", from, n)
		}
		if a.Report == nil {
			if err := json.Unmarshal(lines.Bytes(), &plain); err != nil || plain.Timestamp == 0 {
				return nil, fmt.Errorf("%s:%d: neither an exported report nor a plain one with a timestamp", from, n)
			}
			a = reports.Archived{Received: time.Unix(plain.Timestamp, 0), Report: append(json.RawMessage(nil), lines.Bytes()...)}
		}
		all = append(all, a)
	}
	return all, lines.Err()
}
