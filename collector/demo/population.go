// Package demo invents chat servers that look lived in: a Synapse database, a
// Prosody data directory and Prosody's page of module states. One model of how
// people use chat drives them all; nothing in it is taken from a real server.
// Equal arguments give equal records.
package demo

import "time"

const (
	oneDay = 24 * time.Hour
	// historyDays is for how many UTC days, today included, behaviour is
	// invented; r30v2 looks back 60.
	historyDays = 70
	// veteranDays is for how many days before that people have been joining.
	veteranDays = 1000
)

// Shares of all people, unless said otherwise.
const (
	newcomers  = 0.20  // joined within the history
	passers    = 0.25  // of the newcomers: only had a look, gone after three days
	dormants   = 0.15  // of the others: gone before the history
	leavers    = 0.12  // of those still there: with the passers, 15 % leave within the history
	closers    = 0.40  // of those gone: deactivated their account
	returners  = 0.06  // of those who stay: came back after more than a month
	twoClients = 0.35
)

// A person has one account.
type person struct {
	name     string // local part of the address: ASCII letters, digits and dots
	joined   time.Time
	left     time.Time    // zero for those who stay
	away     [2]time.Time // from and to, of those who came back
	passing  bool
	closed   bool
	agents   []string  // user agents, one for each client
	seen     time.Time // latest activity ever; zero for never
	sessions []session // days in order
}

// A session is the latest activity of a person with one client on one UTC day.
type session struct {
	agent int // index into agents
	at    time.Time
}

// populate invents that many people and what they did until now.
func (m *model) populate(users int) []person {
	people := make([]person, users)
	for i := range people {
		p := m.person(i)
		if h := m.habit(); h != never {
			m.live(&p, h)
		}
		people[i] = p
	}
	return people
}

// person invents when somebody came and went.
func (m *model) person(i int) person {
	p := person{name: nameOf(i), agents: m.agents()}
	if m.chance(newcomers) {
		p.joined = m.between(m.start, m.now)
		if p.passing = m.chance(passers); p.passing {
			p.left = p.joined.Add(3 * oneDay)
		}
	} else {
		p.joined = m.between(m.start.Add(-veteranDays*oneDay), m.start)
		if m.chance(dormants) {
			p.left = m.between(p.joined, m.start)
		}
	}
	switch {
	case !p.left.IsZero():
	case m.chance(leavers):
		p.left = m.between(later(p.joined, m.start), m.now)
	case m.chance(returners):
		p.away[0] = m.between(m.start, m.now.Add(-32*oneDay))
		p.away[1] = p.away[0].Add(m.upTo(10*oneDay) + 32*oneDay)
	}
	p.closed = !p.left.IsZero() && p.left.Before(m.now) && m.chance(closers)
	return p
}

// present reports whether somebody could be active at that moment.
func (p *person) present(at time.Time) bool {
	gone := !p.left.IsZero() && !at.Before(p.left)
	away := !at.Before(p.away[0]) && at.Before(p.away[1])
	return !at.Before(p.joined) && !gone && !away
}

// A habit is how often people are active while they are around.
type habit int

const (
	daily habit = iota
	weekly
	occasional
	never // made an account and did not log in
)

func (m *model) habit() habit { return habit(m.pick([]int{daily: 42, weekly: 30, occasional: 22, never: 6})) }

// chance returns how likely somebody of that habit is active on that day.
func (h habit) chance(day time.Time) float64 {
	const weekend = 0.55
	chance := [...]float64{daily: 0.88, weekly: 0.24, occasional: 0.05, never: 0}[h]
	if d := day.Weekday(); d == time.Saturday || d == time.Sunday {
		return chance * weekend
	}
	return chance
}

// live fills in a person's sessions. People who join look around at once.
func (m *model) live(p *person, h habit) {
	if p.left.Before(m.start) { // also the zero time
		p.seen = p.left
	}
	welcome := p.joined.Add(m.upTo(20 * time.Minute))
	for day := m.start; !day.After(m.now); day = day.Add(oneDay) {
		joining := day.Equal(p.joined.Truncate(oneDay))
		if !m.chance(h.chance(day)) && !joining {
			continue
		}
		for _, agent := range m.used(p) {
			moments := m.moments(day)
			if joining {
				moments = append(moments, welcome)
			}
			last := time.Time{}
			for _, at := range moments {
				if p.present(at) && !at.After(m.now) {
					last = later(last, at)
				}
			}
			if !last.IsZero() {
				p.sessions = append(p.sessions, session{agent, last})
				p.seen = later(p.seen, last)
			}
		}
	}
}

// used returns which of a person's clients are used on a day of activity.
func (m *model) used(p *person) []int {
	if len(p.agents) == 1 {
		return []int{0}
	}
	return [][]int{{0}, {0, 1}, {1}}[m.pick([]int{50, 30, 20})]
}

// moments returns some moments of a day, most of them in the evening.
func (m *model) moments(day time.Time) []time.Time {
	byHour := []int{4, 2, 1, 1, 1, 2, 5, 9, 12, 13, 13, 13, 14, 13, 13, 13, 14, 17, 22, 27, 28, 24, 16, 9}
	moments := make([]time.Time, 1+m.rng.IntN(4))
	for i := range moments {
		hour := time.Duration(m.pick(byHour)) * time.Hour
		moments[i] = day.Add(hour + m.upTo(time.Hour))
	}
	return moments
}
