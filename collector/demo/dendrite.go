package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
)

// garden is the name of the invented Dendrite.
const garden = "garden.demo.example"

// dendriteYAML is the configuration that names the database.
const dendriteYAML = `version: 2
global:
  server_name: ` + garden + `
  database: {connection_string: "file:` + DendriteDatabase + `"}
  report_stats: {enabled: true}
`

// DendriteDatabase is the name of the SQLite file of an invented Dendrite.
const DendriteDatabase = "dendrite.db"

// dendriteSchema is the part of Dendrite 0.15.2's tables that its figures of users
// are counted from, with its indexes.
const dendriteSchema = `
CREATE TABLE userapi_accounts (
	localpart TEXT NOT NULL PRIMARY KEY, server_name TEXT NOT NULL, created_ts BIGINT NOT NULL, password_hash TEXT,
	appservice_id TEXT, is_deactivated BOOLEAN DEFAULT 0, account_type INTEGER NOT NULL
);
CREATE UNIQUE INDEX userapi_accounts_idx ON userapi_accounts (localpart, server_name);
CREATE TABLE userapi_devices (
	access_token TEXT PRIMARY KEY, device_id TEXT, localpart TEXT, server_name TEXT NOT NULL, created_ts BIGINT,
	last_seen_ts BIGINT, user_agent TEXT, UNIQUE (localpart, device_id)
);
CREATE TABLE userapi_daily_visits (localpart TEXT NOT NULL, device_id TEXT NOT NULL, timestamp BIGINT NOT NULL, user_agent TEXT);
CREATE UNIQUE INDEX userapi_daily_visits_localpart_device_timestamp_idx ON userapi_daily_visits (localpart, device_id, timestamp);
CREATE INDEX userapi_daily_visits_timestamp_idx ON userapi_daily_visits (timestamp);
CREATE INDEX userapi_daily_visits_localpart_timestamp_idx ON userapi_daily_visits (localpart, timestamp);
CREATE TABLE userapi_daily_stats (
	timestamp BIGINT NOT NULL, server_name TEXT NOT NULL, messages BIGINT NOT NULL, sent_messages BIGINT NOT NULL,
	e2ee_messages BIGINT NOT NULL, sent_e2ee_messages BIGINT NOT NULL, active_rooms BIGINT NOT NULL, active_e2ee_rooms BIGINT NOT NULL,
	UNIQUE (timestamp, server_name)
);
CREATE TABLE roomserver_rooms (room_nid INTEGER PRIMARY KEY AUTOINCREMENT, room_id TEXT NOT NULL UNIQUE)`

// Dendrite makes the configuration and the SQLite database of an invented Dendrite
// in a folder, which must not exist, with the given number of users.
func Dendrite(ctx context.Context, folder string, now time.Time, users int, seed uint64) error {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "dendrite.yaml"), []byte(dendriteYAML), 0o600); err != nil {
		return err
	}
	path := filepath.Join(folder, DendriteDatabase)
	db, err := sqldb.CreateSQLite(path)
	if err != nil {
		return err
	}
	if err := fillDendrite(ctx, db, now, population(now, users, seed)); err != nil {
		_ = db.Close()
		return fmt.Errorf("fill %s: %w", path, err)
	}
	// As Dendrite keeps it.
	if _, err := db.ExecContext(ctx, `PRAGMA journal_mode = delete`); err != nil {
		_ = db.Close()
		return fmt.Errorf("fill %s: %w", path, err)
	}
	return db.Close()
}

// fillDendrite writes everything in one transaction.
func fillDendrite(ctx context.Context, db *sqlx.DB, now time.Time, people []person) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, dendriteSchema); err != nil {
		return err
	}
	w := dendriteWriter{now: now, run: func(statement string, values ...any) error {
		_, err := tx.ExecContext(ctx, statement, values...)
		return err
	}}
	w.server()
	for _, p := range people {
		w.person(p)
	}
	w.conversations(people)
	if w.err != nil {
		return w.err
	}
	return tx.Commit()
}

