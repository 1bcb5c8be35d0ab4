package synapsetest

import (
	"fmt"
	"time"
)

// tokenLife is how long an access token lives that a Matrix Authentication Service gave.
const tokenLife = 5 * time.Minute

// rotated are the rows of user_ips where access tokens live five minutes: one for each
// token, hour by hour, as Synapse writes them. Each device is in use once a day for some
// time. A part of the apps lets a process of its own, with another user agent, fetch
// notifications. Bots have personal tokens, which belong to no device, bridges their own
// one, which lives on, and the sender of a bridge has no account.
func (p Population) rotated(yield func([]any) bool) {
	logins := p.logins()
	tokens := p.tokensADay(logins)
	hours := int(kept / time.Hour)
	if !yield([]any{"@bridge:" + Server, "as_token", "dummy-device", "::1", "irc-bridge", p.Now.Add(-time.Hour).UnixMilli()}) {
		return
	}
	for hour := range hours {
		from := p.Now.Add(-kept + time.Duration(hour)*time.Hour)
		for _, l := range logins {
			if !p.tokensOf(l, tokens, from, from.Add(time.Hour), yield) {
				return
			}
		}
	}
}

// A login is one device of a user, or a token that belongs to none.
type login struct {
	n, device int
	id        any // device_id
	name      string
	agent     string
	bridged   bool
	active    []bool // by days ago
}

func (p Population) logins() (all []login) {
	days := int(kept/day) + 1
	for n := range p.Users {
		m := p.member(n)
		for device, agent := range m.devices {
			l := login{n: n, device: device, id: deviceID(device), name: m.name, agent: known(agent), bridged: m.service != nil, active: make([]bool, days)}
			switch {
			case l.bridged:
				l.id = "dummy-device"
			case m.kind != nil && *m.kind == "bot":
				l.id = nil
			}
			for ago := range min(days, p.Days) {
				l.active[ago] = p.activeOn(n, m, device, ago)
			}
			all = append(all, l)
		}
	}
	return all
}

// tokensADay is how many tokens a login takes on each day on which it is active, so that
// there are Tokens for each user.
func (p Population) tokensADay(logins []login) int {
	days := 0
	for _, l := range logins {
		for _, active := range l.active {
			if active && !l.bridged {
				days++
			}
		}
	}
	return min(p.Tokens*p.Users/max(1, days), int(day/tokenLife))
}

// tokensOf are the rows of a login in a time that lies in one or two days; false ends
// them.
func (p Population) tokensOf(l login, tokens int, from, to time.Time, yield func([]any) bool) bool {
	count := tokens
	if l.bridged {
		count = 1
	}
	for ago, active := range l.active {
		if !active || p.midnight(ago) >= to.UnixMilli() || p.midnight(ago)+day.Milliseconds() <= from.UnixMilli() {
			continue
		}
		last := p.moment(l.n, l.device, ago) // which devices has, too
		for t := count - 1; t >= 0; t-- {
			at := last - int64(t)*tokenLife.Milliseconds()
			within := at >= from.UnixMilli() && at < to.UnixMilli() && (at >= p.midnight(ago) || t == 0)
			if within && !yield(l.row(ago, t, at)) {
				return false
			}
		}
	}
	return true
}

// row is that of one of a login's tokens of a day.
func (l login) row(ago, t int, at int64) []any {
	agent, token := l.agent, fmt.Sprintf("mat_%08d_%d_%03d_%03d", l.n, l.device, ago, t)
	if t > 0 && chance(l.n, l.device, -3) < 0.2 && chance(l.n, t, ago) < 0.15 {
		agent = "NotificationService CFNetwork/1494.0.7 Darwin/23.4.0"
	}
	if l.bridged {
		token = "as_token"
	}
	return []any{l.name, token, l.id, fmt.Sprintf("2001:db8::%d:%d", l.device, ago), agent, at}
}
