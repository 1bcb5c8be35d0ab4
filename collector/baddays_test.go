package collector_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/demo"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/test/must"
)

// community is a Prosody with files, and the folder of an exporter's history.
type community struct {
	t             *testing.T
	data, storage string
	log           strings.Builder
}

func newCommunity(t *testing.T) *community {
	t.Helper()
	return &community{t: t, data: t.TempDir(), storage: t.TempDir()}
}

// logIn writes the records of users who log in.
func (c *community) logIn(at time.Time, users ...string) {
	c.t.Helper()
	for _, user := range users {
		c.write("lastlog2", user, fmt.Sprintf("[\"login\"] = {\n\t\t[\"timestamp\"] = %d;\n\t};", at.Unix()))
		c.write("accounts", user, "[\"iteration_count\"] = 10000;")
	}
}

func (c *community) write(store, user, fields string) {
	c.t.Helper()
	folder := filepath.Join(c.data, "example%2eorg", store)
	must.Succeed(c.t, os.MkdirAll(folder, 0o700))
	must.WriteFile(c.t, filepath.Join(folder, user+".dat"), "return {\n\t"+fields+"\n};\n")
}

// refresh starts an exporter, which refreshes once, and stops it.
func (c *community) refresh(at time.Time) collector.Domain {
	c.t.Helper()
	store := history.New(storage.Folder(c.storage), "")
	r := collector.NewRefresher(collector.RefresherOptions{
		Server: "xmpp", Software: "prosody", Interval: time.Hour, StaleAfter: 3 * time.Hour,
		Reader:  prosody.New(prosody.Options{DataPath: c.data}, activity.SynapseClasses()),
		Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(), Key: store.Key(), History: store,
		Now: func() time.Time { return at }, Logger: log.NewLogfmtLogger(&c.log),
	})
	must.Succeed(c.t, r.Refresh(c.t.Context()))
	must.Succeed(c.t, store.Close())
	return r.Status().Snapshot.Domains[0]
}

// names are those of so many users.
func names(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("user%d", i))
	}
	return all
}

// withHistoryOf is a community whose users logged in on days 0, 20, 40 and 60, on
// which the exporter ran; what it showed then; and the moment.
func withHistoryOf(t *testing.T, users int) (c *community, shown collector.Domain, at time.Time) {
	t.Helper()
	c = newCommunity(t)
	for _, date := range []int{0, 20, 40, 60} {
		at = now.AddDate(0, 0, date)
		c.logIn(at, names(users)...)
		shown = c.refresh(at)
	}
	if shown.Retention == nil || shown.Retention.Users != users || shown.History.Number != 4 {
		t.Fatalf("%+v, want that all %d came back, and four days of history", shown, users)
	}
	return c, shown, at
}

// A clock that is ahead for a few starts costs nothing of what was recorded.
func TestAClockAheadDeletesNothing(t *testing.T) {
	for _, users := range []int{5, 20} {
		for _, ahead := range []int{7, 365, 500, 3650} {
			for _, starts := range []int{1, 2, 6} {
				t.Run(fmt.Sprintf("%d users, %d days ahead, %d starts", users, ahead, starts), func(t *testing.T) {
					c, want, at := withHistoryOf(t, users)
					for start := range starts {
						c.refresh(at.AddDate(0, 0, ahead+start))
					}
					if diff := cmp.Diff(want, c.refresh(at), cmpopts.EquateComparable(activity.Window{})); diff != "" {
						t.Errorf("before the wrong clock and after it (-before +after):\n%s", diff)
					}
				})
			}
		}
	}
}

// recordedDays returns the days from now on that the history in a folder has, after a
// refresh that finds somebody online.
func recordedDays(t *testing.T, folder string, at time.Time) (all []int) {
	t.Helper()
	store := history.New(storage.Folder(folder), "")
	defer func() { must.Succeed(t, store.Close()) }()
	w := refresherWith(t, store, store.Key(), at)
	w.users = map[string]time.Duration{"online": 0}
	w.refresh(t)
	calendar := activity.NewCalendar(store.Key(), activity.SynapseClasses())
	_ = must.Get(store.Load(t.Context(), "xmpp", calendar, activity.SynapseClasses()))(t)
	for date := range calendar.State("chat.example.org").Days {
		all = append(all, int(date-activity.DayOf(now)))
	}
	slices.Sort(all)
	return all
}

