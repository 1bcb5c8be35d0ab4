package synapse_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// homeserver is one whose rows are written one by one, in an SQLite file.
type homeserver struct {
	t    *testing.T
	path string
	db   *sqlx.DB
}

func newHomeserver(t *testing.T) *homeserver {
	t.Helper()
	h := &homeserver{t: t, path: filepath.Join(t.TempDir(), "homeserver.db")}
	must.Succeed(t, synapsetest.Population{Users: 1, Days: 1, Now: noon}.FillSQLite(t.Context(), h.path))
	h.open()
	t.Cleanup(h.close)
	h.run(`DELETE FROM user_ips`, `DELETE FROM devices`, `DELETE FROM user_daily_visits`, `DELETE FROM events`, `DELETE FROM users`)
	return h
}

func (h *homeserver) open() {
	h.t.Helper()
	h.db = must.Get(sqldb.CreateSQLite(h.path))(h.t)
	h.db.SetMaxOpenConns(1)
	h.run(`PRAGMA journal_mode = delete`, `PRAGMA synchronous = off`)
}

func (h *homeserver) close() { must.Succeed(h.t, h.db.Close()) }

func (h *homeserver) run(statements ...string) {
	h.t.Helper()
	for _, s := range statements {
		_, err := h.db.ExecContext(h.t.Context(), s)
		must.Succeed(h.t, err)
	}
}

func name(user string) string { return "@" + user + ":" + synapsetest.Server }

// visit is a request: Synapse writes the visit of the day and the last-seen time.
func (h *homeserver) visit(user string, at time.Time) {
	h.t.Helper()
	midnight := activity.DayOf(at).Start().UnixMilli()
	h.run(
		fmt.Sprintf(`INSERT INTO users (name, creation_ts) SELECT '%s', %d WHERE NOT EXISTS (SELECT 1 FROM users WHERE name = '%[1]s')`, name(user), at.Unix()),
		fmt.Sprintf(`INSERT INTO user_daily_visits (user_id, device_id, timestamp, user_agent) SELECT '%s', 'D', %d, 'Element Android'
			WHERE NOT EXISTS (SELECT 1 FROM user_daily_visits WHERE user_id = '%[1]s' AND timestamp = %[2]d)`, name(user), midnight),
		fmt.Sprintf(`DELETE FROM user_ips WHERE user_id = '%s'`, name(user)),
		fmt.Sprintf(`INSERT INTO user_ips (user_id, access_token, ip, user_agent, last_seen) VALUES ('%s', 't', '::1', 'Element Android', %d)`, name(user), at.UnixMilli()),
	)
}

// seen changes a user's last-seen time.
func (h *homeserver) seen(user string, at time.Time) {
	h.t.Helper()
	h.run(fmt.Sprintf(`UPDATE user_ips SET last_seen = %d WHERE user_id = '%s'`, at.UnixMilli(), name(user)))
}

// message is an event of the room.
func (h *homeserver) message(at time.Time) {
	h.t.Helper()
	h.run(fmt.Sprintf(`INSERT INTO events (stream_ordering, type, room_id, sender, received_ts)
		SELECT COALESCE(MAX(stream_ordering), 0) + 1, 'm.room.message', '!r:x', '@a:x', %d FROM events`, at.UnixMilli()))
}

// backup keeps the file, and returns what puts it back.
func (h *homeserver) backup() (restore func()) {
	h.t.Helper()
	content := must.Get(os.ReadFile(h.path))(h.t)
	return func() {
		h.t.Helper()
		h.close()
		must.Succeed(h.t, os.WriteFile(h.path, content, 0o600))
		h.open()
	}
}

// refresher reads the homeserver as a process that has just been started; with an
// empty folder it keeps nothing.
func (h *homeserver) refresher(folder string, now *time.Time) (r *collector.Refresher, stop func()) {
	h.t.Helper()
	source := must.Get(sqldb.ParseSource("sqlite:" + h.path))(h.t)
	options := collector.RefresherOptions{
		Server: "matrix", Software: "synapse", Reader: synapse.New(synapse.Options{Database: source}, activity.SynapseClasses()),
		Interval: time.Hour, StaleAfter: 3 * time.Hour, Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(),
		Now: func() time.Time { return *now }, Logger: log.NewNopLogger(), Cache: true,
	}
	if folder == "" {
		return collector.NewRefresher(options), func() {}
	}
	store := history.New(storage.Folder(folder), "")
	options.History, options.Key = store, store.Key()
	return collector.NewRefresher(options), func() { must.Succeed(h.t, store.Close()) }
}

// figures refreshes, and returns everything that is counted from activity.
func (h *homeserver) figures(r *collector.Refresher) collector.Domain {
	h.t.Helper()
	return refresh(h.t, r).Domain
}

