// Package demo invents chat servers: records of a few thousand users over the
// last weeks, written as a real Synapse and a real Prosody write them.
package demo

import (
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	day = 24 * time.Hour
	// days is how far back the invented past goes, today included.
	days = 70
)

// person is one invented user.
type person struct {
	name    string
	kind    kind
	clients []string // user agents, the favourite first
	joined  int      // days ago; more than days for those who were there before
	left    int      // days ago, -1 for those who are still there
	habit   float64  // chance to come on a weekday
	weekend float64  // by what to multiply it on Saturday and Sunday
	seen    []sighting
}

// sighting is a day on which a person came: when last, and with which client.
type sighting struct {
	ago    int // days
	last   time.Time
	client string
}

// kind is what sort of account a person has.
type kind int

const (
	native kind = iota
	deactivated
	guest
	bridged
)

// population invents the given number of users and what they did up to now.
// The same seed and day give the same people.
func population(now time.Time, users int, seed uint64) []person {
	random := rand.New(rand.NewPCG(seed, uint64(users)))
	names := firstNames()
	people := make([]person, users)
	for i := range people {
		people[i] = newPerson(random, fmt.Sprintf("%s%d", names[random.IntN(len(names))], i))
		people[i].live(random, now)
	}
	return people
}

func newPerson(random *rand.Rand, name string) person {
	p := person{name: name, joined: days + 100, left: -1, weekend: 0.65}
	switch x := random.Float64(); {
	case x < 0.04:
		p.kind = bridged
	case x < 0.06:
		p.kind = guest
	case x < 0.09:
		p.kind = deactivated
	}
	if random.Float64() < 0.2 { // newcomers, more of them lately
		p.joined = int(float64(days) * random.Float64() * random.Float64())
	}
	if random.Float64() < 0.15 || p.kind == deactivated {
		p.left = random.IntN(max(1, min(p.joined, days)))
	}
	switch x := random.Float64(); {
	case x < 0.15:
		p.habit = 0.9 // nearly every day
	case x < 0.45:
		p.habit = 0.35 // some days a week
	case x < 0.85:
		p.habit = 0.02 + 0.08*random.Float64() // now and then
	default:
		p.habit, p.weekend = 0.15, 3 // at weekends
	}
	p.clients = append(p.clients, pick(random, p.kind))
	if random.Float64() < 0.25 {
		p.clients = append(p.clients, pick(random, p.kind))
	}
	return p
}

// live goes through the person's days. One in ten stays away for a month and
// comes back.
func (p *person) live(random *rand.Rand, now time.Time) {
	awayFrom := -1
	if random.IntN(10) == 0 {
		awayFrom = 5 + random.IntN(25)
	}
	midnight := now.UTC().Truncate(day)
	for ago := min(p.joined, days-1); ago > max(p.left, -1); ago-- {
		date := midnight.AddDate(0, 0, -ago)
		chance := p.habit
		if w := date.Weekday(); w == time.Saturday || w == time.Sunday {
			chance *= p.weekend
		}
		if awayFrom >= 0 && ago >= awayFrom && ago < awayFrom+32 {
			chance = 0
		}
		client := p.clients[0]
		if random.IntN(4) == 0 {
			client = p.clients[len(p.clients)-1]
		}
		at := date.Add(timeOfDay(random))
		if random.Float64() >= chance || at.After(now) {
			continue
		}
		p.seen = append(p.seen, sighting{ago: ago, last: at, client: client})
	}
}

// timeOfDay returns when on a day somebody was last there: mostly in the
// evening, and never within the last minutes before midnight.
func timeOfDay(random *rand.Rand) time.Duration {
	hour := 18.5 + 3*random.NormFloat64()
	if random.IntN(4) == 0 {
		hour = 8 + 10*random.Float64()
	}
	return time.Duration(min(max(hour, 0.1), 23.8) * float64(time.Hour)).Truncate(time.Millisecond)
}

// pick returns the user agent of a client, of the common ones more often.
func pick(random *rand.Rand, k kind) string {
	if k == bridged {
		return "mautrix-demo/0.12 python-aiohttp"
	}
	x := random.Float64()
	for _, c := range clients() {
		if x -= c.share; x < 0 {
			return c.agent
		}
	}
	return ""
}

// program is a client program with its share of all clients.
type program struct {
	share float64
	agent string
}

// clients returns the client programs; what is left sends no user agent.
func clients() []program {
	return []program{
		{0.24, "Element/1.6.40 (Fairphone 5; Android 14; TP1A.220624.014; Flavour FDroid; MatrixAndroidSdk2 1.6.40)"},
		{0.12, "Element X/26.10.2 (Google Pixel 9; Android 16; BP2A.250605.031; Sdk 26.10.0)"},
		{0.17, "Element/1.11.25 (iPhone 15; iOS 18.1; Scale/3.00)"},
		{0.14, "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Element/1.12.4 Chrome/142.0 Electron/39.2 Safari/537.36"},
		{0.18, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"},
		{0.05, "FluffyChat/2.2.0"},
		{0.05, "SchildiChat/1.6.36.sc80 (OnePlus 12; Android 15)"},
		{0.02, "nheko/0.12.1"},
	}
}

func firstNames() []string {
	return []string{
		"ada", "alan", "anita", "barbara", "betty", "dennis", "donald", "edsger", "emmy", "frances", "fred", "grace",
		"hedy", "ivan", "jean", "joan", "john", "karen", "katherine", "ken", "leslie", "linus", "lynn", "margaret",
		"mary", "niklaus", "radia", "robin", "shafi", "sophie", "tim", "tony", "whitfield", "yukihiro",
	}
}
