package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/history"
	"active_users_exporter/config"
)

// addHistory adds the commands for the visit history.
func addHistory(app *kingpin.Application) map[string]command {
	cmd := app.Command("history", "The visit history.")
	purge := cmd.Command("purge", "Delete everything that was recorded of a domain, while the exporter is stopped.")
	purgeSource := addSourceFlags(purge)
	addStorageFlag(purge, purgeSource)
	domain := purge.Flag("domain", "Name of the domain.").Required().String()
	forget := cmd.Command("forget", "Remove what was recorded of one person, while the exporter is stopped.")
	forgetSource := addConfigFlag(forget)
	addStorageFlag(forget, forgetSource)
	person := addPerson(forget)
	imported := cmd.Command("import", "Record, while the exporter is stopped, the logins of the past that chat servers have archived: Prosody's store audit (mod_audit, mod_audit_auth).")
	importSource := addSourceFlags(imported)
	addStorageFlag(imported, importSource)
	return map[string]command{
		purge.FullCommand(): func(ctx context.Context, e environment) error {
			s, err := storageOf(purgeSource)
			if err != nil {
				return err
			}
			return withOwnHistory(s, purge.FullCommand(), func(store *history.Store) error {
				n, err := store.Purge(ctx, *domain)
				if err != nil {
					return err
				}
				if n == 0 {
					return fmt.Errorf("nothing was recorded of %q", *domain)
				}
				_, _ = fmt.Fprintf(e.stdout, "everything recorded of %s is deleted\n", *domain)
				return nil
			})
		},
		forget.FullCommand(): func(ctx context.Context, e environment) error {
			s, err := storageOf(forgetSource)
			if err != nil {
				return err
			}
			return withOwnHistory(s, forget.FullCommand(), func(store *history.Store) error { return person.forget(ctx, e, store) })
		},
		imported.FullCommand(): func(ctx context.Context, e environment) error {
			s, err := storageOf(importSource)
			if err != nil {
				return err
			}
			c, err := importSource.Load()
			if err != nil {
				return &usageError{err}
			}
			if !slices.ContainsFunc(c.Servers, func(s config.Server) bool { _, is := s.Source.(chatserver.LoginArchive); return is }) {
				return &usageError{errors.New("no Prosody is configured, and of other servers there is nothing to import")}
			}
			return withOwnHistory(s, imported.FullCommand(), func(store *history.Store) error {
				return importAll(ctx, e, store, c)
			})
		},
	}
}

// withOwnHistory opens a history that nobody else may use meanwhile.
func withOwnHistory(s config.Storage, doing string, do func(*history.Store) error) error {
	claim, err := s.Location.Claim(doing)
	if err != nil {
		return err
	}
	store := history.NewExclusive(s.Location, s.KeyFile)
	return errors.Join(do(store), store.Close(), claim.Release())
}

// importAll records the archived logins of each server that has some.
func importAll(ctx context.Context, e environment, store *history.Store, c *config.Config) error {
	for _, server := range c.Servers {
		source, is := server.Source.(chatserver.LoginArchive)
		if !is {
			continue
		}
		if err := importLogins(ctx, e, store, c, server.Name, source); err != nil {
			return fmt.Errorf("%s: %w", server.Name, err)
		}
	}
	return nil
}

// importLogins records the archived logins of one server.
func importLogins(ctx context.Context, e environment, store *history.Store, c *config.Config, server string, source chatserver.LoginArchive) error {
	// A calendar is hashed with the store's key, which is made at its first use.
	calendar := activity.NewCalendar(store.Key(), c.Clients)
	if _, err := store.Load(ctx, server, calendar, c.Clients); err != nil {
		return err
	}
	oldest := e.clock().Add(-c.Storage.Retention)
	logins, archived := 0, make(map[string][2]activity.Day) // the first and last day by domain
	if err := source.ArchivedLogins(ctx, func(l chatserver.Login) {
		if l.At.Before(oldest) || l.At.After(e.clock()) {
			return
		}
		calendar.RecordLogin(l.Domain, []byte(l.User), activity.Unknown, l.At)
		logins++
		date := activity.DayOf(l.At)
		days, known := archived[l.Domain]
		if !known {
			days = [2]activity.Day{date, date}
		}
		archived[l.Domain] = [2]activity.Day{min(days[0], date), max(days[1], date)}
	}); err != nil {
		return err
	}
	domains := slices.Sorted(maps.Keys(archived))
	for _, domain := range domains {
		calendar.ObserveDays(domain, archived[domain][0], archived[domain][1])
	}
	// The zero moment: the next refresh reads everything.
	if err := store.Save(ctx, server, domains, calendar, c.Clients, history.Moment{At: time.UnixMilli(0), FullRead: time.UnixMilli(0)}); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(e.stdout, "%s: %d logins recorded, of %d domains\n", server, logins, len(domains))
	return nil
}
