package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/storage"
	"active_users_exporter/config"
	"active_users_exporter/web"
)

// An Exporter keeps one refresher running for each configured chat server and
// serves what they know.
type Exporter struct {
	source config.Source
	clock  func() time.Time
	logger log.Logger
	key    activity.Key
	// What the first configuration says of storage and reports stays for the
	// life of the process. History and receiver are nil if there are none.
	first    *config.Config
	history  *history.Store
	receiver *reports.Receiver
	claimed  *storage.Claim // of the folder that both are in

	applying sync.Mutex // one configuration is applied at a time
	running  atomic.Pointer[running]

	reloadOK, reloadTime prometheus.Gauge
}

// running is what runs since the last reload. It does not change once made.
type running struct {
	servers  []*server
	windows  []activity.Window
	nodeInfo config.NodeInfo
	// version increases with each attempt to reload.
	version uint64
	// reloadErr says why the last attempt failed, nil if it succeeded.
	reloadErr error
}

// server is a configured chat server with its running refresher.
type server struct {
	settings settings
	*collector.Refresher
	stop    context.CancelFunc
	stopped chan struct{} // closed when the refresher has ended
}

// settings are all of the configuration that a refresher depends on.
type settings struct {
	config.Server
	interval, staleAfter time.Duration
	windows              []activity.Window
	clients              *activity.Classes
	storage              config.Storage
	cohorts, halfYear    bool
	minimum              activity.Minimum
}

// settingsOf returns the settings of one of the servers of a configuration.
func settingsOf(s config.Server, c *config.Config) settings {
	return settings{
		Server:   s,
		interval: c.RefreshInterval, staleAfter: c.StaleAfter,
		windows: c.Windows, clients: c.Clients,
		storage: c.Storage,
		cohorts: c.Cohorts, halfYear: c.NodeInfo.Enabled, minimum: c.Minimum,
	}
}

// NewExporter returns an Exporter of the servers that source names. It runs
// nothing before the first Reload.
func NewExporter(source config.Source, clock func() time.Time, logger log.Logger) *Exporter {
	e := &Exporter{
		source: source, clock: clock, logger: logger,
		reloadOK: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "active_users_exporter_config_last_reload_successful",
			Help: "1 if the last attempt to load the configuration succeeded, else 0. The earlier configuration then stays in use.",
		}),
		reloadTime: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "active_users_exporter_config_last_reload_success_timestamp_seconds",
			Help: "Unix time at which the configuration in use was loaded.",
			Unit: "seconds",
		}),
	}
	// A key that lives as long as the process, unless there is a history.
	_, _ = rand.Read(e.key[:]) // never fails (crypto/rand)
	e.running.Store(&running{})
	return e
}

// Reload loads the configuration and applies it: refreshers of servers that it
// does not change go on, those that it does change are replaced and show the
// last figures until they have new ones. On an error nothing changes. The
// refreshers run until ctx ends.
func (e *Exporter) Reload(ctx context.Context) (err error) {
	e.applying.Lock()
	defer e.applying.Unlock()
	defer func() { e.reloaded(err) }()
	c, err := e.source.Load()
	if err != nil {
		err = &usageError{err}
	}
	if err == nil {
		err = e.openStores(ctx, c)
	}
	if err != nil {
		e.reloadOK.Set(0)
		return err
	}
	logWarnings(e.logger, c)
	e.apply(ctx, c)
	e.reloadOK.Set(1)
	e.reloadTime.Set(float64(e.clock().Unix()))
	return nil
}

// reloaded says how an attempt to reload has ended.
func (e *Exporter) reloaded(err error) {
	next := *e.running.Load()
	next.version++
	next.reloadErr = err
	e.running.Store(&next)
}

// logWarnings logs what is odd in the chat servers' own configurations.
func logWarnings(logger log.Logger, c *config.Config) {
	for _, s := range c.Servers {
		for _, warning := range s.Warnings {
			_ = level.Warn(logger).Log("msg", warning, "server", s.Name)
		}
	}
}

