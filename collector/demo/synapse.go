package demo

import (
	"context"
	"fmt"
	"hash/crc32"
	"iter"
	"slices"
	"time"

	"active_users_exporter/collector/synapse/invented"
)

// homeserver is the invented homeserver's name.
const homeserver = "matrix.demo.example"

// userIPsMaxAge is after how many days Synapse deletes rows of user_ips
// (option user_ips_max_age).
const userIPsMaxAge = 28 * day

// botEvery is of how many accounts one is marked as a bot.
const botEvery = 50

// Synapse makes the SQLite database of an invented Synapse at path, which must
// not exist, with the given number of users.
func Synapse(ctx context.Context, path string, now time.Time, users int, seed uint64) error {
	p := synapsePeople{now: now, people: population(now, users, seed)}
	return invented.WriteSQLite(ctx, path, invented.Tables(map[string]iter.Seq[[]any]{
		"users": p.accounts, "user_daily_visits": p.visits, "user_ips": p.addresses, "devices": p.devices, "rooms": p.rooms, "events": p.events,
		"room_stats_current": p.roomStats, "destinations": p.destinations,
	}))
}

// synapsePeople are invented people with a Synapse. Its methods are the rows of its
// tables.
type synapsePeople struct {
	now    time.Time
	people []person
}

// all yields the rows that each person has.
func (s synapsePeople) all(yield func([]any) bool, rows func(number int, p person, id string) [][]any) {
	for number, p := range s.people {
		for _, row := range rows(number, p, userID(p)) {
			if !yield(row) {
				return
			}
		}
	}
}

func userID(p person) string { return fmt.Sprintf("@%s:%s", p.name, homeserver) }

func (s synapsePeople) accounts(yield func([]any) bool) {
	s.all(yield, func(number int, p person, id string) [][]any {
		var bridge, userType any
		if number%botEvery == 0 && p.kind == native {
			userType = "bot"
		}
		if p.kind == bridged {
			bridge = "irc"
		}
		return [][]any{{id, s.now.Add(-time.Duration(p.joined) * day).Unix(), p.kind == guest, bridge, p.kind == deactivated, userType}}
	})
}

// visits are those of native accounts, which Synapse keeps alone.
func (s synapsePeople) visits(yield func([]any) bool) {
	s.all(yield, func(_ int, p person, id string) (rows [][]any) {
		if p.kind == bridged || p.kind == guest {
			return nil
		}
		for _, seen := range p.seen {
			rows = append(rows, []any{id, device(seen.client), seen.last.Truncate(day).UnixMilli(), seen.client})
		}
		return rows
	})
}

// latest returns when a person was last seen with each client, in the order in which
// these were first used.
func (p person) latest() (clients []string, at map[string]time.Time) {
	at = make(map[string]time.Time)
	for _, seen := range p.seen {
		if _, known := at[seen.client]; !known {
			clients = append(clients, seen.client)
		}
		at[seen.client] = seen.last
	}
	return clients, at
}

func (s synapsePeople) devices(yield func([]any) bool) {
	s.all(yield, func(_ int, p person, id string) (rows [][]any) {
		clients, at := p.latest()
		for _, client := range clients {
			rows = append(rows, []any{id, device(client), at[client].UnixMilli(), client})
		}
		return rows
	})
}

// addresses are what Synapse has not pruned.
func (s synapsePeople) addresses(yield func([]any) bool) {
	s.all(yield, func(number int, p person, id string) (rows [][]any) {
		clients, at := p.latest()
		for _, client := range clients {
			if s.now.Sub(at[client]) < userIPsMaxAge {
				rows = append(rows, []any{id, "token " + device(client), device(client), fmt.Sprintf("192.0.2.%d", number%256), client, at[client].UnixMilli()})
			}
		}
		return rows
	})
}

// roomSize is about how many people share a room.
const roomSize = 10

func (s synapsePeople) rooms(yield func([]any) bool) {
	for number := range len(s.people) / roomSize {
		if !yield([]any{roomID(number)}) {
			return
		}
	}
}

// roomStats say of how many rooms somebody of the server is a member: a tenth were left.
func (s synapsePeople) roomStats(yield func([]any) bool) {
	for number := range len(s.people) / roomSize {
		members := roomSize
		if number%10 == 9 {
			members = 0
		}
		if !yield([]any{roomID(number), members}) {
			return
		}
	}
}

// otherServers is how many servers the invented one sends to.
const otherServers = 120

// destinations are the other servers; one in fifteen has been down for some days.
func (s synapsePeople) destinations(yield func([]any) bool) {
	for number := range otherServers {
		var failed any
		if number%15 == 0 {
			failed = s.now.Add(-time.Duration(number) * day / 10).UnixMilli()
		}
		if !yield([]any{fmt.Sprintf("server%d.example", number), failed}) {
			return
		}
	}
}

// messageDays is for how long messages are kept.
const messageDays = 35

// events are what people say: on one of three days on which they come, and half of
// the rooms are encrypted.
func (s synapsePeople) events(yield func([]any) bool) {
	type said struct {
		at   time.Time
		room int
		by   string
	}
	var all []said
	for i, p := range s.people {
		for n, seen := range p.seen {
			if (i+n)%3 == 0 && s.now.Sub(seen.last) < messageDays*day {
				all = append(all, said{seen.last, (i + n%2) / roomSize, userID(p)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b said) int { return a.at.Compare(b.at) })
	for i, m := range all {
		kind := "m.room.message"
		if m.room%2 == 0 {
			kind = "m.room.encrypted"
		}
		if !yield([]any{i + 1, kind, roomID(m.room), m.by, m.at.UnixMilli()}) {
			return
		}
	}
}

func roomID(number int) string { return fmt.Sprintf("!room%d:%s", number, homeserver) }

// device gives each client of a user a device id of its own.
func device(client string) string { return fmt.Sprintf("%08X", crc32.ChecksumIEEE([]byte(client))) }
