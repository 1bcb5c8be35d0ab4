package activity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// benchmarkUsers is ACTIVE_USERS_BENCH_USERS, 50,000 if it is not set.
func benchmarkUsers(b *testing.B) int {
	b.Helper()
	text, set := os.LookupEnv("ACTIVE_USERS_BENCH_USERS")
	if !set {
		return 50_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkCounting compares counting everything there is to count (three
// windows, retention and growth, by class) with reading the memory that it is
// counted from once, in one run: "count/read".
func BenchmarkCounting(b *testing.B) {
	now := time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC)
	today := DayOf(now)
	users := benchmarkUsers(b)
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
				calendar.Visit(name, user, Client(1+n%4), today-ago)
				calendar.Seen(name, user, Client(1+n%4), now.AddDate(0, 0, -int(ago)))
			}
		}
	}
	calendar.Compact(today)
	d := calendar.domains["d"]

	var read, active, returning time.Duration
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
		read += time.Since(began)

		began = time.Now()
		var after []time.Time
		for _, w := range DefaultWindows() {
			after = append(after, w.Since(now))
		}
		for _, a := range calendar.ActiveAfterEach("d", after, time.Time{}) {
			sum += uint64(a.Users)
		}
		active += time.Since(began)
		began = time.Now()
		r, g := calendar.Returning("d", now)
		sum += uint64(r.Users) + uint64(g.New)
		returning += time.Since(began)
	}
	if sum == 0 {
		b.Fatal("nothing was counted")
	}
	for name, part := range map[string]time.Duration{"count": active + returning, "windows": active, "returning": returning} {
		b.ReportMetric(float64(part)/float64(read), name+"/read")
	}
	b.ReportMetric(float64(read.Microseconds())/float64(b.N), "µs-read")
	b.ReportMetric(0, "ns/op")
}

func chance(n int) float64 { return float64(uint32(n)*2654435761) / (1 << 32) }
