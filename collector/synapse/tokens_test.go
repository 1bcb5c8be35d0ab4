package synapse_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// A tokenWorld is a homeserver of a few people whose access tokens live five minutes,
// read by an exporter that takes it for a large one: it reads a few rows at a time.
type tokenWorld struct {
	t       *testing.T
	db      database
	folder  string // of the history
	now     time.Time
	devices []worldDevice
	tokens  int

	reader  *faultyReader
	r       *collector.Refresher
	stop    func()
	partial int // how many refreshes have shown some classes and not others
	failed  int // how many refreshes a fault made fail
}

// A worldDevice is one login, or what has none.
type worldDevice struct {
	user   string
	device string // SQL: NULL for a personal token
	agents []string
	listed bool // whether there is a row of devices
	visits bool // whether visits are recorded: not of guests and bridges
	token  int
	issued time.Time
}

// newTokenWorld fills the tables with some weeks of requests.
func newTokenWorld(t *testing.T, rt *rapid.T, db database) *tokenWorld {
	t.Helper()
	w := &tokenWorld{t: t, db: db, now: noon}
	w.folder = must.Get(os.MkdirTemp(t.TempDir(), ""))(t)
	db.run(`DELETE FROM users`, `DELETE FROM user_ips`, `DELETE FROM devices`, `DELETE FROM user_daily_visits`, `DELETE FROM events`, `DELETE FROM rooms`)
	for n := range rapid.IntRange(3, 12).Draw(rt, "people") {
		w.register(rt, n)
	}
	for _, at := range rapid.SliceOfN(rapid.IntRange(1, 33*24*60), 20, 90).Draw(rt, "minutes ago") {
		w.request(rapid.IntRange(0, len(w.devices)-1).Draw(rt, "by"), noon.Add(-time.Duration(at)*time.Minute), rapid.IntRange(0, 3).Draw(rt, "agent"))
	}
	db.run(fmt.Sprintf(`DELETE FROM user_ips WHERE last_seen < %d`, millis(-28*day)), `ANALYZE user_ips`)
	w.start(rt)
	return w
}

// register makes an account with its devices.
func (w *tokenWorld) register(rt *rapid.T, n int) {
	user := name(fmt.Sprint("u", n))
	guest, service := 0, "NULL"
	d := worldDevice{user: user, device: fmt.Sprintf("'D%d'", n), agents: []string{"Element X Android"}, listed: true, visits: true}
	switch rapid.IntRange(0, 7).Draw(rt, "kind") {
	case 0: // an app with a process of its own for notifications
		d.agents = []string{"Element iOS", "NSE CFNetwork Darwin"}
	case 1: // an app and a browser with one device
		d.agents = []string{"Element Electron Mozilla", "Mozilla"}
	case 2: // a script with a personal token
		d.device, d.agents, d.listed = "NULL", []string{"curl", "Mozilla"}, false
	case 3: // a bridge's
		d.device, d.agents, d.listed, d.visits, service = "'dummy-device'", []string{"bridge"}, false, false, "'irc'"
	case 4:
		d.agents, d.visits, guest = []string{"Mozilla"}, false, 1
	case 5: // the sender of a bridge has no account
		d.user, d.device, d.listed, d.visits = name("bridge"), "'dummy-device'", false, false
	case 6:
		second := d
		second.device, second.agents = fmt.Sprintf("'E%d'", n), []string{"Mozilla"}
		w.devices = append(w.devices, second)
	}
	w.db.run(fmt.Sprintf(`INSERT INTO users (name, creation_ts, is_guest, appservice_id, deactivated) VALUES ('%s', %d, %d, %s, 0)`, user, noon.Add(-50*day).Unix(), guest, service))
	w.devices = append(w.devices, d)
}

