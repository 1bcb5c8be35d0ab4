package synapse_test

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// messageFigures are what is counted from events, by name.
type messageFigures map[string]int

// messageOracle asks a database as Synapse does, one statement for each figure
// (synapse/storage/databases/main/metrics.py and event_push_actions.py, 1.160), and for
// senders and rooms as docs/definitions.md says.
func messageOracle(t rapid.TB, db *sqlx.DB, server string, now time.Time) messageFigures {
	first := positionBySteps(t, db, now.Add(-24*time.Hour).UnixMilli())
	count := func(query string, args ...any) (n int) {
		try(t, db.Get(&n, db.Rebind(query), args...))
		return n
	}
	local := "%:" + server
	figures := make(messageFigures)
	for kind, names := range map[string][3]string{
		"m.room.message":   {"daily_messages", "daily_sent_messages", "daily_active_rooms"},
		"m.room.encrypted": {"daily_e2ee_messages", "daily_sent_e2ee_messages", "daily_active_e2ee_rooms"},
	} {
		figures[names[0]] = count(`SELECT COUNT(*) FROM events WHERE type = ? AND stream_ordering > ?`, kind, first)
		figures[names[1]] = count(`SELECT COUNT(*) FROM events WHERE type = ? AND sender LIKE ? AND stream_ordering > ?`, kind, local, first)
		figures[names[2]] = count(`SELECT COUNT(DISTINCT room_id) FROM events WHERE type = ? AND stream_ordering > ?`, kind, first)
	}
	for window, days := range map[string]int64{"1d": 1, "7d": 7, "30d": 30} {
		after := now.UnixMilli() - days*day.Milliseconds()
		figures["senders "+window] = count(`SELECT COUNT(DISTINCT sender) FROM events WHERE type IN ('m.room.message', 'm.room.encrypted') AND sender LIKE ? AND received_ts > ? AND stream_ordering > 0`, local, after)
		figures["rooms "+window] = count(`SELECT COUNT(DISTINCT room_id) FROM events WHERE type = 'm.room.message' AND received_ts > ? AND stream_ordering > 0`, after)
		figures["encrypted rooms "+window] = count(`SELECT COUNT(DISTINCT room_id) FROM events WHERE type = 'm.room.encrypted' AND received_ts > ? AND stream_ordering > 0`, after)
	}
	return figures
}

