package activity_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"active_users_exporter/collector/activity"
)

// What is recorded by a Batch is what is recorded without one, in whatever order
// a reader calls its methods, with few users and with many.
func TestABatchRecordsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain, batched := newCalendar(), newCalendar()
		batch := activity.NewBatch(batched)
		users := rapid.SampledFrom([]int{3, 300, 30_000}).Draw(t, "users")
		today := activity.DayOf(noon)
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			domain := []byte(rapid.SampledFrom([]string{"d", "e"}).Draw(t, "domain"))
			day := today - activity.Day(rapid.IntRange(0, 3).Draw(t, "days ago"))
			first := rapid.IntRange(0, users).Draw(t, "first")
			user := func(i int) []byte { return fmt.Append(nil, "user", (first+i*7919)%users) }
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				plain.Forget(domain, day)
				batch.Forget(domain, day)
			case 1:
				plain.Seen(domain, user(0), web, noon.Add(-time.Hour))
				batch.Seen(domain, user(0), web, noon.Add(-time.Hour))
			case 2:
				n, known := plain.Rows(domain, day)
				if got, is := batch.Rows(domain, day); got != n || is != known {
					t.Errorf("%d rows, %t; want %d, %t", got, is, n, known)
				}
			default:
				for i := range rapid.IntRange(1, 700).Draw(t, "visits") {
					client := activity.Client(i % 5)
					plain.Visit(domain, user(i), client, day)
					batch.Visit(domain, user(i), client, day)
				}
			}
		}
		batch.Flush()
		for _, domain := range []string{"d", "e"} {
			for ago := range activity.Day(4) {
				if diff := cmp.Diff(plain.Visitors(domain, today-ago, 1), batched.Visitors(domain, today-ago, 1)); diff != "" {
					t.Errorf("visitors of %s (-plain +batch):\n%s", domain, diff)
				}
			}
			if diff := cmp.Diff(plain.State(domain).Hashes, batched.State(domain).Hashes); diff != "" {
				t.Errorf("users of %s (-plain +batch):\n%s", domain, diff)
			}
		}
	})
}