// request is one of a device: a new token after five minutes, with an address for each
// agent, because Synapse keeps one row for both.
func (w *tokenWorld) request(n int, at time.Time, agent int) {
	d := &w.devices[n]
	if d.token == 0 || at.Sub(d.issued).Abs() > 5*time.Minute {
		w.tokens++
		d.token, d.issued = w.tokens, at
	}
	which := agent % len(d.agents)
	key := fmt.Sprintf(`user_id = '%s' AND access_token = 'mat_%d' AND ip = '::%d'`, d.user, d.token, which)
	w.db.run(
		fmt.Sprintf(`INSERT INTO user_ips (user_id, access_token, ip, device_id, user_agent, last_seen) SELECT '%s', 'mat_%d', '::%d', %s, '%s', 0
			WHERE NOT EXISTS (SELECT 1 FROM user_ips WHERE %s)`, d.user, d.token, which, d.device, d.agents[which], key),
		fmt.Sprintf(`UPDATE user_ips SET last_seen = %d WHERE %s AND last_seen < %[1]d`, at.UnixMilli(), key))
	if d.listed {
		device := fmt.Sprintf(`user_id = '%s' AND device_id = %s`, d.user, d.device)
		w.db.run(
			fmt.Sprintf(`INSERT INTO devices (user_id, device_id) SELECT '%s', %s WHERE NOT EXISTS (SELECT 1 FROM devices WHERE %s)`, d.user, d.device, device),
			// The earlier one of two requests in one batch may be written last.
			fmt.Sprintf(`UPDATE devices SET last_seen = %d, user_agent = '%s' WHERE %s AND COALESCE(last_seen, 0) < %[1]d`, at.UnixMilli()-int64(which), d.agents[which], device))
	}
	if d.visits {
		visit := fmt.Sprintf(`user_id = '%s' AND device_id = %s AND timestamp = %d`, d.user, d.device, activity.DayOf(at).Start().UnixMilli())
		w.db.run(fmt.Sprintf(`INSERT INTO user_daily_visits (user_id, device_id, timestamp, user_agent) SELECT '%s', %s, %d, '%s' WHERE NOT EXISTS (SELECT 1 FROM user_daily_visits WHERE %s)`,
			d.user, d.device, activity.DayOf(at).Start().UnixMilli(), d.agents[which], visit))
	}
}

// start starts an exporter with the history that there is.
func (w *tokenWorld) start(rt *rapid.T) {
	source := must.Get(sqldb.ParseSource(w.db.location))(w.t)
	classes := activity.SynapseClasses()
	reader := synapse.New(synapse.Options{Database: source, ServerName: synapsetest.Server}, classes)
	reader.LimitTo(rapid.IntRange(5, 30).Draw(rt, "at once"), rapid.IntRange(3, 15).Draw(rt, "slice"), rapid.IntRange(1, 5).Draw(rt, "users"), rapid.IntRange(1, 30).Draw(rt, "refresh"))
	store := history.New(storage.Folder(w.folder), "")
	w.reader = &faultyReader{Reader: reader}
	w.r = collector.NewRefresher(collector.RefresherOptions{
		Server: "matrix", Software: "synapse", Reader: w.reader, Interval: time.Hour, StaleAfter: 300 * day, Windows: activity.DefaultWindows(),
		Classes: classes, Key: store.Key(), History: store, Cache: true, Now: func() time.Time { return w.now }, Logger: log.NewNopLogger(),
	})
	w.stop = func() { w.r.Close(); must.Succeed(w.t, store.Close()) }
}

// A faultyReader loses its database after some rows of last-seen times.
type faultyReader struct {
	collector.Reader
	rows int // 0 for no fault
}