// positionBySteps is Synapse's bisection, a query for each step.
func positionBySteps(t rapid.TB, db *sqlx.DB, at int64) int64 {
	var last *int64
	try(t, db.Get(&last, `SELECT MAX(stream_ordering) FROM events`))
	if last == nil {
		return 0
	}
	low, high := int64(0), *last+1
	for low < high {
		middle := (low + high) / 2
		var arrived *int64
		err := db.Get(&arrived, db.Rebind(`SELECT received_ts FROM events WHERE stream_ordering <= ? ORDER BY stream_ordering DESC LIMIT 1`), middle)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			t.Fatal(err)
		}
		if arrived == nil || *arrived < at {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// messagesShown are the figures of a refresh under the names of messageOracle.
func messagesShown(got figures) messageFigures {
	shown := make(messageFigures)
	for _, name := range []string{"daily_messages", "daily_sent_messages", "daily_active_rooms", "daily_e2ee_messages", "daily_sent_e2ee_messages", "daily_active_e2ee_rooms"} {
		shown[name] = int(got.usage.Statistics[name])
	}
	for _, m := range got.Messages {
		shown["senders "+m.Window.String()] = m.Senders
		shown["rooms "+m.Window.String()] = m.Rooms
		shown["encrypted rooms "+m.Window.String()] = m.EncryptedRooms
	}
	return shown
}

// An eventWorld is a homeserver on which people write, as several of Synapse's processes
// store it.
type eventWorld struct {
	t        *rapid.T
	db       *sqlx.DB
	now      time.Time
	position int64
	// pending are events that have their position and are not committed yet.
	pending []pendingEvent
}

type pendingEvent struct {
	position int64
	due      time.Time
}

func (w *eventWorld) insert(position int64, arrived time.Time) {
	kind := rapid.SampledFrom([]string{"m.room.message", "m.room.message", "m.room.encrypted", "m.room.encrypted", "m.room.member"}).Draw(w.t, "type")
	room := rapid.IntRange(0, 4).Draw(w.t, "room")
	sender := rapid.SampledFrom([]string{"@a:" + synapsetest.Server, "@b:" + synapsetest.Server, "@c:" + synapsetest.Server, "@a:elsewhere.example", "@x:not" + synapsetest.Server}).Draw(w.t, "sender")
	try(w.t, exec(w.db, `INSERT INTO events (stream_ordering, type, room_id, sender, received_ts) VALUES (?, ?, ?, ?, ?)`,
		position, kind, fmt.Sprintf("!%d:x", room), sender, arrived.UnixMilli()))
}

func exec(db *sqlx.DB, statement string, args ...any) error {
	_, err := db.Exec(db.Rebind(statement), args...)
	return err
}

// pass lets some time pass in which people write.
func (w *eventWorld) pass() {
	length := rapid.SampledFrom([]time.Duration{time.Minute, 10 * time.Minute, time.Hour, 5 * time.Hour, 23 * time.Hour, 24 * time.Hour, 8 * day}).Draw(w.t, "time")
	end := w.now.Add(length)
	for range rapid.IntRange(0, 6).Draw(w.t, "events") {
		w.now = w.now.Add(time.Duration(rapid.Int64Range(0, int64(end.Sub(w.now))).Draw(w.t, "after"))).Truncate(time.Millisecond)
		w.commit()
		w.position += rapid.SampledFrom([]int64{1, 1, 2, 50}).Draw(w.t, "gap")
		switch rapid.IntRange(0, 9).Draw(w.t, "kind of event") {
		case 0:
			w.insert(-w.position, w.now) // backfilled
		case 1, 2:
			late := time.Duration(rapid.IntRange(1, 240).Draw(w.t, "seconds until it is committed")) * time.Second
			w.pending = append(w.pending, pendingEvent{w.position, w.now.Add(late)})
		default:
			w.insert(w.position, w.now)
		}
	}
	w.now = end
	w.commit()
}

// restore brings the events back to what they were some positions ago. That takes time: no
// event has the moment of a lost one.
func (w *eventWorld) restore() {
	w.position -= min(w.position, rapid.Int64Range(0, 60).Draw(w.t, "lost positions"))
	w.pending, w.now = nil, w.now.Add(time.Minute)
	try(w.t, exec(w.db, `DELETE FROM events WHERE ABS(stream_ordering) > ?`, w.position))
}

// commit stores the events that are due; their moment lies between that of their
// position and that of the commit.
func (w *eventWorld) commit() {
	var later []pendingEvent
	for _, p := range w.pending {
		if p.due.After(w.now) {
			later = append(later, p)
			continue
		}
		w.insert(p.position, p.due)
	}
	w.pending = later
}

// try ends a test of a random world if err is not nil.
func try(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// messageWorlds calls test with random worlds on each engine, and with a function that
// refreshes and compares what is shown with the oracle, as far as of keeps it.
func messageWorlds(t *testing.T, of func(messageFigures) messageFigures, test func(t *rapid.T, w *eventWorld, check func(when string))) {
	engines(t, synapsetest.Population{Users: 3, Days: 1, Now: noon}, func(t *testing.T, d database) {
		db := d.open(t)
		checkWorlds(t, func(rt *rapid.T) {
			try(rt, exec(db, `DELETE FROM events`))
			start := noon.Add(time.Duration(rapid.IntRange(0, 23).Draw(rt, "hour")) * time.Hour)
			w := &eventWorld{t: rt, db: db, now: start.Add(-40 * day)}
			for range rapid.IntRange(0, 8).Draw(rt, "earlier") {
				w.pass()
			}
			now := w.now
			folder := t.TempDir()
			var r *collector.Refresher
			stop := func() {}
			defer func() { stop() }()
			test(rt, w, func(when string) {
				now = w.now
				if r == nil || rapid.IntRange(0, 3).Draw(rt, "restart") == 0 {
					stop()
					var store *history.Store
					r, store = started(t, d.location, storage.Folder(folder), &now)
					stop = func() { r.Close(); _ = store.Close() }
				}
				try(rt, r.Refresh(t.Context()))
				if diff := cmp.Diff(of(messageOracle(rt, db, synapsetest.Server, now)), of(messagesShown(figuresOf(t, r)))); diff != "" {
					rt.Fatalf("%s, %s (-SQL +ours):\n%s", when, now.Format(time.RFC3339), diff)
				}
			})
		})
	})
}

// Whatever people write and whenever it is committed, refreshes that read only what is
// new count what Synapse's own statements count at that moment.
func TestMessagesEqualSynapsesStatements(t *testing.T) {
	all := func(f messageFigures) messageFigures { return f }
	messageWorlds(t, all, func(t *rapid.T, w *eventWorld, check func(when string)) {
		check("at first")
		for range rapid.IntRange(1, 12).Draw(t, "refreshes") {
			if rapid.IntRange(0, 5).Draw(t, "restore a backup") == 0 {
				w.restore()
			}
			w.pass()
			check("later")
		}
	})
}

// Rooms that an administrator has deleted are missing in Synapse's figures of the day
// from the next UTC day on at the latest. In the other figures they stay: who has sent a
// message has sent it.
func TestDeletedRooms(t *testing.T) {
	ofTheDay := func(f messageFigures) messageFigures {
		maps.DeleteFunc(f, func(name string, _ int) bool { return !strings.HasPrefix(name, "daily_") })
		return f
	}
	messageWorlds(t, ofTheDay, func(t *rapid.T, w *eventWorld, check func(when string)) {
		w.pass()
		w.position++
		w.insert(w.position, w.now) // the newest stays, so that this does not look like a restored backup
		check("before")
		try(t, exec(w.db, `DELETE FROM events WHERE room_id = ? AND stream_ordering < ?`, fmt.Sprintf("!%d:x", rapid.IntRange(0, 4).Draw(t, "room")), w.position))
		w.now = w.now.Truncate(day).Add(day + time.Minute)
		check("the next day")
	})
}

// On databases that real Synapses have written, senders and rooms are those of plain SQL.
func TestMessagesOfRealServers(t *testing.T) {
	for name, c := range map[string]struct {
		expected string
		location func(t *testing.T) string
	}{
		"SQLite":     {"expected-sqlite-day69.json", func(t *testing.T) string { return "sqlite:" + sampleSQLite(t) }},
		"PostgreSQL": {"expected-pg-day31.json", samplePostgreSQL},
	} {
		t.Run(name, func(t *testing.T) {
			location, want := c.location(t), expected(t, c.expected)
			now := time.Unix(want.Now, 0)
			got := messagesShown(refresh(t, newRefresher(t, location, &now)))
			if diff := cmp.Diff(messageOracle(t, database{location: location}.open(t), want.ServerName, now), got); diff != "" {
				t.Errorf("(-SQL +ours):\n%s", diff)
			}
			if got["senders 30d"] == 0 || got["encrypted rooms 30d"] == 0 {
				t.Errorf("nobody writes: %v", got)
			}
		})
	}
}

// Where there are many events and no messages, a refresh does not look at the events of
// earlier ones again.
func TestManyEventsAndNoMessages(t *testing.T) {
	engines(t, synapsetest.Population{Users: 3, Days: 1, Now: noon}, func(t *testing.T, db database) {
		reader := synapse.New(synapse.Options{Database: must.Get(sqldb.ParseSource(db.location))(t), ServerName: synapsetest.Server}, activity.SynapseClasses())
		defer func() { must.Succeed(t, reader.Close()) }()
		calendar := activity.NewCalendar(activity.Key{1}, activity.SynapseClasses())
		db.run(`DELETE FROM events`)
		now, since := noon, time.Time{}
		const hours, perHour = 6, 3000
		for hour := range hours {
			db.run(fmt.Sprintf(`WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %d)
				INSERT INTO events (stream_ordering, type, room_id, sender, received_ts) SELECT %d + n, 'm.room.member', '!r', '@a:x', %d + 1000 * n FROM numbers`,
				perHour, hour*perHour, now.Add(-time.Hour).UnixMilli()))
			_ = must.Get(reader.Read(t.Context(), since, now, calendar))(t)
			since, now = now, now.Add(time.Hour)
		}
		if behind := hours*perHour - calendar.Messages([]byte(synapsetest.Server)).Settled; behind > perHour/2 {
			t.Errorf("the next refresh looks again at %d of %d positions", behind, hours*perHour)
		}
	})
}
