package history_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
	"active_users_exporter/test/must"
)

// evidence is all that a calendar knows of a domain: of each hash, the days and classes of
// its visits and its last-seen times.
func evidence(cal *activity.Calendar, domain string) map[uint64][]string {
	state, all := cal.State(domain), make(map[uint64][]string)
	for date, day := range state.Days {
		for client, set := range day.Sets() {
			for _, n := range set.ToArray() {
				all[state.Hashes[n]] = append(all[state.Hashes[n]], fmt.Sprint(date, " ", client))
			}
		}
	}
	var newest, others []int64
	if state.Seen != nil {
		newest, others = state.Seen()
	}
	for n, at := range newest {
		if n < len(state.Hashes) && at != activity.NeverSeen {
			all[state.Hashes[n]] = append(all[state.Hashes[n]], fmt.Sprint("seen ", at))
		}
	}
	for pair := range slices.Chunk(others, 2) {
		hash := state.Hashes[activity.NumberOfMoment(uint64(pair[0]))]
		all[hash] = append(all[hash], fmt.Sprint("other ", pair[1]))
	}
	for hash := range all {
		slices.Sort(all[hash])
	}
	return all
}

// Forgotten users are gone from all days, in whatever code they are, and from
// last-seen times; of all others nothing is lost. The numbers of rows of days stay.
func TestForgottenIsOnePerson(t *testing.T) {
	for name, at := range map[string]func(*testing.T) (storage.Location, string){
		"a folder": func(t *testing.T) (storage.Location, string) {
			return must.Get(storage.Parse(t.TempDir()))(t), ""
		},
		"PostgreSQL": func(t *testing.T) (storage.Location, string) {
			return must.Get(storage.Parse(dbtest.PostgreSQL(t)))(t), filepath.Join(t.TempDir(), "key")
		},
	} {
		t.Run(name, func(t *testing.T) {
			location, key := at(t)
			s := history.New(location, key)
			cal := newCalendar(s)
			fill(cal, 9_000) // two parts; 90 days, the older ones in Huffman's code
			cal.Seen([]byte("other"), user(7), 0, noon)
			cal.RecordVisits("other", noon)
			save(t, s, cal, "d", "other")
			must.Succeed(t, s.Close())

			before := evidence(cal, "d")
			gone := s.Key().Hash(user(8_500))
			if len(before[gone]) < 10 {
				t.Fatalf("%v: too little to forget", before[gone])
			}
			exclusive := history.NewExclusive(location, key)
			if n := must.Get(exclusive.Forget(t.Context(), "server", "d", "nobody", string(user(8_500))))(t); n != 1 {
				t.Errorf("forgotten on %d servers, want 1", n)
			}
			for _, c := range []struct{ server, domain string }{{"server", "d"}, {"another", "d"}, {"", "other"}} { // again, or never there
				if n := must.Get(exclusive.Forget(t.Context(), c.server, c.domain, string(user(8_500))))(t); n != 0 {
					t.Errorf("%v: forgotten on %d servers, want none", c, n)
				}
			}
			must.Succeed(t, exclusive.Close())

			again := history.New(location, key)
			got, loaded := load(t, again)
			must.Succeed(t, again.Close())
			if len(loaded.Damage) > 0 {
				t.Fatal(loaded.Damage)
			}
			delete(before, gone)
			if diff := cmp.Diff(before, evidence(got, "d")); diff != "" {
				t.Errorf("(-all but one +left):\n%.2000s", diff)
			}
			for date, day := range cal.State("d").Days {
				if n, _ := got.Rows([]byte("d"), date); n != day.Rows {
					t.Errorf("%s: %d rows, want %d", date, n, day.Rows)
				}
			}
			if len(evidence(got, "other")) != 1 {
				t.Error("another domain has lost its user")
			}
		})
	}
}

// Whoever sent messages and never came otherwise is known by them alone, and is forgotten:
// the others still count as senders, and what is known of rooms stays. All
// names that the user may have are tried.
func TestForgottenSender(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	cal := newCalendar(s)
	cal.Visit([]byte("d"), user(1), 1, today)
	m := cal.Messages([]byte("d"))
	m.MessageSpan = activity.MessageSpan{Last: 9, Arrived: noon.UnixMilli(), Settled: 9, Oldest: -1, Since: activity.AlwaysKnown}
	for i, sender := range []string{"@ada:d", "@bob:d", "@ada:d", "@eve:d"} {
		m.Add(activity.Message{Position: int64(i + 1), Arrived: noon.UnixMilli(), Room: []byte{'!', byte(i)}, Sender: []byte(sender)})
	}
	before := messagesOf(cal)
	save(t, s, cal, "d")
	must.Succeed(t, s.Close())
	if senders, _ := cal.Senders("d", noon.AddDate(0, 0, -7)); senders != 3 {
		t.Fatalf("%d senders, want 3", senders)
	}
	exclusive := history.NewExclusive(must.Get(storage.Parse(folder))(t), "")
	for i, want := range []int{1, 0} { // there is nothing to forget again
		if n := must.Get(exclusive.Forget(t.Context(), "", "d", "ada", "@ada:d"))(t); n != want {
			t.Errorf("time %d: forgotten on %d servers, want %d", i, n, want)
		}
	}
	must.Succeed(t, exclusive.Close())
	got, loaded := load(t, open(t, folder))
	if want := "2" + before[1:]; messagesOf(got) != want || loaded.Damage != nil {
		t.Errorf("%s, want %s; damage %q", messagesOf(got), want, loaded.Damage)
	}
}

// The hash is nowhere in the files any more, free pages and journals included.
func TestForgottenLeavesNoBytes(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	cal := newCalendar(s)
	fill(cal, 3_000)
	m := cal.Messages([]byte("d"))
	m.MessageSpan = activity.MessageSpan{Last: 1, Settled: 1, Since: activity.AlwaysKnown}
	m.Add(activity.Message{Position: 1, Arrived: noon.UnixMilli(), Room: []byte("!1"), Sender: user(1_234)})
	save(t, s, cal, "d")
	hash := binary.LittleEndian.AppendUint64(nil, s.Key().Hash(user(1_234)))
	must.Succeed(t, s.Close())
	found := func() (files []string) {
		for _, entry := range must.Get(os.ReadDir(folder))(t) {
			if bytes.Contains(must.Get(os.ReadFile(filepath.Join(folder, entry.Name())))(t), hash) {
				files = append(files, entry.Name())
			}
		}
		return files
	}
	if len(found()) == 0 {
		t.Fatal("the hash cannot be found in what was saved")
	}
	exclusive := history.NewExclusive(must.Get(storage.Parse(folder))(t), "")
	_ = must.Get(exclusive.Forget(t.Context(), "", "d", string(user(1_234))))(t)
	must.Succeed(t, exclusive.Close())
	if files := found(); len(files) > 0 {
		t.Errorf("the hash is still in %v", files)
	}
}