// same compares figures with those of somebody who reads everything for the first
// time, at the same moment.
func (h *homeserver) same(when string, got collector.Domain, now time.Time) {
	h.t.Helper()
	fresh, _ := h.refresher("", &now)
	if diff := cmp.Diff(h.figures(fresh), got, cmpopts.EquateComparable(activity.Window{})); diff != "" {
		h.t.Errorf("%s (-read for the first time +ours):\n%s", when, diff)
	}
}

// However long nothing was read, the day of the last refresh was not over then, and
// the next one was not known at all.
func TestNoRefreshForALongTime(t *testing.T) {
	for _, gap := range []int{1, 30, 59, 60, 61, 62, 63, 71, 72, 82, 120, 394, 395, 396, 399, 400, 410} {
		for name, restarted := range map[string]bool{"the exporter was off": true, "the server was away": false} {
			t.Run(fmt.Sprint(name, " for ", gap, " days"), func(t *testing.T) {
				h := newHomeserver(t)
				folder := t.TempDir()
				now := noon
				h.visit("a", now.AddDate(0, 0, -5))
				r, stop := h.refresher(folder, &now)
				h.figures(r)
				h.visit("b", now.Add(time.Hour))
				h.visit("a", now.AddDate(0, 0, 1))
				h.visit("b", now.AddDate(0, 0, 1))
				h.visit("b", now.AddDate(0, 0, gap))
				now = now.AddDate(0, 0, gap)
				if restarted {
					stop()
					r, stop = h.refresher(folder, &now)
				}
				got := h.figures(r)
				stop()
				h.same("figures", got, now)
				if gap == 62 && (got.Growth.New != 0 || got.Growth.Resurrected != 1) {
					t.Errorf("growth %+v, want one who is back and nobody new", got.Growth)
				}
			})
		}
	}
}

// A backup was restored, and somebody used it before the next refresh: what happened
// after the backup did not happen. Each of its traces is enough.
func TestARestoredBackupThatIsUsed(t *testing.T) {
	for name, c := range map[string]struct {
		age   time.Duration
		since func(h *homeserver) // the backup
	}{
		"visits of two days": {2 * day, func(h *homeserver) {
			for n := range 15 {
				h.visit(fmt.Sprint("user", n), noon.Add(-day))
				h.visit(fmt.Sprint("user", n), noon.Add(-time.Hour))
			}
		}},
		"visits of ten days": {10 * day, func(h *homeserver) {
			for n := range 15 {
				h.visit(fmt.Sprint("user", n), noon.Add(-9*day))
				h.visit(fmt.Sprint("user", n), noon.Add(-time.Hour))
			}
		}},
		"messages of the same day": {2 * time.Hour, func(h *homeserver) {
			h.seen("user0", noon.Add(-time.Hour))
			h.message(noon.Add(-time.Hour))
		}},
		"an account of the same day": {2 * time.Hour, func(h *homeserver) {
			h.seen("user0", noon.Add(-time.Hour))
			h.run(fmt.Sprintf(`INSERT INTO users (name, creation_ts) VALUES ('%s', %d)`, name("new"), noon.Add(-time.Hour).Unix()))
		}},
		"a visit of the same day": {2 * time.Hour, func(h *homeserver) {
			h.seen("user0", noon.Add(-time.Hour))
			h.visit("user1", noon.Add(-time.Hour))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHomeserver(t)
			for n := range 30 {
				h.visit(fmt.Sprint("user", n), noon.Add(-40*day))
			}
			for _, user := range []string{"user0", "user20"} {
				h.visit(user, noon.Add(-c.age-time.Minute)) // the visit of that day is in the backup
				h.seen(user, noon.Add(-25*day))
			}
			h.message(noon.Add(-c.age - time.Minute))
			restore := h.backup()
			c.since(h)
			now := noon
			r, _ := h.refresher("", &now)
			before := h.figures(r)
			restore()
			h.visit("user20", noon.Add(30*time.Minute))
			now = noon.Add(time.Hour)
			after := h.figures(r)
			h.same("at the next refresh", after, now)
			if before.Active[0].Users == 0 || after.Active[0].Users != 1 {
				t.Errorf("active in a day: %d, then %d; want some, then one", before.Active[0].Users, after.Active[0].Users)
			}
		})
	}
}

// A backup was restored while the exporter was off, and as many people have used it on the
// day of the last refresh as had come before on that day.
func TestARestoredBackupThatIsUsedByAsMany(t *testing.T) {
	for _, off := range []int{0, 1, 8, 30} {
		t.Run(fmt.Sprint(off, " days"), func(t *testing.T) {
			h := newHomeserver(t)
			for n := range 30 {
				h.visit(fmt.Sprint("user", n), noon.AddDate(0, 0, -40+n%5))
			}
			restore := h.backup()
			h.visit("user10", noon.AddDate(0, 0, -9))
			h.visit("user0", noon.Add(-time.Hour))
			folder, now := t.TempDir(), noon
			r, stop := h.refresher(folder, &now)
			h.figures(r)
			stop()
			restore()
			h.visit("user20", noon.Add(30*time.Minute))
			now = noon.AddDate(0, 0, off).Add(time.Hour)
			h.visit("user21", now.Add(-time.Minute))
			r, stop = h.refresher(folder, &now)
			h.same("at the next refresh", h.figures(r), now)
			stop()
		})
	}
}