// openStores opens, the first time, what stays for the life of the process, and
// refuses changes of it later.
func (e *Exporter) openStores(ctx context.Context, c *config.Config) error {
	if e.first != nil {
		switch {
		case e.first.Storage.Location != c.Storage.Location:
			return fmt.Errorf("storage.path has changed from %q to %q: that takes a restart", e.first.Storage.Location, c.Storage.Location)
		case !reflect.DeepEqual(withoutTokens(e.first.Reports), withoutTokens(c.Reports)):
			return errors.New("the section reports has changed: that takes a restart, except for its tokens")
		}
		return nil
	}
	if err := e.claim(c.Storage.Location); err != nil {
		return err
	}
	if c.Reports.ListenAddress != "" {
		e.receiver = reports.New(ctx, reports.Options{
			Settings: c.Reports.Settings, Location: c.Storage.Location, Retention: c.Storage.Retention,
			Now: e.clock, Logger: log.With(e.logger, "part", "reports"),
		})
	}
	if !c.Storage.Location.IsZero() {
		e.history = history.New(c.Storage.Location, c.Storage.KeyFile)
		e.key = e.history.Key()
	}
	e.first = c
	return nil
}

// claim makes sure that no other process uses the folder. One that cannot be used
// at all, as on a full disk, costs no figures.
func (e *Exporter) claim(location storage.Location) (err error) {
	if location.IsZero() {
		return nil
	}
	e.claimed, err = location.Claim("serve")
	if inUse := (*storage.InUseError)(nil); errors.As(err, &inUse) {
		return err
	}
	if err != nil {
		_ = level.Warn(e.logger).Log("msg", "could not lock the folder of the history; see that no other exporter uses it", "err", err)
	}
	return nil
}

// withoutTokens are the settings of the receiver that stay.
func withoutTokens(r config.Reports) config.Reports {
	r.Tokens = nil
	return r
}

// apply builds everything new before it stops anything old.
func (e *Exporter) apply(ctx context.Context, c *config.Config) {
	old := make(map[string]*server)
	for _, s := range e.running.Load().servers {
		old[s.settings.Name] = s
	}
	var all, fresh []*server
	for _, s := range c.Servers {
		want := settingsOf(s, c)
		if running, ok := old[s.Name]; ok && reflect.DeepEqual(running.settings, want) {
			all = append(all, running)
			continue
		}
		built := e.build(want)
		if running, ok := old[s.Name]; ok && running.settings.Software == s.Software {
			built.TakeOver(running.Status())
		}
		all, fresh = append(all, built), append(fresh, built)
	}
	for _, s := range all {
		if old[s.settings.Name] == s {
			delete(old, s.settings.Name)
		}
	}
	for _, s := range old {
		s.stop()
	}
	for _, s := range fresh {
		e.start(ctx, s, old[s.settings.Name])
	}
	if e.receiver != nil {
		e.receiver.SetTokens(c.Reports.Tokens)
	}
	e.running.Store(&running{servers: all, windows: c.Windows, nodeInfo: c.NodeInfo, version: e.running.Load().version + 1})
}

// options returns what makes the refresher of a server.
func (e *Exporter) options(s settings) collector.RefresherOptions {
	options := collector.RefresherOptions{
		Server: s.Name, Software: s.Software, Reader: s.Source.NewReader(s.clients),
		Interval: s.interval, StaleAfter: s.staleAfter, Windows: s.windows, Cohorts: s.cohorts, HalfYear: s.halfYear, Minimum: s.minimum,
		Classes: s.clients, Key: e.key, Now: e.clock,
		Cache: s.storage.Cache, Retention: s.storage.Retention,
		Logger: log.With(e.logger, "server", s.Name),
	}
	if e.history != nil { // an interface that holds a nil pointer is not nil
		options.History = e.history
	}
	return options
}