func (f *faultyReader) Read(ctx context.Context, since, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	if f.rows == 0 {
		return f.Reader.Read(ctx, since, now, rec)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return f.Reader.Read(ctx, since, now, &cancelingRecorder{rec, f.rows, cancel})
}

type cancelingRecorder struct {
	activity.Recorder
	left   int
	cancel func()
}

func (c *cancelingRecorder) Seen(domain, user []byte, client activity.Client, at time.Time) {
	if c.left--; c.left == 0 {
		c.cancel()
	}
	c.Recorder.Seen(domain, user, client, at)
}

// refresh refreshes, and compares what is shown with plain SQL: totals always, classes
// where there are some.
func (w *tokenWorld) refresh(rt *rapid.T, when string) {
	err := w.r.Refresh(w.t.Context())
	s := w.r.Status().Snapshot
	if err != nil {
		w.failed++
		if w.reader.rows == 0 {
			rt.Fatalf("%s: %v", when, err)
		}
	}
	if s == nil || !s.At.Equal(w.now) { // nothing new is shown
		return
	}
	got, truth := shown(figuresOf(w.t, w.r)), w.db.truth(w.t, w.now)
	with := 0
	for _, a := range s.Domains[0].Active {
		if len(a.Clients) > 0 {
			with++
			continue
		}
		for name := range truth { // which is not shown
			if strings.HasPrefix(name, "active "+a.Window.String()+" ") {
				delete(truth, name)
			}
		}
	}
	if s.Domains[0].Dormancy == nil { // older visits are not read yet
		maps.DeleteFunc(truth, func(name string, _ int) bool { return strings.HasPrefix(name, "dormant ") })
	}
	if 0 < with && with < 3 {
		w.partial++
	}
	if !s.Unfinished && with < 3 {
		rt.Fatalf("%s: nothing is left to read, and yet classes are shown of %d windows only", when, with)
	}
	maps.DeleteFunc(got, func(name string, n int) bool { _, there := truth[name]; return n == 0 && !there })
	if diff := cmp.Diff(truth, got); diff != "" {
		rt.Fatalf("%s (-SQL +ours):\n%s", when, diff)
	}
}

// live lets some time go by, with requests.
func (w *tokenWorld) live(rt *rapid.T) {
	passed := time.Duration(rapid.SampledFrom([]int{1, 7, 60, 60, 500, 7 * 24 * 60}).Draw(rt, "minutes")) * time.Minute
	for range rapid.IntRange(0, 6).Draw(rt, "requests") {
		ago := time.Duration(rapid.Int64Range(0, int64(passed)).Draw(rt, "ago")).Truncate(time.Millisecond)
		w.request(rapid.IntRange(0, len(w.devices)-1).Draw(rt, "by"), w.now.Add(passed-ago), rapid.IntRange(0, 3).Draw(rt, "agent"))
	}
	w.now = w.now.Add(passed)
}

// logout deletes the row of a device that was used lately: its addresses stay.
func (w *tokenWorld) logout(rt *rapid.T) {
	d := w.devices[rapid.IntRange(0, len(w.devices)-1).Draw(rt, "who logs out")]
	w.db.run(fmt.Sprintf(`DELETE FROM devices WHERE user_id = '%s' AND device_id = %s AND last_seen > %d`, d.user, d.device, w.now.Add(-20*day).UnixMilli()))
}

// On a homeserver with tokens of five minutes, figures are those of plain SQL at every
// stage at which they are shown, through errors in the middle of a reading, kills,
// restarts and the full reads of each week; and in the end all are shown.
func TestTokensOfFiveMinutes(t *testing.T) {
	partial, failed := 0, 0
	worlds(t, func(t *testing.T, rt *rapid.T, db database) {
		w := newTokenWorld(t, rt, db)
		for step := range rapid.IntRange(1, 15).Draw(rt, "steps") {
			w.reader.rows = 0
			if rapid.Bool().Draw(rt, "time goes by") {
				w.live(rt)
			}
			switch rapid.IntRange(0, 5).Draw(rt, "event") {
			case 0:
				w.logout(rt)
			case 1: // killed between two refreshes
				w.stop()
				w.start(rt)
			case 2, 3:
				w.reader.rows = rapid.IntRange(1, 60).Draw(rt, "rows before the fault")
			}
			w.refresh(rt, fmt.Sprint("step ", step))
		}
		w.reader.rows = 0
		w.reader.Reader.(*synapse.Reader).LimitTo(10, 5, 2, 50)
		for range 100 {
			w.refresh(rt, "in the end")
			if !w.r.Status().Snapshot.Unfinished {
				break
			}
		}
		fresh := newRefresher(t, db.location, &w.now)
		defer fresh.Close()
		if diff := cmp.Diff(shown(refresh(t, fresh)), shown(figuresOf(t, w.r))); diff != "" || w.r.Status().Snapshot.Unfinished {
			rt.Fatalf("in the end, unfinished: %v (-read at once +ours):\n%s", w.r.Status().Snapshot.Unfinished, diff)
		}
		w.stop()
		partial, failed = partial+w.partial, failed+w.failed
	})
	if partial == 0 || failed == 0 {
		t.Errorf("%d refreshes showed some classes and not others, %d failed: want some of each", partial, failed)
	}
}

// worlds calls check with the tables of Synapse, in whatever state, on each engine.
func worlds(t *testing.T, check func(t *testing.T, rt *rapid.T, db database)) {
	t.Helper()
	p := synapsetest.Population{Users: 1, Days: 1, Now: noon}
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "homeserver.db")
		must.Succeed(t, p.FillSQLite(t.Context(), path))
		db := must.Get(sqldb.CreateSQLite(path))(t)
		t.Cleanup(func() { _ = db.Close() })
		_ = must.Get(db.ExecContext(t.Context(), `PRAGMA synchronous = off`))(t)
		run := func(statements ...string) {
			t.Helper()
			for _, s := range statements {
				if _, err := db.ExecContext(t.Context(), s); err != nil {
					t.Fatalf("%s: %v", s, err)
				}
			}
		}
		checkWorlds(t, func(rt *rapid.T) { check(t, rt, database{"sqlite:" + path, run}) })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		location := dbtest.PostgreSQL(t)
		must.Succeed(t, p.FillPostgreSQL(t.Context(), location))
		connection := must.Get(pgx.Connect(t.Context(), location))(t)
		t.Cleanup(func() { _ = connection.Close(context.Background()) })
		run := func(statements ...string) {
			t.Helper()
			// Else the server's statistics know of it some seconds later.
			_ = must.Get(connection.Exec(t.Context(), strings.Join(statements, ";")+";SELECT pg_stat_force_next_flush()", pgx.QueryExecModeSimpleProtocol))(t)
		}
		checkWorlds(t, func(rt *rapid.T) {
			if rapid.IntRange(0, 9).Draw(rt, "one world in ten, since each takes longer") == 0 {
				check(t, rt, database{location, run})
			}
		})
	})
}