// The database that is read is behind, as a standby may be: figures are those of its
// state, and right as soon as it has caught up.
func TestADatabaseThatIsBehind(t *testing.T) {
	for _, behind := range []time.Duration{0, 90 * time.Minute, 3 * time.Hour, 6 * time.Hour} {
		t.Run(behind.String(), func(t *testing.T) {
			h := newHomeserver(t)
			began := noon.Truncate(day).Add(16*time.Hour + 30*time.Minute)
			for n := range 40 {
				h.visit(fmt.Sprint("user", n), began.Add(-40*day))
			}
			now := began
			r, _ := h.refresher("", &now)
			written := began.Add(-7 * time.Hour)
			for ; now.Before(began.Add(38 * time.Hour)); now = now.Add(time.Hour) {
				for ; !written.After(now.Add(-behind)); written = written.Add(17 * time.Minute) {
					h.visit(fmt.Sprint("user", int(written.Unix())/1020%40), written)
				}
				h.same(now.Format(time.DateTime), h.figures(r), now)
				if t.Failed() {
					return
				}
			}
		})
	}
}

// The same on a server to which nobody has come yet: there no visit
// and no last-seen time says how far the database is behind.
func TestANewDatabaseThatIsBehind(t *testing.T) {
	h := newHomeserver(t)
	midnight := noon.Truncate(day)
	h.run(fmt.Sprintf(`INSERT INTO users (name, creation_ts) VALUES ('%s', 1)`, name("a")))
	now := midnight.Add(30 * time.Minute)
	r, _ := h.refresher("", &now)
	h.figures(r)
	for user, at := range map[string]time.Time{"a": midnight.Add(-2 * time.Hour), "b": midnight.Add(-time.Hour), "c": midnight.Add(time.Minute)} {
		h.visit(user, at)
	}
	now = now.Add(5 * time.Hour)
	h.same("once it has caught up", h.figures(r), now)
}

// A clock that was ahead before the exporter was started again says nothing about what
// was read: figures are right at the first refresh with the right clock, also if that
// one comes when the wrong clock's moment is over.
func TestAClockThatWasAheadBeforeARestart(t *testing.T) {
	for _, ahead := range []time.Duration{20 * time.Hour, 54 * day} {
		t.Run(ahead.String(), func(t *testing.T) {
			h := newHomeserver(t)
			folder := t.TempDir()
			for n := range 10 {
				h.visit(fmt.Sprint("user", n), noon.Add(-time.Duration(n)*day))
			}
			now := noon.Add(ahead)
			r, stop := h.refresher(folder, &now)
			h.figures(r)
			stop()
			for n := range 5 {
				h.visit(fmt.Sprint("user", n), noon.Add(time.Duration(n+1)*time.Hour))
			}
			now = noon.Add(ahead + time.Hour)
			h.visit("user7", now.Add(-29*day))
			h.visit("user8", now.Add(-time.Hour))
			h.run(fmt.Sprintf(`DELETE FROM user_daily_visits WHERE user_id = '%s' AND timestamp = %d`, name("user7"), activity.DayOf(now.Add(-29*day)).Start().UnixMilli()), // a guest
				fmt.Sprintf(`INSERT INTO devices (user_id, device_id, last_seen, user_agent) SELECT user_id, 'D', last_seen, user_agent FROM user_ips WHERE last_seen < %d`, now.Add(-28*day).UnixMilli()),
				fmt.Sprintf(`DELETE FROM user_ips WHERE last_seen < %d`, now.Add(-28*day).UnixMilli()))
			r, stop = h.refresher(folder, &now)
			h.same("after a clock that was ahead", h.figures(r), now)
			stop()
		})
	}
}

