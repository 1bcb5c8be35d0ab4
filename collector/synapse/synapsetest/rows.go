package synapsetest

import (
	"fmt"
	"iter"
	"time"

	"active_users_exporter/collector/synapse/invented"
)

// Tables are all tables of the homeserver, each with what happened.
func (p Population) Tables() []invented.Table {
	addresses := p.addresses
	if p.Tokens > 0 {
		addresses = p.rotated
	}
	return invented.Tables(map[string]iter.Seq[[]any]{
		"users": p.users, "user_daily_visits": p.visits, "user_ips": addresses, "devices": p.devices, "rooms": p.rooms, "events": p.events,
		"room_stats_current": p.roomStats, "destinations": p.destinations,
	})
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
		if !yield([]any{m.name, created, guest, m.service, deactivated, m.kind}) {
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

// roomStats are those of rooms; everybody has left a seventh of them.
func (p Population) roomStats(yield func([]any) bool) {
	for n := range p.Users / 3 {
		if !yield([]any{fmt.Sprintf("!room-%d:%s", n, Server), n % 7}) {
			return
		}
	}
}

// destinations are other servers; a tenth of them cannot be reached.
func (p Population) destinations(yield func([]any) bool) {
	for n := range p.Users / 30 {
		var failed *int64
		if n%10 == 0 {
			failed = new(p.midnight(n % max(1, p.Days)))
		}
		if !yield([]any{fmt.Sprintf("server-%d.example", n), failed}) {
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
		arrived := p.Now.Add(-2*day).UnixMilli() + int64(n)*(2*day).Milliseconds()/int64(count)
		if !yield([]any{int64(n + n/10 + 1), kind, fmt.Sprintf("!room-%d:%s", n%max(1, p.Users/20), Server), sender, arrived}) {
			return
		}
	}
}
