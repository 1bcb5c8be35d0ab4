// Package synapsetest invents the records of a Synapse for tests and
// benchmarks: any number of users over any number of days, in the tables and
// under the indexes that Synapse has.
package synapsetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

const day = 24 * time.Hour

// Server is the name of the invented homeserver.
const Server = "big.example"

// A Population is what happened on an invented homeserver. It is the same each
// time it is made.
type Population struct {
	Users int
	Days  int
	Now   time.Time
	// Tokens is how many rows of user_ips a user has on average where access tokens live
	// five minutes, as with a Matrix Authentication Service; 0 for tokens that live on.
	Tokens int
}

// member is a user; devices are 1.3 on average.
type member struct {
	name        string
	guest       bool
	service     *string
	deactivated bool
	kind        *string // user_type
	rate        float64 // chance of being active on a day
	from, to    int     // days ago
	devices     []*string
}

func (p Population) random(n int) *rand.Rand { return rand.New(rand.NewPCG(7, uint64(n))) }

func (p Population) member(n int) member {
	r := p.random(n)
	m := member{name: fmt.Sprintf("@user-%08d:%s", n, Server), from: p.Days - 1, to: 0}
	switch at := r.Float64(); {
	case at < 0.1: // daily
		m.rate = 0.65 + 0.35*r.Float64()
	case at < 0.4: // weekly
		m.rate = 0.12 + 0.28*r.Float64()
	default: // now and then, or never
		m.rate = 0.25 * math.Pow(r.Float64(), 4)
	}
	if r.Float64() < 0.2 {
		m.from = r.IntN(p.Days) // joined
	}
	if r.Float64() < 0.15 {
		m.to = r.IntN(p.Days) // left
	}
	switch at := r.Float64(); {
	case at < 0.02:
		m.guest = true
	case at < 0.05:
		m.service = new("irc-bridge")
	case at < 0.052:
		m.service = new("")
	}
	m.deactivated = r.Float64() < 0.02
	switch at := chance(n, 11, 11); {
	case at < 0.03:
		m.kind = new("bot")
	case at < 0.04:
		m.kind = new("support")
	case at < 0.05:
		m.kind = new("of a kind that administrators invented")
	}
	count := 1
	switch at := r.Float64(); {
	case at < 0.05:
		count = 3
	case at < 0.3:
		count = 2
	}
	for range count {
		m.devices = append(m.devices, agent(r))
	}
	return m
}

// agent invents a user agent, about 90 bytes of it. For a million users' devices,
// some 150,000 are different, as on a real homeserver of that size.
func agent(r *rand.Rand) *string {
	version := fmt.Sprintf("1.%d.%d", r.IntN(12), r.IntN(3))
	model := fmt.Sprintf("Device %d Pro", r.IntN(900))
	switch at := r.Float64(); {
	case at < 0.003:
		return nil
	case at < 0.40:
		return new("Element/" + version + " (" + model + "; Android 14; UP1A.231005.007; Flavour GooglePlay; MatrixAndroidSDK2 1.6.10)")
	case at < 0.62:
		return new("Element/" + version + " (iPhone 15 Pro; iOS 17.4.1; Scale/3.00) " + model + " MatrixRustSDK CFNetwork Darwin")
	case at < 0.78:
		return new("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/" + version + " Safari/537.36 " + model)
	case at < 0.90:
		return new("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) ELEMENT/" + version + " Chrome/118 Electron/27 " + model)
	case at < 0.95:
		return new("matrix-nio/" + version + " " + model)
	}
	return new("riot-less " + version + " " + model)
}

// activeOn says whether a member is active some days ago with a device.
func (p Population) activeOn(n int, m member, device, ago int) bool {
	if ago > m.from || ago < m.to {
		return false
	}
	rate := m.rate
	if date := p.Now.AddDate(0, 0, -ago).Weekday(); date == time.Saturday || date == time.Sunday {
		rate *= 0.8
	}
	if device > 0 {
		rate *= 0.6
	}
	if ago == 0 { // the day is not over
		rate *= float64(p.Now.UnixMilli()-p.midnight(0)) / float64(day.Milliseconds())
	}
	return chance(n, device, ago) < rate
}

// chance is a number in [0, 1) that depends on its arguments alone.
func chance(n, device, ago int) float64 {
	x := uint64(n)*0x9e3779b97f4a7c15 ^ uint64(device)*0xc2b2ae3d27d4eb4f ^ uint64(ago)*0x165667b19e3779f9
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}

// midnight is the first millisecond of the day some days ago.
func (p Population) midnight(ago int) int64 {
	return p.Now.UTC().Truncate(day).AddDate(0, 0, -ago).UnixMilli()
}

// moment is when a device was last used on its last day.
func (p Population) moment(n, device, ago int) int64 {
	length := day.Milliseconds()
	if ago == 0 {
		length = p.Now.UnixMilli() - p.midnight(0)
	}
	return p.midnight(ago) + int64(chance(n, device, -1)*float64(length))
}
