package synapsetest

import (
	"fmt"
	"iter"
	"time"
)

// A Table is one of Synapse's, as far as it is read, with its indexes.
type Table struct {
	Name    string
	Columns []string
	Create  string
	Indexes []string
	Rows    iter.Seq[[]any]
}

// Tables are all tables of the homeserver, each with what happened.
func (p Population) Tables() []Table {
	return []Table{
		{
			Name: "users", Columns: []string{"name", "creation_ts", "is_guest", "appservice_id", "deactivated"},
			Create:  `CREATE TABLE users (name TEXT, creation_ts BIGINT, is_guest SMALLINT DEFAULT 0 NOT NULL, appservice_id TEXT, deactivated SMALLINT DEFAULT 0 NOT NULL, UNIQUE (name))`,
			Indexes: []string{`CREATE INDEX users_creation_ts ON users (creation_ts)`},
			Rows:    p.users,
		},
		{
			Name: "user_daily_visits", Columns: []string{"user_id", "device_id", "timestamp", "user_agent"},
			Create: `CREATE TABLE user_daily_visits (user_id TEXT NOT NULL, device_id TEXT, timestamp BIGINT NOT NULL, user_agent TEXT)`,
			Indexes: []string{
				`CREATE INDEX user_daily_visits_uts_idx ON user_daily_visits (user_id, timestamp)`,
				`CREATE INDEX user_daily_visits_ts_idx ON user_daily_visits (timestamp)`,
			},
			Rows: p.visits,
		},
		{
			Name: "user_ips", Columns: []string{"user_id", "access_token", "device_id", "ip", "user_agent", "last_seen"},
			Create: `CREATE TABLE user_ips (user_id TEXT NOT NULL, access_token TEXT NOT NULL, device_id TEXT, ip TEXT NOT NULL, user_agent TEXT NOT NULL, last_seen BIGINT NOT NULL)`,
			Indexes: []string{
				`CREATE UNIQUE INDEX user_ips_user_token_ip_unique_index ON user_ips (user_id, access_token, ip)`,
				`CREATE INDEX user_ips_device_id ON user_ips (user_id, device_id, last_seen)`,
				`CREATE INDEX user_ips_last_seen ON user_ips (user_id, last_seen)`,
				`CREATE INDEX user_ips_last_seen_only ON user_ips (last_seen)`,
			},
			Rows: p.addresses,
		},
		{
			Name: "devices", Columns: []string{"user_id", "device_id", "last_seen", "user_agent"},
			Create: `CREATE TABLE devices (user_id TEXT NOT NULL, device_id TEXT NOT NULL, last_seen BIGINT, user_agent TEXT, UNIQUE (user_id, device_id))`,
			Rows:   p.devices,
		},
		{
			Name: "monthly_active_users", Columns: []string{"user_id", "timestamp"},
			Create: `CREATE TABLE monthly_active_users (user_id TEXT NOT NULL, timestamp BIGINT NOT NULL)`,
			Indexes: []string{
				`CREATE UNIQUE INDEX monthly_active_users_users ON monthly_active_users (user_id)`,
				`CREATE INDEX monthly_active_users_time_stamp ON monthly_active_users (timestamp)`,
			},
			Rows: func(func([]any) bool) {},
		},
		{
			Name: "rooms", Columns: []string{"room_id"},
			Create: `CREATE TABLE rooms (room_id TEXT PRIMARY KEY NOT NULL)`,
			Rows:   p.rooms,
		},
		{
			Name: "events", Columns: []string{"stream_ordering", "type", "room_id", "sender", "received_ts"},
			Create:  `CREATE TABLE events (stream_ordering BIGINT PRIMARY KEY, type TEXT NOT NULL, room_id TEXT NOT NULL, sender TEXT, received_ts BIGINT)`,
			Indexes: []string{`CREATE INDEX events_room_stream ON events (room_id, stream_ordering)`},
			Rows:    p.events,
		},
	}
}

