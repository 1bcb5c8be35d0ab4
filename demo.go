package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"active_users_exporter/collector/demo"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/storage"
	"active_users_exporter/config"
)

// The size of the demo's communities.
const (
	demoSynapseUsers  = 3000
	demoDendriteUsers = 300
	demoProsodyUsers  = 1500
	demoSeed          = 1
)

// addDemo adds the command that shows the exporter at work.
func addDemo(app *kingpin.Application) command {
	cmd := app.Command("demo", "Make a Synapse database, a Dendrite database and a Prosody data directory with invented users, and reports that homeservers might have pushed, and serve their figures. Needs nothing installed.")
	pages := addWebFlags(cmd)
	return func(ctx context.Context, e environment) error {
		if err := pages.validate(); err != nil {
			return &usageError{err}
		}
		directory, err := os.MkdirTemp("", "active_users_demo_")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(directory) }()
		_, _ = fmt.Fprintf(e.stderr, "Inventing %d Synapse users, %d Dendrite users and %d Prosody users in %s ...\n", demoSynapseUsers, demoDendriteUsers, demoProsodyUsers, directory)
		source, err := invent(ctx, directory, e.clock())
		if err != nil {
			return fmt.Errorf("invent chat servers: %w", err)
		}
		exporter := NewExporter(source, e.clock, e.logger)
		listening := func(address net.Addr) { go announce(ctx, exporter, address, pages.telemetryPath, e) }
		return serve(ctx, exporter, *pages, false, listening, e)
	}
}

// invent makes the records of three chat servers below directory, serves the
// status page of one until ctx ends, stores the reports that homeservers have
// pushed, and returns the configuration that reads all of it.
func invent(ctx context.Context, directory string, now time.Time) (config.Source, error) {
	database := filepath.Join(directory, "homeserver.db")
	if err := demo.Synapse(ctx, database, now, demoSynapseUsers, demoSeed); err != nil {
		return config.Source{}, err
	}
	dendrite := filepath.Join(directory, "dendrite")
	if err := demo.Dendrite(ctx, dendrite, now, demoDendriteUsers, demoSeed); err != nil {
		return config.Source{}, err
	}
	data := filepath.Join(directory, "prosody")
	if err := demo.Prosody(ctx, data, now, demoProsodyUsers, demoSeed); err != nil {
		return config.Source{}, err
	}
	status, err := serveStatusPage(ctx, now)
	if err != nil {
		return config.Source{}, err
	}
	folder := filepath.Join(directory, "history")
	store := history.New(storage.Folder(folder), "")
	err = demo.ProsodyHistory(ctx, store, "xmpp", now, demoProsodyUsers, demoSeed)
	if closeErr := store.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return config.Source{}, err
	}
	pushed, err := demo.Reports(now)
	if err != nil {
		return config.Source{}, err
	}
	if _, err := reports.Import(ctx, storage.Folder(folder), pushed); err != nil {
		return config.Source{}, err
	}
	file := filepath.Join(directory, "active_users.yml")
	content := fmt.Sprintf(`storage: {path: %q}
reports: {listen_address: "127.0.0.1:0"}
servers:
  - {name: matrix, software: synapse, from: %q}
  - {name: garden, software: dendrite, from: %q}
  - {name: xmpp, software: prosody, from: %q, status_url: %q}
`, folder, "sqlite:"+database, dendrite, data, status)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		return config.Source{}, err
	}
	return config.Source{File: file, LookupEnv: os.LookupEnv, Cohorts: true}, nil
}

// serveStatusPage serves Prosody's page of module states on a free port of the
// loopback interface until ctx ends, and returns its URL.
func serveStatusPage(ctx context.Context, now time.Time) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: demo.StatusPage(now), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return "http://" + listener.Addr().String() + "/status", nil
}

// announce prints where the pages of a listener are once they show figures.
func announce(ctx context.Context, exporter *Exporter, address net.Addr, telemetryPath string, e environment) {
	for !exporter.Ready() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return // not an address that a browser could open
	}
	if net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	base := "http://" + net.JoinHostPort(host, port)
	_, _ = fmt.Fprintf(e.stdout, "The demo is at %s/ and its metrics at %s%s (stop with Ctrl-C)\n", base, base, telemetryPath)
}
