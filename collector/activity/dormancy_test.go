package activity_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"active_users_exporter/collector/activity"
)

// An account as a model keeps it.
type account struct {
	kind activity.Kind
	age  activity.Age
}

// kinds counts active users by kind.
func (m *model) kinds(accounts map[string]account, after, kept time.Time) (counts activity.KindCounts) {
	for user := range m.everyone(accounts) {
		active := false
		for _, at := range m.seen[user] {
			active = active || at.After(after)
		}
		for day := range m.visits[user] {
			active = active || day.Start().After(after) && day.Start().Before(kept)
		}
		if active {
			counts[accounts[user].kind]++
		}
	}
	return counts
}

func (m *model) everyone(accounts map[string]account) map[string]bool {
	all := make(map[string]bool)
	for user := range m.seen {
		all[user] = true
	}
	for user := range m.visits {
		all[user] = true
	}
	for user := range accounts {
		all[user] = true
	}
	return all
}

// dormancy says of each native account how many days ago it was seen last.
func (m *model) dormancy(accounts map[string]account, now time.Time) (counts activity.Dormancy) {
	bounds := []int{7, 30, 90, 180, 365}
	horizon := (activity.DayOf(now) - 399).Start()
	for user, a := range accounts {
		if a.kind != activity.Native && a.kind != activity.Bot && a.kind != activity.Support {
			continue
		}
		var newest time.Time
		for _, at := range m.seen[user] {
			if at.After(newest) {
				newest = at
			}
		}
		for day := range m.visits[user] {
			if day.Start().After(newest) {
				newest = day.Start()
			}
		}
		age := a.age
		if !newest.Before(horizon) {
			seen := 0
			for seen < len(bounds) && int(activity.DayOf(now)-activity.DayOf(newest)) >= bounds[seen] {
				seen++
			}
			age = min(age, activity.Age(seen))
		}
		counts[age]++
	}
	return counts
}

// returned counts r30v2 by kind: two visits more than 30 days apart in 60 days.
func (m *model) returned(accounts map[string]account, now time.Time) (counts activity.KindCounts) {
	for user, visits := range m.visits {
		var first, last time.Time
		for day := range visits {
			at := day.Start()
			if !at.After(now.AddDate(0, 0, -60)) || !at.Before(now.AddDate(0, 0, 1)) {
				continue
			}
			if first.IsZero() || at.Before(first) {
				first = at
			}
			if at.After(last) {
				last = at
			}
		}
		if last.Sub(first) > 30*24*time.Hour {
			counts[accounts[user].kind]++
		}
	}
	return counts
}

// Whatever is reported in whatever order, again and again, between clones,
// compactions and deletions, kinds and ages are those of the naive model, and they
// add up.
func TestKindsAndAgesEqualANaiveModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cal, m, accounts := newCalendar(), newModel(), make(map[string]account)
		today, domain := activity.DayOf(noon), []byte("d")
		cal.ForgetAccounts(domain)
		ages := []int{-2, 0, 1, 6, 7, 8, 29, 30, 31, 89, 90, 91, 179, 180, 181, 364, 365, 366, 398, 399, 400, 401, 500}
		for range rapid.IntRange(0, 150).Draw(t, "steps") {
			user := fmt.Sprint("user", rapid.IntRange(0, 100).Draw(t, "user"))
			client := activity.Client(rapid.IntRange(0, 4).Draw(t, "client"))
			ago := rapid.SampledFrom(ages).Draw(t, "days ago")
			about := rapid.SampledFrom([]time.Duration{-time.Millisecond, 0, time.Millisecond, -12 * time.Hour, 12*time.Hour - time.Millisecond}).Draw(t, "about")
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0, 1:
				cal.Visit(domain, []byte(user), client, today-activity.Day(ago))
				m.visit(user, client, today-activity.Day(ago))
			case 2, 3:
				at := noon.AddDate(0, 0, -ago).Add(about)
				cal.Seen(domain, []byte(user), client, at)
				m.see(user, client, at)
			case 4, 5, 6:
				a := account{activity.Kind(rapid.IntRange(1, 7).Draw(t, "kind")), activity.Age(rapid.IntRange(0, 7).Draw(t, "age"))}
				cal.Account(domain, []byte(user), a.kind, a.age)
				accounts[user] = a
				cal.Accounts(domain)
			case 7:
				abandoned := cal.Clone()
				abandoned.Account(domain, []byte(user), activity.Guest, activity.Unremembered)
				abandoned.ForgetAccounts(domain)
				abandoned.Purge(today)
			case 8:
				cal = cal.Clone()
				cal.Compact(today)
				agreeOnKinds(t, m, cal, accounts) // what is kept of it must not matter
			case 9: // users become unknown, and their numbers are given to others
				cal.Purge(today - 200)
				for user, days := range m.visits {
					for day := range days {
						if day < today-200 {
							delete(m.visits[user], day)
						}
					}
				}
			}
		}
		agreeOnKinds(t, m, cal, accounts)
		for range 5 {
			agreeOnFrequent(t, m, cal, accounts)
		}
	})
}

