package demo

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

const (
	synapseServer = "matrix.example.org"

	// Synapse deletes rows of user_ips after 28 days (user_ips_max_age by
	// default) and rows of monthly_active_users after 30. Visits stay.
	userIPsAge       = 28 * oneDay
	monthlyActiveAge = 30 * oneDay
	// eventsAge is how far back events are invented; Synapse keeps them all.
	eventsAge = 3 * oneDay

	guestsOfPassers = 0.40 // share of guests among those who only had a look
	bridgedShare    = 0.07 // of all others
	usersPerRoom    = 12

	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	base62 = upper + "abcdefghijklmnopqrstuvwxyz0123456789"
)

// A homeserver is what a Synapse knows of its people.
type homeserver struct {
	*model
	accounts []account
	rooms    []room
}

type account struct {
	person
	id      string // @local:server
	guest   bool
	bridge  string // appservice_id of a bridged account, else ""
	devices []device
}

// A device is a client, logged in once and used at one address.
type device struct {
	id, token, ip, agent string
	seen                 time.Time // zero for never
}

type room struct{ id, creator string }

func newHomeserver(m *model, users int) *homeserver {
	h := &homeserver{model: m}
	for i, p := range m.populate(users) {
		a := m.account(i, p)
		h.accounts = append(h.accounts, a)
		if i%usersPerRoom == 0 {
			h.rooms = append(h.rooms, room{"!" + m.text(18, base62) + ":" + synapseServer, a.id})
		}
	}
	return h
}

func (m *model) account(i int, p person) account {
	a := account{person: p}
	local := p.name
	switch {
	case p.passing && m.chance(guestsOfPassers):
		a.guest = true
		local = strconv.Itoa(i)
	case m.chance(bridgedShare):
		a.bridge = []string{"telegram", "signal"}[m.pick([]int{2, 1})]
		local = fmt.Sprintf("_%s_%d", a.bridge, 1000000+i)
		// Its bridge acts for it, which Synapse does not record by default.
		a.agents, a.sessions, a.seen = nil, nil, time.Time{}
	}
	a.id = "@" + local + ":" + synapseServer
	for n, agent := range a.agents {
		d := device{id: m.text(10, upper), token: "syt_" + m.text(24, base62), ip: m.address(), agent: agent}
		if a.guest {
			d.id = "guest_device" // the one name for all of them
		}
		if n == 0 {
			d.seen = a.lastBefore(m.start)
		}
		a.devices = append(a.devices, d)
	}
	for _, s := range a.sessions {
		a.devices[s.agent].seen = s.at
	}
	return a
}

// lastBefore returns when a person was seen last if that was before t, else
// the zero time.
func (p *person) lastBefore(t time.Time) time.Time {
	if p.seen.Before(t) {
		return p.seen
	}
	return time.Time{}
}

// address invents one of the addresses that are reserved for documentation.
func (m *model) address() string {
	if m.chance(0.4) {
		return fmt.Sprintf("2001:db8:%x:%x::%x", m.rng.IntN(1<<16), m.rng.IntN(1<<16), 1+m.rng.IntN(1<<16-1))
	}
	network := []string{"192.0.2", "198.51.100", "203.0.113"}[m.rng.IntN(3)]
	return fmt.Sprintf("%s.%d", network, 1+m.rng.IntN(254))
}

// What follows yields the rows of one table each.

func (h *homeserver) users(yield func([]any) bool) {
	for i, a := range h.accounts {
		var bridge any
		if a.bridge != "" {
			bridge = a.bridge
		}
		if !yield([]any{a.id, a.joined.Unix(), a.guest, bridge, i == 0, a.closed}) {
			return
		}
	}
}

func (h *homeserver) devices(yield func([]any) bool) {
	for _, a := range h.accounts {
		if a.closed || a.seen.IsZero() {
			continue // logged out, or never logged in
		}
		for _, d := range a.devices {
			var seen any
			if !d.seen.IsZero() {
				seen = d.seen.UnixMilli()
			}
			if !yield([]any{a.id, d.id, seen, d.ip, d.agent}) {
				return
			}
		}
	}
}
