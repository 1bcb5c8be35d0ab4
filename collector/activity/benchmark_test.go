package activity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"active_users_exporter/collector/benchtest"
)

// BenchmarkCounting compares counting everything there is to count (three
// windows, retention and growth, by class) with reading the memory that it is
// counted from once, in one run: "count/read".
func BenchmarkCounting(b *testing.B) {
	now := time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC)
	today := DayOf(now)
	users := benchtest.Users(b, 50_000)
	calendar := NewCalendar(Key{1}, SynapseClasses())
	r := rand.New(rand.NewPCG(1, 2))
	name := []byte("d")
	for ago := Day(59); ago >= 0; ago-- {
		for n := range users {
			rate := 0.3 * math.Pow(chance(n), 3)
			if n%10 == 0 {
				rate = 0.8
			}
			if r.Float64() < rate {
				user := fmt.Appendf(nil, "user%d", n)
				calendar.Visit(name, user, Client(n%5), today-ago)
				calendar.Seen(name, user, Client(n%5), now.AddDate(0, 0, -int(ago)))
			}
		}
	}
	calendar.Compact(today)
	d := calendar.domains["d"]

	var reads, actives, returnings []time.Duration
	var sum uint64
	for b.Loop() {
		began := time.Now()
		for _, v := range d.days {
			for _, set := range v.sets {
				for _, word := range set {
					sum += word
				}
			}
		}
		for _, m := range d.newest {
			sum += uint64(m)
		}
		reads = append(reads, time.Since(began))

		began = time.Now()
		var after []time.Time
		for _, w := range DefaultWindows() {
			after = append(after, w.Since(now))
		}
		for _, a := range calendar.ActiveAfterEach("d", after, time.Time{}) {
			sum += uint64(a.Users)
		}
		actives = append(actives, time.Since(began))
		began = time.Now()
		r, g := calendar.Returning("d", now)
		sum += uint64(r.Users) + uint64(g.New)
		returnings = append(returnings, time.Since(began))
	}
	if sum == 0 {
		b.Fatal("nothing was counted")
	}
	read, active, returning := benchtest.Median(reads), benchtest.Median(actives), benchtest.Median(returnings)
	for name, part := range map[string]time.Duration{"count": active + returning, "windows": active, "returning": returning} {
		b.ReportMetric(float64(part)/float64(read), name+"/read")
	}
	b.ReportMetric(float64(read.Microseconds()), "µs-read")
	b.ReportMetric(0, "ns/op")
}

func chance(n int) float64 { return float64(uint32(n)*2654435761) / (1 << 32) }