func agreeOnKinds(t *rapid.T, m *model, cal *activity.Calendar, accounts map[string]account) {
	t.Helper()
	now := noon
	var counts activity.KindCounts
	natives := 0
	for _, a := range accounts {
		counts[a.kind]++
		if a.kind == activity.Native || a.kind == activity.Bot || a.kind == activity.Support {
			natives++
		}
	}
	if got, known := cal.Accounts([]byte("d")); !known || got != counts {
		t.Fatalf("accounts by kind: %v, %t, want %v", got, known, counts)
	}
	dormancy, known := cal.Dormancy("d", now)
	if diff := cmp.Diff(m.dormancy(accounts, now), dormancy); diff != "" || !known {
		t.Fatalf("dormancy, known %t (-model +calendar):\n%s", known, diff)
	}
	sum := 0
	for _, n := range dormancy {
		sum += n
	}
	if sum != natives {
		t.Fatalf("%d accounts by age, but %d native ones", sum, natives)
	}
	if diff := cmp.Diff(m.returned(accounts, now), cal.Retention("d", now).Kinds); diff != "" {
		t.Fatalf("r30v2 by kind (-model +calendar):\n%s", diff)
	}
	var after []time.Time
	for _, w := range activity.DefaultWindows() {
		after = append(after, w.Since(now))
	}
	for _, kept := range []time.Time{{}, now.AddDate(0, 0, -20)} {
		active := cal.ActiveAfterEach("d", after, kept)
		for i, got := range cal.ActiveByKind("d", after, kept) {
			if diff := cmp.Diff(m.kinds(accounts, after[i], kept), got); diff != "" {
				t.Fatalf("active after %s by kind (-model +calendar):\n%s", after[i], diff)
			}
			sum := 0
			for _, n := range got {
				sum += n
			}
			if sum != active[i].Users {
				t.Fatalf("%d active users by kind, but %d in all", sum, active[i].Users)
			}
		}
	}
}

// agreeOnFrequent compares who came on so many days of a span, by kind, with a count
// user by user.
func agreeOnFrequent(t *rapid.T, m *model, cal *activity.Calendar, accounts map[string]account) {
	t.Helper()
	first := activity.DayOf(noon) - activity.Day(rapid.IntRange(0, 400).Draw(t, "first"))
	last := first + activity.Day(rapid.IntRange(0, 30).Draw(t, "length"))
	least := rapid.IntRange(0, 4).Draw(t, "least")
	var want activity.KindCounts
	for user, days := range m.visits {
		came := 0
		for day := range days {
			if day >= first && day <= last {
				came++
			}
		}
		if came > 0 && came >= least {
			want[accounts[user].kind]++
		}
	}
	if diff := cmp.Diff(want, cal.Frequent("d", first, last, least)); diff != "" {
		t.Fatalf("on %d days from %s to %s (-model +calendar):\n%s", least, first, last, diff)
	}
}

// Accounts that were not reported, or are about to be reported again, are not none.
func TestAccountsThatAreNotKnown(t *testing.T) {
	cal, domain := newCalendar(), []byte("d")
	unknown := func(when string) {
		t.Helper()
		if counts, known := cal.Accounts(domain); known {
			t.Errorf("%s, there are %v accounts", when, counts)
		}
		if dormancy, known := cal.Dormancy("d", noon); known {
			t.Errorf("%s, dormancy is %v", when, dormancy)
		}
	}
	unknown("at first")
	cal.Seen(domain, []byte("a"), web, noon)
	unknown("with a user")
	cal.Account(domain, []byte("a"), activity.Native, activity.Never)
	unknown("with one account that was created lately")
	cal.ForgetAccounts(domain)
	if counts, known := cal.Accounts(domain); !known || counts != (activity.KindCounts{}) {
		t.Errorf("%v, %t; want that there are no accounts", counts, known)
	}
	cal.ForgetLastSeen(time.Time{})
	unknown("before everything is read again")
}