func (p Population) users(yield func([]any) bool) {
	for n := range p.Users {
		m := p.member(n)
		guest, deactivated := 0, 0
		if m.guest {
			guest = 1
		}
		if m.deactivated {
			deactivated = 1
		}
		created := p.Now.Add(-time.Duration(m.from)*day - time.Duration(chance(n, 9, 9)*float64(day))).Unix()
		if !yield([]any{m.name, created, guest, m.service, deactivated}) {
			return
		}
	}
}

// visits are those of accounts that are neither guests nor bridged, a day after
// the other, in random order within the day.
func (p Population) visits(yield func([]any) bool) {
	members := make([]member, p.Users)
	for n := range members {
		members[n] = p.member(n)
	}
	for ago := p.Days - 1; ago >= 0; ago-- {
		order := p.random(-1 - ago).Perm(p.Users)
		for _, n := range order {
			m := members[n]
			if m.guest || m.service != nil {
				continue
			}
			for device, agent := range m.devices {
				if p.activeOn(n, m, device, ago) && !yield([]any{m.name, deviceID(device), p.midnight(ago), agent}) {
					return
				}
			}
		}
	}
}

func deviceID(device int) string { return fmt.Sprintf("DEVICE%04d", device) }

// lastDay is how many days ago a device was used last, -1 for never.
func (p Population) lastDay(n int, m member, device int) int {
	for ago := range p.Days {
		if p.activeOn(n, m, device, ago) {
			return ago
		}
	}
	return -1
}

// kept is user_ips_max_age, Synapse's default.
const kept = 28 * day

// addresses are what Synapse has not pruned: one row for each device, and one
// older for some.
func (p Population) addresses(yield func([]any) bool) {
	for n := range p.Users {
		m := p.member(n)
		for device, agent := range m.devices {
			ago := p.lastDay(n, m, device)
			if ago < 0 {
				continue
			}
			at := p.moment(n, device, ago)
			for address := range 1 + n%3 {
				seen := at - int64(address)*(5*time.Hour).Milliseconds()
				if p.Now.UnixMilli()-seen >= kept.Milliseconds() {
					break
				}
				if !yield([]any{m.name, fmt.Sprintf("syt_%d_%d", n, device), deviceID(device), fmt.Sprintf("2001:db8::%d", address), known(agent), seen}) {
					return
				}
			}
		}
	}
}

func known(agent *string) string {
	if agent == nil {
		return ""
	}
	return *agent
}

// devices are those of users who have not logged out.
func (p Population) devices(yield func([]any) bool) {
	for n := range p.Users {
		m := p.member(n)
		for device, agent := range m.devices {
			if chance(n, device, -2) < 0.05 {
				continue
			}
			var seen *int64
			if ago := p.lastDay(n, m, device); ago >= 0 {
				at := p.moment(n, device, ago)
				seen = &at
			}
			if !yield([]any{m.name, deviceID(device), seen, agent}) {
				return
			}
		}
	}
}

func (p Population) rooms(yield func([]any) bool) {
	for n := range p.Users / 3 {
		if !yield([]any{fmt.Sprintf("!room-%d:%s", n, Server)}) {
			return
		}
	}
}

// events are two days of them, with gaps in their positions.
func (p Population) events(yield func([]any) bool) {
	count := p.Users
	for n := range count {
		kind := [...]string{"m.room.message", "m.room.encrypted", "m.room.member"}[n%3]
		sender := fmt.Sprintf("@user-%08d:%s", n%max(1, p.Users/7), Server)
		if n%4 == 0 {
			sender = "@someone:elsewhere.example"
		}
		arrived := p.Now.Add(-2*day + time.Duration(n)*(2*day)/time.Duration(count)).UnixMilli()
		if !yield([]any{int64(n + n/10 + 1), kind, fmt.Sprintf("!room-%d:%s", n%max(1, p.Users/20), Server), sender, arrived}) {
			return
		}
	}
}
