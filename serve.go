package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/go-kit/log/level"
	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"active_users_exporter/config"
	"active_users_exporter/web"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	source    *config.Source
	pages     *webFlags
	lifecycle *bool
}

// addServeFlags adds the flags of serve, which check-config takes as well, so that the
// command line of a service can be checked as it stands.
func addServeFlags(cmd flagger) *serveFlags {
	f := &serveFlags{source: addSourceFlags(cmd)}
	enved{cmd}.Flag("refresh.interval", "How often to read each chat server, such as 30m or 1h. Overrides the configuration file; 1h without either.").
		PlaceHolder("1h").SetValue((*duration)(&f.source.RefreshInterval))
	enved{cmd}.Flag("cohorts", "Follow the newcomers of each of the last twelve weeks (chat_cohort_users): up to 78 series for each domain.").BoolVar(&f.source.Cohorts)
	f.pages = addWebFlags(cmd)
	f.lifecycle = enved{cmd}.Flag("web.enable-lifecycle", "Allow POST /-/reload.").Bool()
	addStorageFlag(cmd, f.source)
	addReportsFlag(cmd, f.source)
	return f
}

// addServe adds the default command: run the exporter.
func addServe(app *kingpin.Application) command {
	flags := addServeFlags(app.Command("serve", "Run the exporter (the default command).").Default())
	return func(ctx context.Context, e environment) error {
		exporter := NewExporter(*flags.source, e.clock, e.logger)
		return serve(ctx, exporter, *flags.pages, *flags.lifecycle, func(net.Addr) {}, e)
	}
}

// stopWithin is how long requests may go on once the exporter is to stop, and
// how long refreshes may after them.
const stopWithin = 5 * time.Second

// serve runs the exporter and its pages until ctx ends. It calls listening with
// each address at which the pages can be had from then on.
func serve(ctx context.Context, exporter *Exporter, pages webFlags, lifecycle bool, listening func(net.Addr), e environment) error {
	if err := pages.validate(); err != nil {
		return &usageError{err}
	}
	_ = level.Info(e.logger).Log("msg", "starting "+program, "version", version.Version, "revision", version.GetRevision())
	ctx, stop := context.WithCancel(ctx)
	defer exporter.Wait(stopWithin)
	defer stop()
	if err := exporter.Reload(ctx); err != nil {
		return err
	}

	reload := func() error {
		err := exporter.Reload(ctx)
		if err != nil {
			_ = level.Error(e.logger).Log("msg", "could not reload; the earlier configuration stays in use", "err", err)
			return err
		}
		_ = level.Info(e.logger).Log("msg", "configuration reloaded")
		return nil
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	go reloadOnHangup(ctx, hangup, reload)
	routes := web.Options{TelemetryPath: pages.telemetryPath, NoPages: *pages.people == "off"}
	if lifecycle {
		routes.Reload = reload
	}
	received := make(chan error, 1)
	if receiver, address := exporter.Receiver(); receiver != nil {
		// Before the pages are there, so that ready means ready for reports.
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("--reports.listen-address: %w", err)
		}
		go func() {
			received <- receive(ctx, receiver.Limit(listener), receiver.Handler(), e)
			stop() // one listener without the other is not what was asked for
		}()
	} else {
		received <- nil
	}
	err := listen(ctx, exporter.Pages(routes), pages, listening, e)
	stop()
	return errors.Join(err, <-received)
}

// receive serves the receiver of reports until ctx ends, and closes the
// listener. The sender may be anybody: a connection is not kept for
// those who say nothing.
func receive(ctx context.Context, listener net.Listener, handler http.Handler, e environment) error {
	const headerBytes = 8 << 10
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(withPanics{e.slogger.Handler()}, slog.LevelDebug), // anybody can connect
	}
	_ = level.Info(e.logger).Log("msg", "receiving reports", "address", listener.Addr())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	return shutDown(ctx, server)
}

// shutDown lets running requests end, and cuts those off that do not.
func shutDown(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return err
}

// validate finds mistakes that would otherwise show at the first request.
func (f webFlags) validate() error {
	if !strings.HasPrefix(f.telemetryPath, "/") || strings.ContainsAny(f.telemetryPath, "{} ") || path.Clean(f.telemetryPath) != f.telemetryPath {
		return &config.FlagError{Flag: "web.telemetry-path", Value: f.telemetryPath, Err: errors.New("want a path such as /metrics")}
	}
	for _, taken := range []string{"/-/", "/debug/", "/nodeinfo/", "/.well-known/", "/domain/"} {
		if strings.HasPrefix(f.telemetryPath+"/", taken) {
			return &config.FlagError{Flag: "web.telemetry-path", Value: f.telemetryPath, Err: fmt.Errorf("other pages are below %s", taken)}
		}
	}
	for _, address := range *f.toolkit.WebListenAddresses {
		if strings.HasPrefix(address, "vsock://") {
			continue
		}
		if err := config.CheckAddress(address); err != nil {
			return &config.FlagError{Flag: "web.listen-address", Value: address, Err: err}
		}
	}
	if err := toolkit.Validate(*f.toolkit.WebConfigFile); err != nil {
		return &config.FlagError{Flag: "web.config.file", Value: *f.toolkit.WebConfigFile, Err: err}
	}
	return nil
}

// reloadOnHangup reloads at each SIGHUP.
func reloadOnHangup(ctx context.Context, hangup <-chan os.Signal, reload func() error) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_ = reload() // which logs its error
		}
	}
}

// listen serves pages until ctx ends, and then lets running requests end.
func listen(ctx context.Context, pages http.Handler, flags webFlags, listening func(net.Addr), e environment) error {
	server := &http.Server{
		Handler: pages,
		// Called with each listener once its address is taken.
		BaseContext: func(listener net.Listener) context.Context {
			listening(listener.Addr())
			return context.WithoutCancel(ctx)
		},
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(withPanics{e.slogger.Handler()}, slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- toolkit.ListenAndServe(server, flags.toolkit, e.slogger) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	_ = level.Info(e.logger).Log("msg", "stopping")
	if err := shutDown(ctx, server); err != nil {
		return fmt.Errorf("stop the listener: %w", err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
