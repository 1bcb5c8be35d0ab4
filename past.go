package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-kit/log/level"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/storage"
	"active_users_exporter/config"
)

// eachPast shows the past of each chat server, one server after the other: all of its
// visits that are known, and its facts.
func eachPast(ctx context.Context, e environment, c *config.Config, show func(config.Server, *activity.Calendar, collector.Facts)) error {
	store, err := pastHistory(ctx, e, c.Storage)
	if err != nil {
		return err
	}
	if store != nil {
		defer func() { _ = store.Close() }()
	}
	for _, s := range c.Servers {
		calendar, facts, err := readPast(ctx, e, c, s, store)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		show(s, calendar, facts)
		e.progress("%s: done\n", s.Name)
	}
	return nil
}

// pastHistory opens the history to look at the past; nil if nothing is recorded.
func pastHistory(ctx context.Context, e environment, s config.Storage) (*history.Store, error) {
	store := history.NewReader(s.Location, s.KeyFile)
	err := store.Check(ctx)
	if err == nil {
		return store, nil
	}
	_ = store.Close()
	if !errors.Is(err, storage.ErrEmpty) {
		return nil, err
	}
	if s.Location.Shared() {
		_ = level.Warn(e.logger).Log("msg", "nothing is recorded yet; known is only what the chat servers keep themselves", "storage", s.Location)
	}
	return nil, nil
}

// mostReads is how many times a server is read until all of its past is known.
const mostReads = 100

// readPast returns all visits of one chat server that are known, from the history and
// from the server itself, and the facts of the server. The history may be nil.
func readPast(ctx context.Context, e environment, c *config.Config, s config.Server, store *history.Store) (*activity.Calendar, collector.Facts, error) {
	reader := s.Source.NewReader(c.Clients)
	defer func() { _ = reader.Close() }()
	key := activity.Key{} // nothing of it is kept
	if store != nil {
		key = store.Key()
	}
	calendar := activity.NewCalendar(key, c.Clients)
	if store != nil {
		if _, err := store.Load(ctx, s.Name, calendar, c.Clients); err != nil {
			return nil, collector.Facts{}, err
		}
	}
	var facts collector.Facts
	for read := range mostReads {
		e.progress("%s: reading (%d)", s.Name, read+1)
		var err error
		if facts, err = reader.Read(ctx, time.Time{}, e.clock(), calendar); err != nil {
			return nil, collector.Facts{}, err
		}
		if !slices.ContainsFunc(facts.Domains, func(d collector.DomainFacts) bool { return d.KeepsVisits && !d.AllVisits }) {
			break
		}
	}
	for _, d := range facts.Domains {
		if d.AllAccounts {
			calendar.AllReported(d.Name)
		}
	}
	return calendar, facts, nil
}
