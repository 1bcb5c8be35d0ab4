package test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/reports"
	"active_users_exporter/config"
	"active_users_exporter/test/must"
	"active_users_exporter/test/series"
	"active_users_exporter/web"
)

// byHand is put together as the program is. A test asks for its refreshes, at a
// time that the test sets.
type byHand struct {
	refreshers []*collector.Refresher
	handler    http.Handler
	now        *atomic.Int64
}

func newByHand(t *testing.T, content string, at time.Time) *byHand {
	t.Helper()
	path := filepath.Join(t.TempDir(), "active_users.yml")
	must.WriteFile(t, path, content)
	return newByHandFrom(t, config.Source{File: path, LookupEnv: os.LookupEnv}, at)
}

func newByHandFrom(t *testing.T, source config.Source, at time.Time) *byHand {
	t.Helper()
	c, err := source.Load()
	must.Succeed(t, err)
	e := &byHand{now: &atomic.Int64{}}
	e.now.Store(at.UnixNano())
	options := collector.RefresherOptions{
		Interval: c.RefreshInterval, StaleAfter: c.StaleAfter, Windows: c.Windows, Cohorts: c.Cohorts, HalfYear: c.NodeInfo.Enabled,
		Classes: c.Clients, Key: activity.Key{1}, Now: e.clock,
		Cache: c.Storage.Cache, Retention: c.Storage.Retention, Logger: log.NewNopLogger(),
	}
	if !c.Storage.Location.IsZero() {
		store := history.New(c.Storage.Location, c.Storage.KeyFile)
		options.History, options.Key = store, store.Key()
		t.Cleanup(func() { must.Succeed(t, store.Close()) })
	}
	for _, s := range c.Servers {
		reader := s.Source.NewReader(c.Clients)
		t.Cleanup(func() { must.Succeed(t, reader.Close()) })
		options.Server, options.Software, options.Reader = s.Name, s.Software, reader
		e.refreshers = append(e.refreshers, collector.NewRefresher(options))
	}
	var figures []prometheus.Collector
	for _, family := range web.Families(source.ChatServers(), e.statuses, func() *reports.Receiver { return nil }) {
		figures = append(figures, family)
	}
	e.handler = web.New(web.Options{
		TelemetryPath: "/metrics", Figures: figures,
		Statuses:      e.statuses,
		Configuration: func() web.Configuration { return web.Configuration{Windows: c.Windows} },
		Clock:         e.clock, Logger: log.NewNopLogger(),
	})
	return e
}

func (e *byHand) clock() time.Time { return time.Unix(0, e.now.Load()).UTC() }

func (e *byHand) statuses() []collector.Status {
	statuses := make([]collector.Status, len(e.refreshers))
	for i, r := range e.refreshers {
		statuses[i] = r.Status()
	}
	return statuses
}

func (e *byHand) advance(d time.Duration) { e.now.Add(int64(d)) }

// unix is the time as metrics show it.
func (e *byHand) unix() string { return strconv.FormatFloat(float64(e.clock().Unix()), 'g', -1, 64) }

func (e *byHand) server(name string) *collector.Refresher {
	for _, r := range e.refreshers {
		if r.Status().Server == name {
			return r
		}
	}
	panic("no server " + name)
}

func (e *byHand) refresh(t *testing.T, name string) error {
	t.Helper()
	return refreshWithin(t, e.server(name), long)
}

// fresh are the figures of a server that a new exporter of the same
// configuration shows.
func (e *byHand) fresh(t *testing.T, content, name string) series.Series {
	t.Helper()
	other := newByHand(t, content, e.clock())
	must.Succeed(t, other.refresh(t, name))
	return other.scrape(t).Figures(name)
}

func (e *byHand) scrape(t *testing.T) series.Series {
	t.Helper()
	code, body := get(t, e.handler, http.MethodGet, "/metrics")
	if code != http.StatusOK {
		t.Errorf("a scrape was answered with %d", code)
	}
	return series.Parse(body)
}

func refreshWithin(t *testing.T, s *collector.Refresher, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return s.Refresh(ctx)
}

func get(t *testing.T, handler http.Handler, method, path string) (int, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return recorder.Code, recorder.Body.String()
}
