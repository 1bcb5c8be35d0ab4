package years_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/invented"
	"active_users_exporter/test/must"
)

var serverNames = []string{"synapse", "prosody", "ejabberd"}

const domain = "example.org"

// account is what a server stores of one user.
type account struct {
	created, last     time.Time // last is zero if the user never came
	disabled, damaged bool
	gone              bool // deleted; a Synapse keeps the account as deactivated
}

// world is what a server's records say. Records are written by write alone, so that
// the two do not differ.
type world struct {
	accounts map[int]account
	visits   visitors // of native accounts, where the server keeps them
}

func (w world) clone() world { return world{maps.Clone(w.accounts), w.visits.clone()} }

// server is a chat server with its records on disk.
type server interface {
	reader() collector.Reader
	// write makes the records of a user what the world says.
	write(user int, a account)
	// visit is what a login leaves beside the account.
	visit(user int, at time.Time)
	// tidy is what the server deletes by itself.
	tidy(now time.Time)
	// move takes the records away, or brings them back.
	move(away bool)
	// backup keeps the records, and returns what puts them back.
	backup() (restore func())
	close()
}

// delayed is something that the records do not show yet.
type delayed struct {
	at    time.Time
	event event
}

// host is a server, what is true of it, and its bad days.
type host struct {
	server
	world   world
	queue   []delayed
	away    bool
	behind  time.Duration
	restore func() // what the last backup was; nil without one
}

// begin fills a new server.
func (h *host) begin(now time.Time) {
	h.world = world{make(map[int]account), make(visitors)}
	for user := range users - 3 {
		h.happens(delayed{now.Add(-21 * day), event{kind: register, user: user}})
		h.happens(delayed{now.Add(-time.Duration(user) * day).Add(-time.Hour), event{kind: logIn, user: user}})
	}
}

// deliver lets happen what the records should show by now.
func (h *host) deliver(now time.Time) {
	if h.away {
		return
	}
	for len(h.queue) > 0 && !h.queue[0].at.After(now.Add(-h.behind)) {
		h.happens(h.queue[0])
		h.queue = h.queue[1:]
	}
	h.tidy(now.Add(-h.behind))
}

// happens changes the records.
func (h *host) happens(d delayed) {
	user, a := d.event.user, h.world.accounts[d.event.user]
	there := !a.created.IsZero() && !a.gone
	switch d.event.kind {
	case logIn:
		if !there || a.disabled {
			return
		}
		a.last, a.damaged = d.at, false
		h.world.visits.add(activity.DayOf(d.at), userName(user))
		h.change(user, a)
		h.visit(user, d.at)
	case register:
		if a.created.IsZero() {
			h.change(user, account{created: d.at})
		}
	case deleteAccount:
		if there && h.present() > users/2 {
			a.gone = true
			h.change(user, a)
		}
	default:
		panic(d.event.kind)
	}
}

func (h *host) present() (n int) {
	for _, a := range h.world.accounts {
		if !a.gone {
			n++
		}
	}
	return n
}

func (h *host) change(user int, a account) {
	h.write(user, a)
	if _, deactivates := h.server.(*synapseServer); a.gone && !deactivates {
		delete(h.world.accounts, user)
		return
	}
	h.world.accounts[user] = a
}

// set marks an account as disabled or damaged, or not, if there is one.
func (h *host) set(user int, change func(*account)) {
	if a, there := h.world.accounts[user]; there && !a.gone && !h.away {
		change(&a)
		h.change(user, a)
	}
}

// keep makes a backup, which putBack restores. What happened since has not.
func (h *host) keep() {
	if h.away {
		return
	}
	before, restore := h.world.clone(), h.backup()
	h.restore = func() {
		restore()
		h.world, h.queue = before.clone(), nil
	}
}

func (h *host) putBack() {
	if h.restore != nil && !h.away {
		h.restore()
	}
}

// database is an SQLite file that the server writes.
type database struct {
	t    *testing.T
	path string
	db   *sqlx.DB
}

func (d *database) open() {
	d.db = must.Get(sqldb.CreateSQLite(d.path))(d.t)
	d.db.SetMaxOpenConns(1)
	d.run(`PRAGMA journal_mode = delete`)
	d.run(`PRAGMA synchronous = off`)
}

func (d *database) close() {
	if d.db != nil {
		must.Succeed(d.t, d.db.Close())
		d.db = nil
	}
}

func (d *database) run(statement string, args ...any) {
	_, err := d.db.ExecContext(context.Background(), statement, args...)
	must.Succeed(d.t, err)
}

func (d *database) source() sqldb.Source {
	return must.Get(sqldb.ParseSource("sqlite:" + d.path))(d.t)
}

func (d *database) move(away bool) {
	if away {
		d.close()
		must.Succeed(d.t, os.Rename(d.path, d.path+".away"))
		return
	}
	must.Succeed(d.t, os.Rename(d.path+".away", d.path))
	d.open()
}

