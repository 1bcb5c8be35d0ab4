package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/go-kit/log"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/storage"
	"active_users_exporter/config"
)

// addCheckConfig adds the command that checks configuration and sources.
func addCheckConfig(app *kingpin.Application) command {
	cmd := app.Command("check-config", "Check the configuration, read each chat server once and say what was found.")
	flags := addServeFlags(cmd)
	syntaxOnly := enved{cmd}.Flag("syntax-only", "Say what would be read, and connect to nothing.").Bool()
	return func(ctx context.Context, e environment) error {
		if err := flags.pages.validate(); err != nil {
			return &usageError{err}
		}
		if *syntaxOnly {
			return describeConfiguration(e.stdout, *flags.source)
		}
		return checkAll(ctx, *flags.source, e)
	}
}

// checkAll reads each server, looks at where data is kept, and says what was found. What
// is printed is not logged as well.
func checkAll(ctx context.Context, source config.Source, e environment) error {
	c, err := source.Load()
	if err != nil {
		return &usageError{err}
	}
	allWell := describeStorage(ctx, e.stdout, c)
	e.logger = log.NewNopLogger()
	statuses, err := refreshOnce(ctx, source, e)
	if err != nil {
		return err
	}
	if len(statuses) == 0 {
		_, _ = fmt.Fprintln(e.stdout, "no mistakes; no chat server is configured, only reports are received")
	}
	for i, s := range statuses {
		describe(e.stdout, source, s, c.Servers[i].Warnings)
		granted := describeGrants(ctx, e.stdout, c.Servers[i])
		allWell = allWell && granted && s.Up && well(s.Snapshot)
	}
	if !allWell {
		return errReported
	}
	return nil
}

// describeStorage says whether data can be kept, and returns true if it can.
func describeStorage(ctx context.Context, w io.Writer, c *config.Config) bool {
	location := c.Storage.Location
	if location.IsZero() {
		_, _ = fmt.Fprintln(w, "storage: none: visits are forgotten at each stop")
		return true
	}
	store := history.NewReader(location, c.Storage.KeyFile)
	defer func() { _ = store.Close() }()
	key, data := history.FileNames()
	err := location.CheckFolder(key, data, reports.FileName)
	var missing sqldb.Grants
	if err == nil {
		tables := reports.TableNames()
		if len(c.Servers) > 0 {
			tables = append(tables, history.TableNames(location)...)
		}
		missing, err = location.MissingGrants(ctx, tables...)
	}
	granted := len(missing.Statements) == 0
	if err == nil && granted && (len(c.Servers) > 0 || !location.Shared()) {
		err = store.Check(ctx)
	}
	// What is not there yet, or of an earlier version, is made by serve.
	if err != nil && !errors.Is(err, storage.ErrEmpty) && !errors.Is(err, storage.ErrEarlier) {
		_, _ = fmt.Fprintf(w, "storage %s: NOT OK: %s\n", location, err)
		return false
	}
	if !granted {
		_, _ = fmt.Fprintf(w, "storage %s: NOT OK: rights are missing\n", location)
		printGrants(w, missing)
		return false
	}
	state := "ok"
	if owner := location.Owner(); owner != "" {
		state += ", in use by " + owner
	}
	_, _ = fmt.Fprintf(w, "storage %s: %s\n", location, state)
	return true
}

// describeGrants prints the statements that give the exporter the rights that it lacks in
// the databases of a server, and returns true if there are none. That a database cannot
// be read has been said.
func describeGrants(ctx context.Context, w io.Writer, s config.Server) bool {
	source, is := s.Source.(chatserver.Granted)
	if !is {
		return true
	}
	all, _ := source.MissingGrants(ctx)
	allGranted := true
	for _, missing := range all {
		if len(missing.Statements) > 0 {
			printGrants(w, missing)
			allGranted = false
		}
	}
	return allGranted
}

// printGrants prints statements so that they can be pasted.
func printGrants(w io.Writer, g sqldb.Grants) {
	_, _ = fmt.Fprintf(w, "  missing in %s; run there as the owner of the tables:\n%s\n", g.Database, strings.Join(g.Statements, "\n"))
}

// describeConfiguration prints what a valid configuration says is to be read.
func describeConfiguration(w io.Writer, source config.Source) error {
	c, err := source.Load()
	if err != nil {
		return &usageError{err}
	}
	for _, s := range c.Servers {
		_, _ = fmt.Fprintf(w, "%s: %s\n", s.Name, s.Software)
		for _, line := range append(s.Source.Reads(), s.Warnings...) {
			_, _ = fmt.Fprintf(w, "  %s\n", line)
		}
	}
	_, _ = fmt.Fprintln(w, "no mistakes; nothing was contacted")
	return nil
}

