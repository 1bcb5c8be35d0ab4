package activity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"active_users_exporter/collector/benchtest"
)

// BenchmarkCounting compares counting everything that a refresh counts, after a
// hundredth of today's users came within a quarter of an hour, with reading once what
// it is counted from, in one run: "count/read". What is read is one bit for each user,
// day and client, and eight bytes for when each user was last seen. "full/read" is
// the same when nothing was counted before. "bytes/active-user" is the memory of the
// calendar, with all that is kept for the next count.
func BenchmarkCounting(b *testing.B) {
	c := newCommunity(benchtest.Users(b, 50_000))
	before := heap()
	calendar := c.record(NewCalendar(Key{1}, SynapseClasses()))
	countEverything(calendar, c.now)
	memory := heap() - before

	days, seen := c.words()
	var sum uint64
	var reads, fulls, changes []time.Duration
	for b.Loop() {
		reads = append(reads, benchtest.ThreadTime(b, func() {
			for _, set := range days {
				for _, word := range set {
					sum += word
				}
			}
			for _, at := range seen {
				sum += uint64(at)
			}
		}))

		fresh := calendar.Clone()
		for _, d := range fresh.domains {
			d.kept = keptCounts{}
		}
		fulls = append(fulls, benchtest.ThreadTime(b, func() { sum += countEverything(fresh, c.now) }))

		next, now := calendar.Clone(), c.now.Add(15*time.Minute)
		c.again(next, now)
		changes = append(changes, benchtest.ThreadTime(b, func() { sum += countEverything(next, now) }))
	}
	if sum == 0 {
		b.Fatal("nothing was counted")
	}
	read := slices.Min(reads)
	b.ReportMetric(float64(slices.Min(changes))/float64(read), "count/read")
	b.ReportMetric(float64(slices.Min(fulls))/float64(read), "full/read")
	b.ReportMetric(float64(memory)/float64(c.active), "bytes/active-user")
	b.ReportMetric(float64(read.Microseconds()), "µs-read")
	b.ReportMetric(0, "ns/op")
	runtime.KeepAlive(calendar)
}

// countEverything counts what a refresh counts.
func countEverything(calendar *Calendar, now time.Time) (sum uint64) {
	var after []time.Time
	for _, w := range DefaultWindows() {
		after = append(after, w.Since(now))
	}
	for _, a := range calendar.ActiveAfterEach("d", after, time.Time{}) {
		sum += uint64(a.Users)
	}
	r, g := calendar.Returning("d", now)
	habit, lifecycles := calendar.Habit("d", now), calendar.Lifecycles("d", now)
	months := calendar.RecentMonths("d", now)
	for ago := range Day(30) {
		sum += uint64(calendar.DayVisitors("d", DayOf(now)-ago))
	}
	return sum + uint64(r.Users+g.New+habit[1]+lifecycles[0].New+len(months))
}

// A community is users with up to three devices, who come on some of 60 days.
type community struct {
	now    time.Time
	users  int
	active int
	visits [60][]visitor // by days ago
}

type visitor struct {
	user   int
	client Client
	at     time.Time
}

func newCommunity(users int) *community {
	c := &community{now: time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC), users: users}
	r := rand.New(rand.NewPCG(1, 2))
	active := make([]bool, users)
	for n := range users {
		rate := 0.25 * math.Pow(r.Float64(), 4) // now and then, or never
		switch at := r.Float64(); {
		case at < 0.1: // daily
			rate = 0.65 + 0.35*r.Float64()
		case at < 0.4: // weekly
			rate = 0.12 + 0.28*r.Float64()
		}
		devices := 1
		switch at := r.Float64(); {
		case at < 0.05:
			devices = 3
		case at < 0.3:
			devices = 2
		}
		for device := range devices {
			client := []Client{0, 1, 2, 2, 2, 3, 3, 4}[r.IntN(8)]
			for ago := range c.visits {
				if r.Float64() < rate/float64(device+1) {
					at := DayOf(c.now.AddDate(0, 0, -ago)).Start().Add(time.Duration(r.Int64N(int64(12 * time.Hour))))
					c.visits[ago] = append(c.visits[ago], visitor{n, client, at})
					active[n] = true
				}
			}
		}
	}
	for _, came := range active {
		if came {
			c.active++
		}
	}
	return c
}

// record records all visits but the last hundredth of today's.
func (c *community) record(calendar *Calendar) *Calendar {
	for ago := len(c.visits) - 1; ago >= 0; ago-- {
		visits := c.visits[ago]
		if ago == 0 {
			visits = visits[:len(visits)*99/100]
		}
		for _, v := range visits {
			user := fmt.Appendf(nil, "user%d", v.user)
			calendar.Visit([]byte("d"), user, v.client, DayOf(v.at))
			calendar.Seen([]byte("d"), user, v.client, v.at)
		}
	}
	calendar.Compact(DayOf(c.now))
	return calendar
}

// again reads today again, as a refresh does.
func (c *community) again(calendar *Calendar, now time.Time) {
	calendar.Forget([]byte("d"), DayOf(now))
	for i, v := range c.visits[0] {
		user := fmt.Appendf(nil, "user%d", v.user)
		calendar.Visit([]byte("d"), user, v.client, DayOf(v.at))
		if i >= len(c.visits[0])*99/100 {
			calendar.Seen([]byte("d"), user, v.client, now.Add(-time.Minute))
		}
	}
	calendar.Compact(DayOf(now))
}

// words returns who came by day and client, as bits, and when each user was last seen.
func (c *community) words() (days []userSet, seen []int64) {
	numbers := make(map[int]uint32)
	for _, visits := range c.visits {
		sets := make([]userSet, SynapseClasses().Clients())
		for i := range sets {
			sets[i].grow((c.active + 63) / 64)
		}
		for _, v := range visits {
			if _, known := numbers[v.user]; !known {
				numbers[v.user] = uint32(len(numbers))
			}
			sets[v.client].add(numbers[v.user])
		}
		days = append(days, sets...)
	}
	return days, make([]int64, c.active)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