func (d *database) backup() (restore func()) {
	content := must.Get(os.ReadFile(d.path))(d.t)
	return func() {
		d.close()
		must.Succeed(d.t, os.Remove(d.path))
		must.Succeed(d.t, os.WriteFile(d.path, content, 0o600))
		d.open()
	}
}

func (d *database) tidy(time.Time) {}

// synapseServer writes what Synapse writes.
type synapseServer struct{ database }

func newSynapse(t *testing.T, folder string) *synapseServer {
	s := &synapseServer{database{t: t, path: filepath.Join(folder, "homeserver.db")}}
	must.Succeed(t, invented.WriteSQLite(context.Background(), s.path, invented.Tables(nil)))
	s.open()
	return s
}

func (s *synapseServer) reader() collector.Reader {
	return synapse.New(synapse.Options{Database: s.source()}, activity.SynapseClasses())
}

// typeOf is that of an account on the Synapse.
func typeOf(user int) collector.AccountType {
	switch user % 9 {
	case 7:
		return collector.Guest
	case 8:
		return collector.Bridged
	}
	return collector.Native
}

func address(user int) string { return "@" + userName(user) + ":" + domain }

func (s *synapseServer) write(user int, a account) {
	var service any
	if typeOf(user) == collector.Bridged {
		service = "bridge"
	}
	s.run(`INSERT INTO users (name, creation_ts, is_guest, appservice_id, deactivated) VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET deactivated = excluded.deactivated`,
		address(user), a.created.Unix(), typeOf(user) == collector.Guest, service, a.disabled || a.gone)
}

// visit is a request: the visit of the day, for native accounts alone; the last-seen
// times; and a message.
func (s *synapseServer) visit(user int, at time.Time) {
	name := address(user)
	if typeOf(user) == collector.Native {
		s.run(`INSERT INTO user_daily_visits (user_id, device_id, timestamp, user_agent) SELECT ?, 'D', ?, 'Element Android'
			WHERE NOT EXISTS (SELECT 1 FROM user_daily_visits WHERE user_id = ? AND timestamp = ?)`,
			name, activity.DayOf(at).Start().UnixMilli(), name, activity.DayOf(at).Start().UnixMilli())
	}
	s.run(`INSERT INTO user_ips (user_id, access_token, device_id, ip, user_agent, last_seen) VALUES (?, 't', 'D', '::1', 'Element Android', ?)
		ON CONFLICT (user_id, access_token, ip) DO UPDATE SET last_seen = excluded.last_seen`, name, at.UnixMilli())
	s.run(`INSERT INTO devices (user_id, device_id, last_seen, user_agent) VALUES (?, 'D', ?, 'Element Android')
		ON CONFLICT (user_id, device_id) DO UPDATE SET last_seen = excluded.last_seen`, name, at.UnixMilli())
	s.run(`INSERT INTO events (stream_ordering, type, room_id, sender, received_ts)
		SELECT COALESCE(MAX(stream_ordering), 0) + 1, 'm.room.message', '!r:example.org', ?, ? FROM events`, name, at.UnixMilli())
}

// tidy is user_ips_max_age.
func (s *synapseServer) tidy(now time.Time) {
	s.run(`DELETE FROM user_ips WHERE last_seen < ?`, now.Add(-28*day).UnixMilli())
}

// ejabberdServer writes what ejabberd writes, with the multihost schema.
type ejabberdServer struct{ database }

func newEjabberd(t *testing.T, folder string) *ejabberdServer {
	s := &ejabberdServer{database{t: t, path: filepath.Join(folder, "ejabberd.db")}}
	s.open()
	s.run(`CREATE TABLE last (username text NOT NULL, server_host text NOT NULL, seconds text NOT NULL, state text NOT NULL, PRIMARY KEY (server_host, username))`)
	s.run(`CREATE TABLE users (username text NOT NULL, server_host text NOT NULL, type smallint NOT NULL, password text NOT NULL, created_at timestamp NOT NULL, PRIMARY KEY (server_host, username, type))`)
	return s
}

func (s *ejabberdServer) reader() collector.Reader {
	return ejabberd.New(ejabberd.Options{Databases: []ejabberd.Database{{Source: s.source()}}})
}

func (s *ejabberdServer) write(user int, a account) {
	name := userName(user)
	if a.gone {
		s.run(`DELETE FROM users WHERE username = ?`, name)
		s.run(`DELETE FROM last WHERE username = ?`, name)
		return
	}
	s.run(`INSERT INTO users VALUES (?, ?, 1, '', ?) ON CONFLICT DO NOTHING`, name, domain, a.created.Format(time.DateTime))
	seconds, state := fmt.Sprint(a.created.Unix()), "Registered but didn't login"
	if !a.last.IsZero() {
		seconds, state = fmt.Sprint(a.last.Unix()), ""
	}
	if a.damaged {
		seconds = "\x00"
	}
	s.run(`INSERT INTO last VALUES (?, ?, ?, ?) ON CONFLICT (server_host, username) DO UPDATE SET seconds = excluded.seconds, state = excluded.state`, name, domain, seconds, state)
}

func (s *ejabberdServer) visit(int, time.Time) {}
