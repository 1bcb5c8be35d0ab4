// Package guestbook is for tests alone: a fifth kind of chat server, which does not
// exist, added as CONTRIBUTING.md says. Its records are an SQLite table of who
// signed when, seen(domain, name, at), and its special metric is the number of
// pages, a table of its own.
package guestbook

import (
	"context"
	"errors"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/metric"
	"active_users_exporter/collector/sqldb"
)

// Kind describes the guestbook.
func Kind() chatserver.Kind {
	return chatserver.Kind{
		Name: "guestbook", Title: "Guestbook", Protocol: "pen", ConfigFile: "guestbook.ini",
		Keys:      []string{"hidden_domain"},
		Configure: configure,
		Collector: newCollector,
	}
}

// Options say where the guestbook is.
type Options struct {
	Database sqldb.Source
	// HiddenDomain is a domain that is not shown.
	HiddenDomain string
}

func configure(item *chatserver.Item) chatserver.Source {
	var o Options
	item.Locate(func(location, folder string) (err error) {
		o.Database, err = sqldb.ParseSourceBelow(location, folder)
		return err
	})
	if n := item.Values["hidden_domain"]; n != nil {
		o.HiddenDomain = item.Text(n, "hidden_domain")
	}
	if o.Database.IsZero() && item.Valid() {
		item.WrongLocation(errors.New("no guestbook named"))
	}
	return o
}

// NewReader implements chatserver.Source.
func (o Options) NewReader(*activity.Classes) collector.Reader { return reader(o) }

// Reads implements chatserver.Source.
func (o Options) Reads() []string { return chatserver.Line("database", o.Database.Describe()) }

type reader Options

// Read implements collector.Reader.
func (r reader) Read(ctx context.Context, _, _ time.Time, rec activity.Recorder) (collector.Facts, error) {
	facts := collector.Facts{Complete: true}
	found := make(map[string]bool)
	err := r.Database.Read(ctx, sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
		facts.Database = string(view.Engine)
		var rows []struct {
			Domain, Name string
			At           int64
		}
		if err := view.SelectContext(ctx, &rows, `SELECT domain, name, at FROM seen`); err != nil {
			return err
		}
		for _, row := range rows {
			if row.Domain == r.HiddenDomain {
				continue
			}
			found[row.Domain] = true
			rec.Seen([]byte(row.Domain), []byte(row.Name), activity.Unknown, time.Unix(row.At, 0))
		}
		var written pages
		if err := view.GetContext(ctx, &written, `SELECT count(*) FROM pages`); err != nil {
			return err
		}
		facts.Special = func(*activity.Calendar) []any { return []any{written} }
		return nil
	})
	for domain := range found {
		facts.Domains = append(facts.Domains, collector.DomainFacts{Name: domain, HasLastSeen: true})
	}
	return facts, err
}

// Close implements collector.Reader.
func (r reader) Close() error { return nil }

// pages is the special value: the number of pages.
type pages int

func newCollector(statuses func() []collector.Status) metric.Described {
	owner := metric.Owner[collector.Special[pages]]{Label: "server", Name: func(s collector.Special[pages]) string { return s.Server }}
	return metric.NewCollector(owner, func() []collector.Special[pages] { return collector.Specials[pages](statuses()) },
		[]metric.Family[collector.Special[pages]]{{
			Name: "guestbook_pages", Kind: metric.Gauge, Help: "Number of pages that have been written.",
			Read: func(s collector.Special[pages], emit metric.Emit) { emit(float64(s.Value)) },
		}})
}
