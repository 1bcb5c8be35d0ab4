package years_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/usagereport"
)

// sort is that of an event in a room.
type sort int

const (
	plain sort = iota
	encrypted
	membership // no message
)

// message is an event in a room.
type message struct {
	sort       sort
	room       int
	homeserver string // of who sent it, "" for the server itself
	backfilled bool   // it happened before the server joined the room, and is stored now
	failing    bool   // what is sent to that homeserver does not arrive
}

func (m message) String() string {
	return fmt.Sprintf("%s in room %d", []string{"a message", "an encrypted message", "no message"}[m.sort], m.room)
}

func newMessage(random *rand.Rand) message {
	return message{sort: []sort{plain, plain, encrypted, membership}[random.IntN(4)], room: random.IntN(1 + random.IntN(12))}
}

// fromElsewhere is the same from another homeserver.
func (m message) fromElsewhere(random *rand.Rand) message {
	m.homeserver = []string{"elsewhere.example", "sub." + domain, "not" + domain}[random.IntN(3)]
	m.backfilled, m.failing = random.IntN(5) == 0, random.IntN(4) == 0
	return m
}

// talk is what a Synapse knows of rooms and other homeservers.
type talk struct {
	events  []said          // in the order of their arrival, without those that were backfilled
	rooms   map[int]bool    // true for those that a user of this server is in
	servers map[string]bool // true for those that cannot be reached
}

// said is an event that has arrived.
type said struct {
	at     time.Time
	sender string // "" for users of other servers
	message
}

func newTalk() talk { return talk{rooms: make(map[int]bool), servers: make(map[string]bool)} }

func (t talk) clone() talk {
	return talk{slices.Clone(t.events), maps.Clone(t.rooms), maps.Clone(t.servers)}
}

// send lets a message arrive, on a server that keeps them.
func (h *host) send(at time.Time, sender string, m message) {
	s, keeps := h.server.(*synapseServer)
	if !keeps {
		return
	}
	s.sent(at, sender, m)
	t := &h.world.talk
	if !m.backfilled {
		t.events = append(t.events, said{at, sender, m})
	}
	t.rooms[m.room] = t.rooms[m.room] || sender != ""
	if m.homeserver != "" {
		t.servers[m.homeserver] = m.failing
	}
}

// sent writes an event, and what Synapse notes of its room and of the sender's homeserver.
func (s *synapseServer) sent(at time.Time, sender string, m message) {
	room, from, failure := fmt.Sprintf("!%d:%s", m.room, domain), "@"+sender+":"+domain, any(nil)
	if m.homeserver != "" {
		if from = "@somebody:" + m.homeserver; m.failing {
			failure = at.UnixMilli()
		}
		s.run(`INSERT INTO destinations VALUES (?, ?) ON CONFLICT (destination) DO UPDATE SET failure_ts = excluded.failure_ts`, m.homeserver, failure)
	}
	position := `COALESCE(MAX(stream_ordering), 0) + 1`
	if m.backfilled {
		position = `MIN(COALESCE(MIN(stream_ordering), 0), 0) - 1`
	}
	s.run(`INSERT INTO events (stream_ordering, type, room_id, sender, received_ts) SELECT `+position+`, ?, ?, ?, ? FROM events`,
		[]string{"m.room.message", "m.room.encrypted", "m.room.member"}[m.sort], room, from, at.UnixMilli())
	s.run(`INSERT INTO rooms VALUES (?) ON CONFLICT DO NOTHING`, room)
	s.run(`INSERT INTO room_stats_current VALUES (?, ?) ON CONFLICT (room_id) DO UPDATE SET local_users_in_room = MAX(local_users_in_room, excluded.local_users_in_room)`, room, m.homeserver == "")
}

// said counts senders, rooms and messages.
func (k known) said(f figures) {
	if k.talk == nil {
		return
	}
	for _, days := range []int{1, 7, 30} {
		senders, rooms := make(map[string]bool), [...]map[int]bool{plain: {}, encrypted: {}}
		for _, e := range k.talk.events {
			if e.sort == membership || !e.at.After(k.now.Add(-time.Duration(days)*day)) {
				continue
			}
			if rooms[e.sort][e.room] = true; e.sender != "" {
				senders[e.sender] = true
			}
		}
		f[fmt.Sprintf("senders %dd", days)] = len(senders)
		f[fmt.Sprintf("rooms %dd", days)], f[fmt.Sprintf("encrypted rooms %dd", days)] = len(rooms[plain]), len(rooms[encrypted])
	}
	f["rooms known"], f["rooms joined"], f["servers reachable"], f["servers unreachable"] = 0, 0, 0, 0
	for _, joined := range k.talk.rooms {
		if f["rooms known"]++; joined {
			f["rooms joined"]++
		}
	}
	for _, failing := range k.talk.servers {
		if failing {
			f["servers unreachable"]++
		} else {
			f["servers reachable"]++
		}
	}
	k.report(f)
}

// report are the figures of Synapse's usage report that are not about activity. Its day
// begins with the first event that arrived within 24 hours, which does not count itself.
func (k known) report(f figures) {
	f["usage total_room_count"] = f["rooms known"]
	f["usage total_users"], f["usage total_nonbridged_users"] = k.accounts, k.ownAccounts
	for accountType, n := range k.newAccounts {
		f["usage daily_user_type_"+string(accountType)] = n
	}
	first, _ := slices.BinarySearchFunc(k.talk.events, k.now.Add(-day), func(e said, at time.Time) int { return e.at.Compare(at) })
	for sort, name := range []string{plain: "", encrypted: "e2ee_"} {
		all, sent, rooms := 0, 0, make(map[int]bool)
		for _, e := range k.talk.events[min(first+1, len(k.talk.events)):] {
			if int(e.sort) != sort {
				continue
			}
			all++
			rooms[e.room] = true
			if e.sender != "" {
				sent++
			}
		}
		f["usage daily_"+name+"messages"], f["usage daily_sent_"+name+"messages"], f["usage daily_active_"+name+"rooms"] = all, sent, len(rooms)
	}
}

// usage are the figures of Synapse's usage report that are about activity. What Synapse has
// deleted does not count in them.
func (k known) usage(f figures) {
	if k.talk == nil {
		return
	}
	for name, days := range map[string]int{"usage daily_active_users": 1, "usage monthly_active_users": 30} {
		f[name] = 0
		for _, p := range k.people {
			if slices.ContainsFunc(p.seen[:], func(at time.Time) bool { return !at.Before(k.pruned) && k.now.Sub(at) < time.Duration(days)*day }) {
				f[name]++
			}
		}
	}
	f["usage r30v2_users_all"] = f["r30v2"]
	for _, class := range []string{"android", "ios", "web", "electron"} {
		f["usage r30v2_users_"+class] = k.cameBack(func(user string, device int) bool { return k.people[user].synapse[device] == class })
	}
}

// talk are the figures of a snapshot that talk and the usage report are about.
func (f figures) talk(s *collector.Snapshot) {
	for _, m := range s.Domains[0].Messages {
		window := m.Window.String()
		f["senders "+window], f["rooms "+window], f["encrypted rooms "+window] = m.Senders, m.Rooms, m.EncryptedRooms
	}
	for _, special := range s.Special {
		h, is := special.(usagereport.Homeserver)
		if !is || h.Software != usagereport.Synapse {
			continue
		}
		for name, n := range h.Statistics {
			f["usage "+name] = int(n)
		}
		for state, n := range h.Rooms {
			f["rooms "+state] = n
		}
		for state, n := range h.FederationServers {
			f["servers "+state] = n
		}
	}
}