// A clock that is ahead while the exporter starts for the first time makes all messages
// old. With the right clock they count again at once.
func TestAClockAheadLosesNoMessages(t *testing.T) {
	for _, ahead := range []time.Duration{0, 20 * day, 380 * day, 410 * day, 900 * day} {
		t.Run(ahead.String(), func(t *testing.T) {
			h := newHomeserver(t)
			folder := t.TempDir()
			for n := range 40 {
				h.visit("a", noon.Add(time.Duration(n-40)*day))
				h.message(noon.Add(time.Duration(n-40) * day))
			}
			h.run(`UPDATE events SET room_id = room_id || stream_ordering`) // a room for each
			now := noon.Add(ahead)
			for range 3 { // with a restart
				r, stop := h.refresher(folder, &now)
				h.figures(r)
				now = now.Add(time.Hour)
				h.figures(r)
				stop()
			}
			now = noon.Add(5 * time.Hour)
			r, stop := h.refresher(folder, &now)
			got := h.figures(r)
			stop()
			h.same("with the right clock", got, now)
			if len(got.Messages) != 3 || got.Messages[2].Rooms != 29 {
				t.Errorf("messages: %+v, want 29 rooms in 30 days", got.Messages)
			}
		})
	}
}

// rowWatcher is a reader that notes how many rows are known of some days.
type rowWatcher struct {
	collector.Reader
	days []activity.Day
	rows map[activity.Day]int
}

func (w rowWatcher) Read(ctx context.Context, since, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	facts, err := w.Reader.Read(ctx, since, now, rec)
	for _, date := range w.days {
		w.rows[date], _ = rec.Rows([]byte(synapsetest.Server), date)
	}
	return facts, err
}

// Visits that somebody deletes are noticed within 60 hours on the days of r30v2, and
// within seven days on all others, whenever refreshes come.
func TestDeletedVisitsAreNoticed(t *testing.T) {
	for _, interval := range []time.Duration{20 * time.Minute, time.Hour, 5 * time.Hour, day} {
		t.Run(interval.String(), func(t *testing.T) {
			h := newHomeserver(t)
			now := noon.Add(30 * time.Minute)
			watcher := rowWatcher{rows: make(map[activity.Day]int)}
			var statements []string
			h.visit("c", now.Add(-day)) // not deleted: if the newest days lose visits, all is read again
			h.visit("c", now)
			for n := range 62 { // all other days of r30v2, since each has its own turn
				ago := n + 2
				if n == 61 {
					ago = 390
				}
				date := activity.DayOf(now) - activity.Day(ago)
				watcher.days = append(watcher.days, date)
				for _, user := range []string{"a", "b"} {
					h.visit(user, date.Start().Add(time.Hour))
				}
				statements = append(statements, fmt.Sprintf(`DELETE FROM user_daily_visits WHERE user_id = '%s' AND timestamp = %d`, name("a"), date.Start().UnixMilli()))
			}
			source := must.Get(sqldb.ParseSource("sqlite:" + h.path))(t)
			watcher.Reader = synapse.New(synapse.Options{Database: source}, activity.SynapseClasses())
			r := collector.NewRefresher(collector.RefresherOptions{
				Server: "matrix", Software: "synapse", Reader: watcher, Interval: interval, StaleAfter: 3 * day,
				Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(), Now: func() time.Time { return now }, Logger: log.NewNopLogger(),
			})
			h.figures(r)
			h.figures(r) // older days are read
			began := now
			h.run(statements...)
			noticed := make(map[activity.Day]time.Duration)
			for len(noticed) < len(watcher.days) && now.Sub(began) < 8*day {
				now = now.Add(interval)
				h.figures(r)
				for _, date := range watcher.days {
					if _, already := noticed[date]; !already && watcher.rows[date] == 1 {
						noticed[date] = now.Sub(began)
					}
				}
			}
			for _, date := range watcher.days {
				ago := activity.DayOf(began) - date
				most := 7*day + interval
				if ago < activity.RetentionDays-4 { // and stays one of the days of r30v2 meanwhile
					most = activity.RetentionDays*time.Hour + interval
				}
				if after, ever := noticed[date]; !ever || after > most {
					t.Errorf("a visit of %d days ago: noticed after %s (%v), want %s at most", ago, after, ever, most)
				}
			}
		})
	}
}

// The oldest day that counts is the same for a history that has grown and for
// somebody who reads everything for the first time.
func TestTheOldestDayThatCounts(t *testing.T) {
	for _, ago := range []int{398, 399, 400, 401} {
		h := newHomeserver(t)
		folder := t.TempDir()
		h.visit("a", noon.AddDate(0, 0, -ago))
		h.visit("b", noon.AddDate(0, 0, -1))
		now := noon.AddDate(0, 0, -1)
		r, stop := h.refresher(folder, &now)
		h.figures(r)
		stop()
		h.visit("a", noon)
		now = noon
		r, stop = h.refresher(folder, &now)
		got := h.figures(r)
		stop()
		h.same(fmt.Sprint(ago, " days ago"), got, now)
		back, days := 0, 2
		if ago < 400 {
			back, days = 1, ago+1
		}
		if got.Growth.Resurrected != back || got.History.Number != days {
			t.Errorf("a visit %d days ago: %d came back, %d days of history; want %d and %d", ago, got.Growth.Resurrected, got.History.Number, back, days)
		}
	}
}