// dendriteWriter writes rows until one fails.
type dendriteWriter struct {
	run func(statement string, values ...any) error
	now time.Time
	err error
}

func (w *dendriteWriter) exec(statement string, values ...any) {
	if w.err == nil {
		w.err = w.run(statement, values...)
	}
}

// The types of accounts that Dendrite stores.
const (
	dendriteUser    = 1
	dendriteGuest   = 2
	dendriteService = 4
)

func (w *dendriteWriter) account(name string, created time.Time, service any, deactivated bool, kind int) {
	w.exec(`INSERT INTO userapi_accounts VALUES (?, ?, ?, '', ?, ?, ?)`, name, garden, created.UnixMilli(), service, deactivated, kind)
}

func (w *dendriteWriter) device(name, id string, created, seen time.Time, agent string) {
	w.exec(`INSERT INTO userapi_devices VALUES (?, ?, ?, ?, ?, ?, ?)`, name+"/"+id, id, name, garden, created.UnixMilli(), seen.UnixMilli(), agent)
}

// server writes what Dendrite makes for itself: the account for server notices, and
// the sender of an application service, whose device is new since the last start.
func (w *dendriteWriter) server() {
	installed := w.now.Add(-(days + 100) * day)
	w.account("_server", installed, nil, false, dendriteUser)
	w.device("_server", "notices", installed, installed, "")
	started := w.now.Add(-3 * time.Hour)
	w.account("ircbot", installed, "irc", false, dendriteService)
	w.device("ircbot", "ircbot", started, started, "")
}

// person writes an account, a device for each client and, for each day on which a
// native account came with one of them, a visit of every device there was, as Dendrite
// does. If there are two devices, the second was logged out when it had not come for a month.
func (w *dendriteWriter) person(p person) {
	kind, service := dendriteUser, any(nil)
	switch p.kind {
	case guest:
		kind = dendriteGuest
	case bridged:
		kind, service = dendriteService, "irc"
	default:
	}
	joined := w.now.Add(-time.Duration(p.joined) * day)
	w.account(p.name, joined, service, p.kind == deactivated, kind)
	first, last := make(map[string]time.Time), make(map[string]time.Time)
	var clients []string // in the order of their first day
	for _, s := range p.seen {
		if first[s.client].IsZero() {
			first[s.client] = s.last
			clients = append(clients, s.client)
		}
		last[s.client] = s.last
		if kind != dendriteUser {
			continue
		}
		for _, client := range clients {
			w.exec(`INSERT OR IGNORE INTO userapi_daily_visits VALUES (?, ?, ?, ?)`, p.name, device(client), s.last.Truncate(day).UnixMilli(), client)
		}
	}
	for i, client := range clients {
		if loggedOut := i > 0 && w.now.Sub(last[client]) > 30*day; p.kind != deactivated && !loggedOut {
			w.device(p.name, device(client), first[client], last[client], client)
		}
	}
}

// conversations fills rooms of about ten people; each of them who came today has said
// something.
func (w *dendriteWriter) conversations(people []person) {
	const size = 10
	var rooms, messages int
	for number := range len(people) / size {
		w.exec(`INSERT INTO roomserver_rooms (room_id) VALUES (?)`, fmt.Sprintf("!room%d:%s", number, garden))
		said := 0
		for _, p := range people[number*size : (number+1)*size] {
			if n := len(p.seen); n > 0 && p.seen[n-1].ago == 0 {
				said++
			}
		}
		messages += said
		if said > 0 {
			rooms++
		}
	}
	plain, plainRooms := messages/3, rooms/3
	w.exec(`INSERT INTO userapi_daily_stats VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, w.now.Truncate(day).UnixMilli(), garden,
		plain, plain-plain/4, messages-plain, messages-plain-plain/4, plainRooms, rooms-plainRooms)
}