// What is recorded by a clock that is ahead, of people who are online then, does not
// wait for its day to come. A clock that is behind takes nothing.
func TestNothingIsRecordedInTheFuture(t *testing.T) {
	folder := t.TempDir()
	days := func(at time.Time) []int { return recordedDays(t, folder, at) }
	for date := range 10 {
		days(now.AddDate(0, 0, date))
	}
	for date := range 6 {
		days(now.AddDate(0, 0, 500+date))
	}
	if got := days(now.AddDate(0, 0, 5)); !slices.Contains(got, 9) {
		t.Errorf("days %v are recorded by a clock that is behind, want those that it does not know yet as well", got)
	}
	if diff := cmp.Diff([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, days(now.AddDate(0, 0, 9))); diff != "" {
		t.Errorf("recorded days once the clock is right (-want +got):\n%s", diff)
	}
}

// A clock that is weeks behind, soon after days on which no exporter ran, is not taken
// for one that was ahead until now: what is newest stays.
func TestAClockBehindAfterDaysOff(t *testing.T) {
	folder := t.TempDir()
	for date := range 60 {
		recordedDays(t, folder, now.AddDate(0, 0, date))
	}
	for date := 66; date < 69; date++ {
		recordedDays(t, folder, now.AddDate(0, 0, date))
	}
	if got := recordedDays(t, folder, now.AddDate(0, 0, 33)); len(got) != 63 {
		t.Errorf("%d days are recorded by a clock that is behind, want all 63: %v", len(got), got)
	}
}

// A clock that shows days before a history that is younger than a week takes nothing of
// it, and does not make it older than it is.
func TestAClockBehindAYoungHistory(t *testing.T) {
	figures := func(wrong ...int) (shown collector.Domain) {
		c := newCommunity(t)
		refresh := func(dates ...int) {
			for _, date := range dates {
				shown = c.refresh(now.AddDate(0, 0, date))
			}
		}
		c.logIn(now.AddDate(0, 0, 33), "alice", "bob")
		refresh(34, 37, 38)
		c.logIn(now.AddDate(0, 0, 38), "alice")
		refresh(wrong...)
		refresh(39, 40, 41)
		return shown
	}
	want := figures()
	if want.History.Number != 6 || want.Retention != nil {
		t.Fatalf("%+v, want six days of history, which are too few for r30v2", want)
	}
	for _, wrong := range [][]int{{0}, {0, 1}, {30, 31, 32, 33}, {-300, -299, -298, -297, -296, -295}} {
		if diff := cmp.Diff(want, figures(wrong...), cmpopts.EquateComparable(activity.Window{})); diff != "" {
			t.Errorf("after a clock that showed the days %v (-without +with):\n%s", wrong, diff)
		}
	}
}

// A first refresh with a clock that is ahead begins no history that is known in years.
func TestAHistoryThatBeginsInTheFuture(t *testing.T) {
	c := newCommunity(t)
	c.logIn(now, "alice")
	c.refresh(now.AddDate(0, 0, 1000))
	var shown collector.Domain
	for date := range 41 {
		c.logIn(now.AddDate(0, 0, date), "alice")
		shown = c.refresh(now.AddDate(0, 0, date))
		if shown.History.Number != date+1 {
			t.Fatalf("%d days of history on day %d", shown.History.Number, date)
		}
	}
	if shown.Retention == nil || shown.Retention.Users != 1 {
		t.Errorf("r30v2 %+v, want the one who comes each day", shown.Retention)
	}
}

// Days older than retention are deleted once the exporter has been at work on so
// many days since, or for a week after a time off.
func TestDaysAgeByProof(t *testing.T) {
	c := newCommunity(t)
	c.logIn(now, "alice")
	c.logIn(now.AddDate(0, 0, 5), "bob")
	c.refresh(now.AddDate(0, 0, 5)) // alice on day 0, bob on day 5
	recorded := func(at time.Time) (days int) {
		c.refresh(at)
		store := history.New(storage.Folder(c.storage), "")
		defer func() { _ = store.Close() }()
		calendar := activity.NewCalendar(store.Key(), activity.SynapseClasses())
		_ = must.Get(store.Load(t.Context(), "xmpp", calendar, activity.SynapseClasses()))(t)
		return len(calendar.State("example.org").Days)
	}
	var days []int
	for n := range 8 { // the exporter was off for 400 days
		days = append(days, recorded(now.AddDate(0, 0, 403+n)))
	}
	if diff := cmp.Diff([]int{2, 2, 2, 2, 2, 2, 2, 0}, days); diff != "" {
		t.Errorf("recorded days on each of eight days after 400 days off (-want +got):\n%s", diff)
	}
}

// An account that is disabled is still there: what was recorded of it is not
// forgotten. One that is deleted is.
func TestADisabledAccountKeepsItsHistory(t *testing.T) {
	c := newCommunity(t)
	var shown collector.Domain
	for date := range 41 {
		at := now.AddDate(0, 0, date)
		if date == 0 || date == 40 {
			c.logIn(at, "disabled", "deleted", "daily")
		}
		c.logIn(at, "daily")
		switch date {
		case 30:
			c.write("accounts", "disabled", "[\"disabled\"] = true;")
			for _, store := range []string{"accounts", "lastlog2"} {
				must.Succeed(t, os.Remove(filepath.Join(c.data, "example%2eorg", store, "deleted.dat")))
			}
		case 31:
			c.logIn(now, "disabled")
		}
		shown = c.refresh(at)
		if active := shown.Active[2].Users; date == 30 && active != 1 {
			t.Errorf("%d are active, want the one whose account is neither disabled nor deleted", active)
		}
	}
	if shown.Retention == nil || shown.Retention.Users != 2 {
		t.Errorf("r30v2 %+v, want the one whose account was disabled for a day, and the one who comes daily", shown.Retention)
	}
}

// An account that is deleted while the clock is behind is forgotten, although it came on
// days that the clock has not reached. Somebody else may take its name.
func TestAnAccountIsDeletedWhileTheClockIsBehind(t *testing.T) {
	c := newCommunity(t)
	c.logIn(now, "deleted", "daily")
	c.refresh(now)
	for _, store := range []string{"accounts", "lastlog2"} {
		must.Succeed(t, os.Remove(filepath.Join(c.data, "example%2eorg", store, "deleted.dat")))
	}
	c.refresh(now.AddDate(0, 0, -12))
	c.write("accounts", "deleted", "[\"iteration_count\"] = 10000;")
	if shown := c.refresh(now.AddDate(0, 0, 1)); shown.Daily[0].Number != 1 {
		t.Errorf("%d came on the first day, want the one whose account is still there", shown.Daily[0].Number)
	}
}

// With a key that is not the one of the history, what needs the history is absent,
// and nothing is lost: with the right key all is as before.
func TestAnotherKeyLosesNothing(t *testing.T) {
	for name, spoil := range map[string]func(path string, key []byte) error{
		"another": func(path string, _ []byte) error { return os.WriteFile(path, make([]byte, 16), 0o600) },
		"one bit": func(path string, key []byte) error {
			return os.WriteFile(path, append([]byte{key[0] ^ 4}, key[1:]...), 0o600)
		},
		"none":         func(path string, _ []byte) error { return os.Remove(path) },
		"half of it":   func(path string, key []byte) error { return os.WriteFile(path, key[:8], 0o600) },
		"not readable": func(path string, _ []byte) error { _ = os.Remove(path); return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			c, want, at := withHistoryOf(t, 20)
			path := filepath.Join(c.storage, "key")
			key := must.Get(os.ReadFile(path))(t)
			must.Succeed(t, spoil(path, key))
			for hour := range 3 {
				got := c.refresh(at.Add(time.Duration(hour) * time.Hour))
				if got.Active[2].Users != 20 || got.Retention != nil || got.Growth != nil {
					t.Errorf("%+v, want the active users, and nothing that needs the history", got)
				}
			}
			if _, err := os.Stat(path); name == "none" && err == nil {
				t.Error("another key was made")
			}
			if said := c.log.String(); !strings.Contains(said, "the history cannot be used") || !strings.Contains(said, path) {
				t.Errorf("the log says %q", said)
			}
			must.Succeed(t, os.RemoveAll(path))
			must.Succeed(t, os.WriteFile(path, key, 0o600))
			if diff := cmp.Diff(want, c.refresh(at), cmpopts.EquateComparable(activity.Window{})); diff != "" {
				t.Errorf("with the right key again (-before +after):\n%s", diff)
			}
		})
	}
}

