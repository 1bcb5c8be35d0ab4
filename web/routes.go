package main

import (
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"active_users_exporter/collector"
)

// routeOptions say which pages there are.
type routeOptions struct {
	telemetryPath string
	// reload, if not nil, is what POST /-/reload does.
	reload func() error
}

// Routes returns the pages of the main listener. None of them does I/O or
// waits for a chat server.
func (e *Exporter) Routes(o routeOptions) http.Handler {
	mux := http.NewServeMux()
	telemetry := "GET " + o.telemetryPath
	if o.telemetryPath == "/" {
		telemetry += "{$}" // and not whatever is below
	}
	mux.Handle(telemetry, e.metrics())
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("healthy\n"))
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !e.Ready() {
			http.Error(w, "not ready: the first refresh is running", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	mux.HandleFunc("POST /-/reload", func(w http.ResponseWriter, _ *http.Request) {
		if o.reload == nil {
			http.Error(w, "reloading over HTTP is off: start with --web.enable-lifecycle, or send SIGHUP", http.StatusForbidden)
			return
		}
		if err := o.reload(); err != nil {
			http.Error(w, "the earlier configuration stays in use: "+err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte("reloaded\n"))
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	// Not pprof.Cmdline: there may be a password on the command line.
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /.well-known/nodeinfo", e.nodeInfoIndex)
	mux.HandleFunc("GET /nodeinfo/2.1", e.nodeInfoDocument)
	if o.telemetryPath != "/" {
		mux.Handle("GET /{$}", e.landingPage(o.telemetryPath))
	}
	return mux
}

// metrics serves the figures of chat servers and what the process says of
// itself.
func (e *Exporter) metrics() http.Handler {
	figures, process := prometheus.NewRegistry(), prometheus.NewRegistry()
	figures.MustRegister(collector.New(e.Statuses, e.Reports), e.reloadOK, e.reloadTime)
	process.MustRegister(
		// Of the memory statistics, one gauge has the name of a counter without
		// its _total, which OpenMetrics takes for the same family.
		collectors.NewGoCollector(collectors.WithGoCollectorMemStatsMetricsDisabled()),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		versioncollector.NewCollector(program),
	)
	return promhttp.InstrumentMetricHandler(process, newMetricsPage(figures, process, e.changes(), e.clock, e.logger))
}
