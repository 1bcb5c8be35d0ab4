package demo

import (
	"context"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
)

// ProsodyHistory records in store what an exporter would have recorded, had it
// read the Prosody of the same arguments each day from the beginning.
func ProsodyHistory(ctx context.Context, store *history.Store, server string, now time.Time, users int, seed uint64) error {
	classes := activity.SynapseClasses()
	calendar := activity.NewCalendar(store.Key(), classes)
	began := now.AddDate(0, 0, 1-days)
	for _, host := range []string{oldHost, newHost} {
		calendar.RecordVisits(host, began)
		for date := began; !date.After(now); date = date.AddDate(0, 0, 1) {
			calendar.Observe(host, date)
		}
	}
	for i, p := range population(now, users, seed+1) {
		for _, s := range p.seen {
			calendar.Visit([]byte(hostOf(i)), []byte(p.name), activity.Unknown, activity.DayOf(s.last))
		}
	}
	return store.Save(ctx, server, []string{oldHost, newHost}, calendar, classes, history.Moment{At: now.Add(-time.Hour), FullRead: now.Add(-time.Hour)})
}

// hostOf is where a person of Prosody's population has the account.
func hostOf(person int) string {
	if person%3 == 0 {
		return newHost
	}
	return oldHost
}