// As many newcomers as are missing do not make up for these: somebody may have put
// other records in the place, or read with another key.
func TestNewcomersMakeUpForNobody(t *testing.T) {
	for _, users := range []int{2, 5, 20, 50} {
		c, want, at := withHistoryOf(t, users)
		saved := c.data
		c.data = t.TempDir()
		for n := range 3 * users {
			c.logIn(at, fmt.Sprintf("somebody%d", n))
		}
		c.refresh(at.Add(time.Hour))
		c.data = saved
		got := c.refresh(at.Add(2 * time.Hour))
		if got.Retention == nil || got.Retention.Users != want.Retention.Users {
			t.Errorf("r30v2 %+v after other records stood in the place once, %+v before", got.Retention, want.Retention)
		}
	}
}

// Days on which the exporter was off are no history, neither as a number nor on
// the line of visitors.
func TestDaysOffAreNotHistory(t *testing.T) {
	c := newCommunity(t)
	var shown collector.Domain
	for _, date := range []int{0, 1, 2, 3, 7, 8} { // days 4, 5 and 6 are unknown, and the end of day 3
		at := now.AddDate(0, 0, date)
		c.logIn(at, "alice", "bob")
		shown = c.refresh(at)
	}
	want := []collector.Count{{Number: 2, Known: true}, {Number: 2, Known: true}, {Number: 2, Known: true}, {}, {}, {}, {}, {Number: 2, Known: true}}
	if diff := cmp.Diff(want, shown.Daily); diff != "" {
		t.Errorf("visitors of past days (-want +got):\n%s", diff)
	}
	if shown.History.Number != 6 {
		t.Errorf("%d days of history, want 6", shown.History.Number)
	}
}

