// Package web has the pages of the main listener: the metrics, the landing page,
// NodeInfo, and whether the exporter is alive.
package web

import (
	"net/http"
	"net/http/pprof"
	"slices"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// Options say what the pages show. Their functions return at once: none of them
// does I/O or waits for a chat server.
type Options struct {
	// TelemetryPath is where the metrics are, such as /metrics.
	TelemetryPath string
	// NoPages leaves out the pages for people: the landing page and those of
	// domains.
	NoPages bool
	// Reload is what POST /-/reload does; nil if it is off.
	Reload func() error
	// Program is the name in the metric of the build.
	Program string
	// Figures are the metrics of chat servers. They may change only when the
	// versions of statuses, configuration or reports do, or with the age of
	// reports.
	Figures []prometheus.Collector
	// Statuses returns what is known of each chat server, in configured order.
	Statuses func() []collector.Status
	// Configuration returns what is in use.
	Configuration func() Configuration
	// Protocol returns the protocol of a chat server, as NodeInfo names it.
	Protocol func(software string) string
	// Received and ReportsVersion are nil if no reports are received. The
	// version is another number once what was received may have changed.
	Received       func() Received
	ReportsVersion func() uint64
	// Clock is what ages are counted by.
	Clock  func() time.Time
	Logger log.Logger
}

// Configuration is what the pages need of the configuration in use.
type Configuration struct {
	// Version increases with each attempt to reload.
	Version uint64
	// ReloadError says why the last attempt failed; empty if it succeeded.
	ReloadError string
	Windows     []activity.Window
	NodeInfo    NodeInfo
}

// Received sums up the reports that were pushed.
type Received struct {
	Homeservers, Clusters int           // that were heard lately
	Within                time.Duration // what lately is
	Rejected              uint64        // reports, since the start
}

// pages are the pages of the main listener.
type pages struct{ Options }

// New returns the pages of the main listener. None of them does I/O or waits
// for a chat server.
func New(o Options) http.Handler {
	p := &pages{o}
	mux := http.NewServeMux()
	telemetry := "GET " + o.TelemetryPath
	if o.TelemetryPath == "/" {
		telemetry += "{$}" // and not whatever is below
	}
	mux.Handle(telemetry, p.metrics())
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("healthy\n"))
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !p.ready() {
			http.Error(w, "not ready: the first refresh is running", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	crossOrigin := http.NewCrossOriginProtection()
	mux.HandleFunc("POST /-/reload", func(w http.ResponseWriter, r *http.Request) {
		if err := crossOrigin.Check(r); err != nil {
			http.Error(w, "a page of another site may not reload the configuration", http.StatusForbidden)
			return
		}
		if o.Reload == nil {
			http.Error(w, "reloading over HTTP is off: start with --web.enable-lifecycle, or send SIGHUP", http.StatusForbidden)
			return
		}
		if err := o.Reload(); err != nil {
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
	mux.HandleFunc("GET /.well-known/nodeinfo", p.nodeInfoIndex)
	mux.HandleFunc("GET /nodeinfo/2.1", p.nodeInfoDocument)
	if o.NoPages {
		return mux
	}
	if o.TelemetryPath != "/" {
		mux.Handle("GET /{$}", p.landing())
	}
	domains := p.domains()
	mux.Handle("GET /domain/{server}/{domain}", domains)
	mux.HandleFunc("GET /domain/{server}/{domain}/data.csv", domains.data)
	return mux
}

// ready returns false until each server has been tried at least once.
func (p *pages) ready() bool {
	return !slices.ContainsFunc(p.Statuses(), func(s collector.Status) bool { return s.Attempted.IsZero() })
}

// metrics serves the figures of chat servers and what the process says of
// itself.
func (p *pages) metrics() http.Handler {
	figures, process := prometheus.NewRegistry(), prometheus.NewRegistry()
	figures.MustRegister(p.Figures...)
	process.MustRegister(
		// One gauge of the memory statistics has the name of a counter without
		// its _total, which OpenMetrics takes for the same family.
		collectors.NewGoCollector(collectors.WithGoCollectorMemStatsMetricsDisabled()),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		versioncollector.NewCollector(p.Program),
	)
	return promhttp.InstrumentMetricHandler(process, newMetricsPage(figures, process, p.figuresChanged(), p.Clock, p.Logger))
}
