package collector_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
)

// now is the moment of the tests' refreshes.
var now = time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC)

// fakeReader is a chat server whose records are what the test says.
type fakeReader func(ctx context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error)

func (f fakeReader) Read(ctx context.Context, _, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	return f(ctx, now, rec)
}

func (f fakeReader) Close() error { return nil }

// matrix is a server that keeps everything.
func matrix(_ context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	for user, ago := range map[string]int{"a": 0, "b": 3, "c": 20, "d": 29, "e": 30} {
		rec.Seen([]byte("example.org"), []byte(user), activity.Unknown, now.AddDate(0, 0, -ago))
		for _, client := range []activity.Client{1, 2} {
			rec.Visit([]byte("example.org"), []byte(user), client, activity.DayOf(now)-activity.Day(ago))
		}
		rec.Visit([]byte("example.org"), []byte(user), 2, activity.DayOf(now)-45)
	}
	return collector.Facts{
		Database: "postgresql 15.18",
		Domains: []collector.DomainFacts{{
			Name: "example.org", HasLastSeen: true, Clients: true, KeepsVisits: true, LastSeenSince: now.AddDate(0, 0, -28),
			Registered: map[collector.AccountType]int{collector.Native: 7, collector.Bridged: 2, collector.Guest: 0},
			Created:    map[collector.AccountType]int{collector.Native: 1, collector.Bridged: 0, collector.Guest: 0},
		}},
	}, nil
}

// xmpp is a server that keeps last activity alone, and has modules.
func xmpp(_ context.Context, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	rec.Seen([]byte("chat.example.org"), []byte("a"), activity.Unknown, now.Add(-time.Hour))
	return collector.Facts{
		Database: "files",
		Domains: []collector.DomainFacts{
			{Name: "chat.example.org", HasLastSeen: true, Registered: map[collector.AccountType]int{collector.Native: 3}, Damaged: 1},
			{Name: "bücher.example", Registered: map[collector.AccountType]int{collector.Native: 1}},
		},
		Modules: []collector.Module{
			{Domain: "chat.example.org", Name: "mam", Status: collector.ModuleError, Loaded: true, Required: true},
			{Domain: collector.AllDomains, Name: "tls", Loaded: true},
			{Domain: collector.AllDomains, Name: "smacks", Required: true},
		},
	}, nil
}

func unreachable(context.Context, time.Time, activity.Recorder) (collector.Facts, error) {
	return collector.Facts{}, errors.New("no such host")
}

func refresher(t *testing.T, name string, read fakeReader, clock func() time.Time) *collector.Refresher {
	t.Helper()
	return refresherOf(name, read, clock)
}

func refresherOf(name string, reader collector.Reader, clock func() time.Time) *collector.Refresher {
	return collector.NewRefresher(collector.RefresherOptions{
		Server: name, Software: "software of " + name, Reader: reader,
		Interval: time.Hour, StaleAfter: 3 * time.Hour,
		Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(),
		Now: clock, Logger: log.NewNopLogger(),
	})
}

func still() time.Time { return now }

// A scrape must not wait for a refresh, however long that takes.
func TestScrapeDoesNotWaitForRefresh(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	hanging, release := make(chan struct{}), make(chan struct{})
	r := refresher(t, "slow", func(context.Context, time.Time, activity.Recorder) (collector.Facts, error) {
		close(hanging)
		<-release
		return collector.Facts{}, nil
	}, still)
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	<-hanging
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collector.New(func() []collector.Status { return []collector.Status{r.Status()} }))
	families, err := registry.Gather()
	if err != nil || len(families) == 0 {
		t.Errorf("%d families and error %v", len(families), err)
	}
	cancel()
	close(release)
	<-done
}