// rereads counts the days that a Reader reads.
type rereads struct {
	activity.Recorder
	days int
}

func (r *rereads) Forget(domain []byte, date activity.Day) {
	r.days++
	r.Recorder.Forget(domain, date)
}

// countingReader notes how many days each Read has read.
type countingReader struct {
	collector.Reader
	days *[]int
}

func (c countingReader) Read(ctx context.Context, since, at time.Time, rec activity.Recorder) (collector.Facts, error) {
	counting := &rereads{Recorder: rec}
	facts, err := c.Reader.Read(ctx, since, at, counting)
	*c.days = append(*c.days, counting.days)
	return facts, err
}

// Retention limits what is stored of a server that keeps visits itself. Figures do
// not depend on it, and nothing is read again and again only to be dropped.
func TestRetentionOfAServerThatKeepsVisits(t *testing.T) {
	folder, database := t.TempDir(), filepath.Join(t.TempDir(), "homeserver.db")
	must.Succeed(t, demo.Synapse(t.Context(), database, now, 300, 1))
	source := must.Get(sqldb.ParseSource("sqlite:" + database))(t)
	var days []int // read at each refresh
	start := func(retention time.Duration, h collector.History, key activity.Key) *collector.Refresher {
		reader := synapse.New(synapse.Options{Database: source}, activity.SynapseClasses())
		t.Cleanup(func() { must.Succeed(t, reader.Close()) })
		return collector.NewRefresher(collector.RefresherOptions{
			Server: "matrix", Software: "synapse", Interval: time.Hour, StaleAfter: 3 * time.Hour,
			Reader:  countingReader{reader, &days},
			Windows: activity.DefaultWindows(), Classes: activity.SynapseClasses(), Key: key, History: h, Cache: true,
			Retention: retention, Now: func() time.Time { return now }, Logger: log.NewNopLogger(),
		})
	}
	figures := func(r *collector.Refresher) collector.Domain {
		t.Helper()
		must.Succeed(t, r.Refresh(t.Context()))
		return r.Status().Snapshot.Domains[0]
	}
	equal := func(what string, want, got collector.Domain) {
		t.Helper()
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(activity.Window{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	settled := func(r *collector.Refresher) (d collector.Domain) {
		for range 50 { // old days are read in small parts
			if d = figures(r); days[len(days)-1] <= 3 {
				return d
			}
		}
		t.Fatal("days are read again at each refresh")
		return d
	}
	want := settled(start(activity.MaxWindow, nil, activity.Key{1}))
	if want.Growth == nil || want.History.Number < 65 {
		t.Fatalf("%+v, want growth, and more days than are stored below", want)
	}
	store := history.New(storage.Folder(folder), "")
	r := start(60*day, store, store.Key())
	equal("stored for 60 days", want, settled(r))
	equal("at the next refresh", want, figures(r))
	must.Succeed(t, store.Close())

	store = history.New(storage.Folder(folder), "")
	defer func() { must.Succeed(t, store.Close()) }()
	calendar := activity.NewCalendar(store.Key(), activity.SynapseClasses())
	_ = must.Get(store.Load(t.Context(), "matrix", calendar, activity.SynapseClasses()))(t)
	if stored := calendar.HistoryDays(want.Name, now); stored != 60 {
		t.Errorf("%d days are stored, want 60, today included", stored)
	}
	equal("after a restart", want, settled(start(60*day, store, store.Key())))
}