func (e *Exporter) build(s settings) *server {
	return &server{
		settings:  s,
		stop:      func() {},
		stopped:   make(chan struct{}),
		Refresher: collector.NewRefresher(e.options(s)),
	}
}

// start runs a server's refresher once that of its predecessor has ended: the
// two may read the same database.
func (e *Exporter) start(ctx context.Context, s, predecessor *server) {
	ctx, s.stop = context.WithCancel(ctx)
	go func() {
		defer close(s.stopped)
		if predecessor != nil {
			<-predecessor.stopped
		}
		s.Run(ctx)
	}()
}

// Wait returns when all refreshers have ended and the history is closed, or
// after the given time.
func (e *Exporter) Wait(atMost time.Duration) {
	deadline := time.After(atMost)
	for _, s := range e.running.Load().servers {
		select {
		case <-s.stopped:
		case <-deadline:
			_ = level.Warn(e.logger).Log("msg", "a refresh did not end in time", "server", s.settings.Name)
			return
		}
	}
	if e.history != nil {
		if err := e.history.Close(); err != nil {
			_ = level.Warn(e.logger).Log("msg", "could not close the history", "err", err)
		}
	}
	if e.receiver != nil {
		if err := e.receiver.Close(); err != nil {
			_ = level.Warn(e.logger).Log("msg", "could not close the store of reports", "err", err)
		}
	}
	_ = e.claimed.Release() // it ends with the process anyway
}

// Receiver returns what receives reports and the address that it is for; nil if
// nothing is received.
func (e *Exporter) Receiver() (receiver *reports.Receiver, address string) {
	if e.receiver == nil {
		return nil, ""
	}
	return e.receiver, e.first.Reports.ListenAddress
}

// Statuses returns what is known of each server, in configured order.
func (e *Exporter) Statuses() []collector.Status {
	servers := e.running.Load().servers
	statuses := make([]collector.Status, len(servers))
	for i, s := range servers {
		statuses[i] = s.Status()
	}
	return statuses
}

// Ready says that each server has been tried at least once.
func (e *Exporter) Ready() bool {
	for _, s := range e.Statuses() {
		if s.Attempted.IsZero() {
			return false
		}
	}
	return true
}

// Pages returns the pages of the main listener, as the options say, which it
// completes with what there is to show.
func (e *Exporter) Pages(o web.Options) http.Handler {
	o.Program = program
	o.Figures = []prometheus.Collector{e.reloadOK, e.reloadTime}
	o.Statuses, o.Configuration = e.Statuses, e.webConfiguration
	o.Protocol = e.protocol
	o.Clock, o.Logger = e.clock, e.logger
	for _, c := range web.Families(e.source.ChatServers(), e.Statuses, func() *reports.Receiver { return e.receiver }) {
		o.Figures = append(o.Figures, c)
	}
	if e.receiver != nil {
		o.Received, o.ReportsVersion = e.received, e.receiver.Changes
	}
	return web.New(o)
}

func (e *Exporter) webConfiguration() web.Configuration {
	now := e.running.Load()
	c := web.Configuration{Version: now.version, Windows: now.windows, NodeInfo: web.NodeInfo(now.nodeInfo)}
	if now.reloadErr != nil {
		c.ReloadError = now.reloadErr.Error()
	}
	return c
}

// received sums up what has been pushed.
func (e *Exporter) received() web.Received {
	shown := e.receiver.Shown()
	sum := web.Received{
		Homeservers: len(shown.Homeservers) + shown.Overflow, Clusters: len(shown.Clusters),
		Within: e.first.Reports.ExpireAfter,
	}
	for _, n := range e.receiver.Rejected() {
		sum.Rejected += n
	}
	return sum
}

// protocol returns the protocol of a chat server. NodeInfo knows the name matrix
// since 2.2; no other name would be true.
func (e *Exporter) protocol(software string) string {
	kind, err := e.source.Kind(software)
	if err != nil { // no software is configured that is not in the list
		return "unknown"
	}
	return kind.Protocol
}