// well says that nothing is left out, activity is recorded, and no module is in
// trouble.
func well(s *collector.Snapshot) bool {
	return len(s.Warnings) == 0 && len(s.Domains) > 0 &&
		!slices.ContainsFunc(s.Domains, func(d collector.Domain) bool { return d.NotRecorded != "" }) &&
		!slices.ContainsFunc(s.Modules, func(m collector.Module) bool { return m.Trouble() != "" })
}

// describe prints what was found of one server, in sentences.
// Configured are the warnings about its own configuration.
func describe(w io.Writer, source config.Source, s collector.Status, configured []string) {
	if s.Snapshot == nil {
		_, _ = fmt.Fprintf(w, "%s: NOT OK: %s\n", s.Server, s.Err)
		return
	}
	state := "ok"
	switch {
	case s.Err != nil:
		state = "NOT OK: " + s.Err.Error()
	case !well(s.Snapshot):
		state = "not all is well"
	}
	software := strings.TrimSpace(s.Software + " " + s.Snapshot.Version)
	found := number(len(s.Snapshot.Domains), "domain")
	if modules := len(s.Snapshot.Modules); modules > 0 { // few servers tell
		found += ", " + number(modules, "module")
	}
	_, _ = fmt.Fprintf(w, "%s: %s\n  %s on %s, %s\n", s.Server, state, software, s.Snapshot.Database, found)
	for _, d := range s.Snapshot.Domains {
		sentences := []string{accountsFound(d), activityFound(d)}
		if d.NotRecorded == "" { // else there is nothing to keep a history of
			sentences = append(sentences, historyFound(d))
		}
		_, _ = fmt.Fprintf(w, "  %s: %s\n", d.Name, strings.Join(sentences, "; "))
	}
	if len(s.Snapshot.Domains) == 0 && len(s.Snapshot.Warnings) == 0 {
		_, _ = fmt.Fprintf(w, "  there are no figures: no domain with accounts is served, and no other has records\n")
	}
	for _, hint := range []string{assumedHint(source, s), onlineHint(source, s)} {
		if hint != "" {
			_, _ = fmt.Fprintf(w, "  %s\n", hint)
		}
	}
	for _, warning := range slices.Concat(configured, s.Snapshot.Warnings) {
		_, _ = fmt.Fprintf(w, "  %s\n", warning)
	}
	for _, m := range s.Snapshot.Modules {
		if trouble := m.Trouble(); trouble != "" {
			_, _ = fmt.Fprintf(w, "  %s: module %s: %s\n", m.Domain, m.Name, trouble)
		}
	}
}

// assumedHint says what was taken for granted where the chat server's own configuration
// was not given.
func assumedHint(source config.Source, s collector.Status) string {
	kind, err := source.Kind(s.Software)
	if err != nil || s.Snapshot.Assumed == "" {
		return ""
	}
	return fmt.Sprintf("assumed that %s: nothing says what %s is configured to use; give %s as from to be sure", s.Snapshot.Assumed, kind.Title, kind.ConfigFile)
}

// onlineHint says what is missing where nothing is configured that knows who is
// connected. That what is configured does not answer is an error, and shown as one.
func onlineHint(source config.Source, s collector.Status) string {
	kind, err := source.Kind(s.Software)
	known := slices.ContainsFunc(s.Snapshot.Domains, func(d collector.Domain) bool { return d.Online.Known })
	if err != nil || kind.OnlineKey == "" || s.Snapshot.Database == "none" || known || s.Snapshot.OnlineErr != nil {
		return ""
	}
	return fmt.Sprintf("people online are unknown: those who stay connected count by their %s; set %s to count them", kind.SeenAt, kind.OnlineKey)
}

func accountsFound(d collector.Domain) string {
	total, known := d.Accounts()
	switch {
	case !known && len(d.Active) == 0: // perhaps there are none yet
		return "accounts are not known"
	case !known:
		return "accounts are kept elsewhere"
	}
	return number(total, "account")
}

func activityFound(d collector.Domain) string {
	if d.NotRecorded != "" {
		return "no activity is recorded: " + d.NotRecorded
	}
	if len(d.Active) == 0 {
		return "no activity is recorded"
	}
	if d.Damaged > 0 {
		return "activity is recorded, " + number(d.Damaged, "damaged record") + " left out"
	}
	return "activity is recorded"
}

func historyFound(d collector.Domain) string {
	switch {
	case d.Retention == nil && d.History.Number > 1:
		return fmt.Sprintf("%s of visit history; r30v2 appears at %d", number(d.History.Number, "day"), activity.RetentionHistory)
	case d.Retention == nil:
		return fmt.Sprintf("no visit history yet: serve records it, and r30v2 appears at %d days", activity.RetentionHistory)
	case d.History.Number < activity.RetentionDays:
		return fmt.Sprintf("%s of visit history; r30v2 is complete at %d", number(d.History.Number, "day"), activity.RetentionDays)
	default:
		return "visit history suffices for r30v2"
	}
}

// number writes "1 domain" or "2 domains".
func number(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