// Tables come in any order: one says who has an account, another when somebody was seen
// last. The account has the latest of the times, and a user without one has no age.
func TestAgesFromSeveralTables(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cal, domain := newCalendar(), []byte("d")
		type report struct {
			user string
			kind activity.Kind
			age  activity.Age
		}
		var want activity.Dormancy
		ages, exist := make(map[string]activity.Age), make(map[string]bool)
		for range rapid.IntRange(0, 60).Draw(t, "reports") {
			r := report{
				fmt.Sprint("user", rapid.IntRange(0, 20).Draw(t, "user")),
				rapid.SampledFrom([]activity.Kind{activity.NoAccount, activity.Native}).Draw(t, "kind"),
				activity.Age(rapid.IntRange(0, 7).Draw(t, "age")),
			}
			if known, reported := ages[r.user]; !reported || r.age < known {
				ages[r.user] = r.age
			}
			if r.kind == activity.NoAccount {
				cal.Exists(domain, []byte(r.user), r.age)
			} else {
				cal.Account(domain, []byte(r.user), r.kind, r.age)
				exist[r.user] = true
			}
		}
		for user := range exist {
			want[ages[user]]++
		}
		cal.AllReported("d")
		if got, known := cal.Dormancy("d", noon); got != want || !known || got.Accounts() != len(exist) {
			t.Fatalf("%v, %t, want %v of %d accounts", got, known, want, len(exist))
		}
		cal.DropAccounts()
		if got, known := cal.Dormancy("d", noon); known {
			t.Fatalf("accounts that were dropped: %v", got)
		}
	})
}

// Ages are counted in UTC days: a moment that is less than 400 times 24 hours ago may be
// 400 days ago. On a server that is read in full, it is known nevertheless.
func TestAgeOfSomebodySeenFourHundredDaysAgo(t *testing.T) {
	cal, domain := newCalendar(), []byte("d")
	cal.Account(domain, []byte("a"), activity.Native, activity.Unremembered)
	cal.Seen(domain, []byte("a"), web, noon.Add(time.Minute-activity.MaxWindow)) // 400 UTC days, not 400 times 24 hours
	cal.RecordVisits("d", noon)
	cal.AllReported("d")
	if dormancy, known := cal.Dormancy("d", noon); !known || dormancy != (activity.Dormancy{5: 1}) {
		t.Errorf("%v, %t; want one who was seen more than a year ago", dormancy, known)
	}
}

// A moment has the age that its UTC day has, however long ago it is.
func TestAgeOf(t *testing.T) {
	names := activity.DormancyAges()
	for days, want := range map[int]string{
		-400: "0-7d", 0: "0-7d", 6: "0-7d", 7: "7-30d", 29: "7-30d", 30: "30-90d", 90: "90-180d",
		179: "90-180d", 180: "180-365d", 364: "180-365d", 365: "365d-", 399: "365d-", 400: "365d-", 20_000: "365d-",
	} {
		day := activity.DayOf(noon).Start().AddDate(0, 0, -days)
		for _, at := range []time.Time{day, day.Add(24*time.Hour - time.Millisecond)} {
			if got := names[activity.AgeOf(noon, at)]; got != want {
				t.Errorf("%d days ago, at %s: %s, want %s", days, at.Format(time.TimeOnly), got, want)
			}
		}
	}
}

// Accounts, and what is kept of their visits, take no more than 16 bytes each.
func TestMemoryOfAccounts(t *testing.T) {
	const accounts = 200_000
	cal, domain := newCalendar(), []byte("d")
	for n := range accounts {
		cal.Seen(domain, fmt.Append(nil, "user", n), web, noon)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	cal.ForgetAccounts(domain)
	for n := range accounts {
		cal.Account(domain, fmt.Append(nil, "user", n), activity.Native, activity.Never)
	}
	counts, _ := cal.Accounts(domain)
	if _, known := cal.Dormancy("d", noon); !known || counts[activity.Native] != accounts {
		t.Errorf("%v accounts, want %d", counts, accounts)
	}
	each := float64(heap()-before) / accounts
	t.Logf("%.1f bytes for each account", each)
	if each < 8 || each > 16 {
		t.Errorf("%.1f bytes for each account, want between 8 and 16", each)
	}
	runtime.KeepAlive(cal)
}

func TestAgesThatHaveNames(t *testing.T) {
	for age, want := range map[activity.Age]string{activity.NinetyDays: "90-180d", activity.Year: "365d-", activity.Never: "never", activity.Unremembered: "unknown"} {
		if got := activity.DormancyAges()[age]; got != want {
			t.Errorf("age %d is %s, want %s", age, got, want)
		}
	}
	for days, want := range map[int]activity.Age{89: activity.NinetyDays - 1, 90: activity.NinetyDays, 364: activity.Year - 1, 365: activity.Year} {
		if got := activity.AgeOf(noon, noon.AddDate(0, 0, -days)); got != want {
			t.Errorf("who was seen %d days ago is of age %d, want %d", days, got, want)
		}
	}
}
