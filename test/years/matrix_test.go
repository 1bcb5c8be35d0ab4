package years_test

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/dendrite"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/invented"
	"active_users_exporter/test/must"
)

// synapseServer writes what Synapse writes.
type synapseServer struct{ database }

func newSynapse(t *testing.T, folder string) server {
	s := &synapseServer{database{t: t, path: filepath.Join(folder, "homeserver.db")}}
	must.Succeed(t, invented.WriteSQLite(context.Background(), s.path, invented.Tables(nil)))
	s.open()
	return s
}

func (s *synapseServer) reader(classes *activity.Classes) collector.Reader {
	return synapse.New(synapse.Options{Database: s.source()}, classes)
}

func address(user int) string { return "@" + userName(user) + ":" + domain }

// service is the application service that an account belongs to.
func service(user int) any {
	if typeOf(user) == collector.Bridged {
		return "bridge"
	}
	return nil
}

// userType is what an administrator has made of a native account of a Synapse.
func userType(user int) any {
	switch user {
	case 2:
		return "bot"
	case 3:
		return "support"
	}
	return nil
}

func (s *synapseServer) write(user int, a account) {
	s.run(`INSERT INTO users (name, creation_ts, is_guest, appservice_id, user_type, deactivated) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET deactivated = excluded.deactivated`,
		address(user), a.created.Unix(), typeOf(user) == collector.Guest, service(user), userType(user), a.disabled || a.gone)
}

// visit is a request: the last-seen times of the device.
func (s *synapseServer) visit(user, device int, a account) (activity.Day, time.Time) {
	at := a.seen[device]
	agent, _, _ := agentOf(user, device)
	s.run(`INSERT INTO user_ips (user_id, access_token, device_id, ip, user_agent, last_seen) VALUES (?, ?, ?, '::1', ?, ?)
		ON CONFLICT (user_id, access_token, ip) DO UPDATE SET last_seen = excluded.last_seen`, address(user), strconv.Itoa(device), strconv.Itoa(device), agent, at.UnixMilli())
	s.run(`INSERT INTO devices (user_id, device_id, last_seen, user_agent) VALUES (?, ?, ?, ?)
		ON CONFLICT (user_id, device_id) DO UPDATE SET last_seen = excluded.last_seen`, address(user), strconv.Itoa(device), at.UnixMilli(), agent)
	return activity.DayOf(at), at
}

func (s *synapseServer) visited(user, device int, date activity.Day) {
	agent, _, _ := agentOf(user, device)
	s.run(`INSERT INTO user_daily_visits (user_id, device_id, timestamp, user_agent) SELECT ?, ?, ?, ?
		WHERE NOT EXISTS (SELECT 1 FROM user_daily_visits WHERE user_id = ? AND device_id = ? AND timestamp = ?)`,
		address(user), strconv.Itoa(device), date.Start().UnixMilli(), agent, address(user), strconv.Itoa(device), date.Start().UnixMilli())
}

func (s *synapseServer) deleteVisits(date activity.Day) {
	s.run(`DELETE FROM user_daily_visits WHERE timestamp = ?`, date.Start().UnixMilli())
}

// lastSeenKept is user_ips_max_age. A Synapse without any such row is taken for one that
// records nobody, see docs/synapse.md.
const lastSeenKept = 28 * day

// tidy is what Synapse prunes.
func (s *synapseServer) tidy(now time.Time) {
	s.run(`DELETE FROM user_ips WHERE last_seen < ?`, now.Add(-lastSeenKept).UnixMilli())
}

// dendriteServer writes what Dendrite writes.
type dendriteServer struct{ database }

func newDendrite(t *testing.T, folder string) server {
	s := &dendriteServer{database{t: t, path: filepath.Join(folder, "dendrite.db")}}
	s.open()
	s.run(`CREATE TABLE userapi_accounts (localpart TEXT NOT NULL, server_name TEXT NOT NULL, created_ts BIGINT NOT NULL, appservice_id TEXT, is_deactivated BOOLEAN DEFAULT FALSE, account_type INTEGER NOT NULL)`)
	s.run(`CREATE UNIQUE INDEX userapi_accounts_idx ON userapi_accounts (localpart, server_name)`)
	s.run(`CREATE TABLE userapi_devices (device_id TEXT, localpart TEXT, server_name TEXT NOT NULL, created_ts BIGINT, last_seen_ts BIGINT, user_agent TEXT)`)
	s.run(`CREATE UNIQUE INDEX userapi_device_localpart_id_idx ON userapi_devices (localpart, server_name, device_id)`)
	s.run(`CREATE TABLE userapi_daily_visits (localpart TEXT NOT NULL, device_id TEXT NOT NULL, timestamp BIGINT NOT NULL, user_agent TEXT)`)
	s.run(`CREATE UNIQUE INDEX userapi_daily_visits_localpart_device_timestamp_idx ON userapi_daily_visits (localpart, device_id, timestamp)`)
	s.run(`CREATE INDEX userapi_daily_visits_timestamp_idx ON userapi_daily_visits (timestamp)`)
	return s
}

func (s *dendriteServer) reader(classes *activity.Classes) collector.Reader {
	return dendrite.New(dendrite.Options{Database: s.source()}, classes)
}

func (s *dendriteServer) write(user int, a account) {
	number := map[collector.AccountType]int{collector.Native: 1, collector.Guest: 2, collector.Bridged: 4}[typeOf(user)]
	s.run(`INSERT INTO userapi_accounts (localpart, server_name, created_ts, appservice_id, account_type) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		userName(user), domain, a.created.UnixMilli(), service(user), number)
}

// visit is a request. Dendrite writes visits every three hours, and those that it finds
// first after midnight it dates a day back.
func (s *dendriteServer) visit(user, device int, a account) (activity.Day, time.Time) {
	at := a.seen[device]
	agent, _, _ := agentOf(user, device)
	s.run(`INSERT INTO userapi_devices (device_id, localpart, server_name, created_ts, last_seen_ts, user_agent) VALUES ('D', ?, ?, ?, ?, ?)
		ON CONFLICT (localpart, server_name, device_id) DO UPDATE SET last_seen_ts = excluded.last_seen_ts`, userName(user), domain, a.created.UnixMilli(), at.UnixMilli(), agent)
	const every, offset = 3 * time.Hour, time.Hour
	written := at.Add(-offset).Truncate(every).Add(every + offset)
	return activity.DayOf(written.Add(-every)), written
}

func (s *dendriteServer) visited(user, device int, date activity.Day) {
	agent, _, _ := agentOf(user, device)
	s.run(`INSERT INTO userapi_daily_visits (localpart, device_id, timestamp, user_agent) VALUES (?, 'D', ?, ?) ON CONFLICT DO NOTHING`, userName(user), date.Start().UnixMilli(), agent)
}

func (s *dendriteServer) deleteVisits(date activity.Day) {
	s.run(`DELETE FROM userapi_daily_visits WHERE timestamp = ?`, date.Start().UnixMilli())
}
