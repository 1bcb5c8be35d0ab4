package main

import (
	"context"
	"fmt"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/config"
	"active_users_exporter/web"
)

// writeLetter writes how many people came in a month or a week, as HTML or as text.
// Its figures are those that backfill writes.
func writeLetter(ctx context.Context, e environment, source config.Source, month, week string, asHTML bool) error {
	period, err := periodOf(month, week, e.clock())
	if err != nil {
		return &usageError{err}
	}
	c, err := source.Load()
	if err != nil {
		return &usageError{err}
	}
	logWarnings(e.logger, c)
	letter := web.Letter{Period: period}
	err = eachPast(ctx, e, c, func(s config.Server, calendar *activity.Calendar, facts collector.Facts) {
		letter.Statuses = append(letter.Statuses, collector.Status{
			Server: s.Name, Software: s.Software,
			Snapshot: collector.PastSnapshot(period.Last, facts, calendar, c.Windows, c.Clients, c.Minimum),
		})
	})
	if err != nil {
		return err
	}
	if asHTML {
		err = letter.WriteHTML(e.stdout)
	} else {
		err = letter.WriteText(e.stdout)
	}
	if err != nil {
		return fmt.Errorf("print the letter: %w", err)
	}
	return nil
}

// periodOf returns the month or the week that is meant: the last month that is over
// if neither is named.
func periodOf(month, week string, now time.Time) (p web.Period, err error) {
	today := activity.DayOf(now)
	switch {
	case month != "" && week != "":
		return p, fmt.Errorf("--month=%s --week=%s: want one of them", month, week)
	case week != "":
		monday, err := mondayOf(week)
		if err != nil {
			return p, fmt.Errorf("--week=%s: want a week such as 2026-W45 (ISO 8601)", week)
		}
		p = web.Period{
			Name:   "the week from " + monday.Start().Format("2 January 2006"),
			Before: "the week before",
			First:  monday, Last: monday + activity.WeekDays - 1, FirstBefore: monday - activity.WeekDays,
		}
	default:
		first := time.Date(now.Year(), now.Month()-1, 1, 0, 0, 0, 0, time.UTC)
		if month != "" {
			if first, err = time.Parse("2006-01", month); err != nil {
				return p, fmt.Errorf("--month=%s: want a month such as 2026-11", month)
			}
		}
		before := first.AddDate(0, -1, 0)
		p = web.Period{
			Name: first.Format("January 2006"), Before: before.Format("January 2006"),
			First: activity.DayOf(first), Last: activity.DayOf(first.AddDate(0, 1, 0)) - 1, FirstBefore: activity.DayOf(before),
		}
	}
	if p.Last >= today {
		return p, fmt.Errorf("%s is not over: the last day that is over is %s", p.Name, today-1)
	}
	return p, nil
}

// mondayOf returns the first day of a week such as 2026-W45.
func mondayOf(week string) (activity.Day, error) {
	var year, number int
	if n, err := fmt.Sscanf(week, "%4d-W%2d", &year, &number); err != nil || n != 2 {
		return 0, fmt.Errorf("no week: %q", week)
	}
	// The 4th of January is in the first week (ISO 8601).
	fourth := time.Date(year, time.January, 4, 0, 0, 0, 0, time.UTC)
	monday := fourth.AddDate(0, 0, -(int(fourth.Weekday())+6)%7+7*(number-1))
	if y, n := monday.ISOWeek(); y != year || n != number || week != fmt.Sprintf("%04d-W%02d", year, number) {
		return 0, fmt.Errorf("no week: %q", week)
	}
	return activity.DayOf(monday), nil
}
