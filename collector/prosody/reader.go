// Package prosody reads the records of a Prosody server: who logged in or out
// last (stores lastlog2 and account_activity), which accounts exist (store
// accounts) and how its modules are (mod_http_status).
package prosody

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// Options say where a Prosody's records are.
type Options struct {
	// DataPath is Prosody's data_path, with internal storage in it; "" where
	// the records are in a database.
	DataPath string
	// Database is that of mod_storage_sql.
	Database sqldb.Source
	// PasswordFile is that of sqldb.Options.
	PasswordFile string
	// StatusURL is the page of mod_http_status, "" for none.
	StatusURL string
	// RequiredModules are the modules to watch: "name", to be loaded anywhere,
	// or "domain/name". They need StatusURL.
	RequiredModules []string
}

// A Reader reads one Prosody. It implements collector.Reader.
type Reader struct {
	options Options
	client  *http.Client
}

// New returns a Reader. It opens nothing yet.
func New(o Options) *Reader {
	return &Reader{options: o, client: newStatusClient()}
}

// Read implements collector.Reader. A virtual host is whatever has records in
// at least one of the three stores. Who is connected without having logged in
// lately is in no store, and so not seen.
func (r *Reader) Read(ctx context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	read := r.readFiles
	if r.options.DataPath == "" {
		read = r.readDatabase
	}
	facts, err := read(ctx, now, rec)
	if err != nil {
		return collector.Facts{}, err
	}
	if r.options.StatusURL != "" {
		facts.Modules, facts.ModulesErr = r.modules(ctx)
	}
	return facts, nil
}

// readFiles reads internal storage.
func (r *Reader) readFiles(ctx context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	hosts, err := findHosts(r.options.DataPath)
	if err != nil {
		return collector.Facts{}, fmt.Errorf("look for virtual hosts: %w", err)
	}
	facts := collector.Facts{Database: "files"}
	for _, h := range hosts {
		domain, warnings, err := h.read(ctx, now, rec)
		if err != nil {
			return collector.Facts{}, fmt.Errorf("read the records of %s: %w", h.name, err)
		}
		facts.Domains = append(facts.Domains, domain)
		facts.Warnings = append(facts.Warnings, warnings...)
	}
	return facts, nil
}

// Close implements collector.Reader.
func (r *Reader) Close() error {
	r.client.CloseIdleConnections()
	return nil
}
