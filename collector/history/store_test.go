package history_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/storage"
	"active_users_exporter/test/must"
)

var (
	noon  = time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC)
	today = activity.DayOf(noon)
)

func open(t *testing.T, folder string) *history.Store {
	t.Helper()
	location, err := storage.Parse(folder)
	must.Succeed(t, err)
	s := history.New(location, "")
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newCalendar(s *history.Store) *activity.Calendar {
	return activity.NewCalendar(s.Key(), activity.SynapseClasses())
}

var saved = history.Moment{At: noon, FullRead: noon.Add(-time.Hour)}

func save(t *testing.T, s *history.Store, cal *activity.Calendar, domains ...string) {
	t.Helper()
	must.Succeed(t, s.Save(t.Context(), "server", domains, cal, activity.SynapseClasses(), saved))
}

func load(t *testing.T, s *history.Store) (*activity.Calendar, history.Loaded) {
	t.Helper()
	cal := newCalendar(s)
	loaded, err := s.Load(t.Context(), "server", cal, activity.SynapseClasses())
	must.Succeed(t, err)
	return cal, loaded
}

// figures are everything that is counted.
func figures(cal *activity.Calendar, domain string) map[string]any {
	retention, growth := cal.Returning(domain, noon)
	all := map[string]any{"retention": retention, "growth": growth, "history": cal.HistoryDays(domain, noon)}
	for _, w := range activity.DefaultWindows() {
		all[w.String()] = cal.ActiveAfter(domain, w.Since(noon), time.Time{})
	}
	return all
}

// isKnown says whether anything is known of a domain.
func isKnown(cal *activity.Calendar, domain string) bool { return len(cal.State(domain).Hashes) > 0 }

func user(n int) []byte { return fmt.Appendf(nil, "@user%d:example.org", n) }

// fill makes a server's calendar that keeps visits itself.
func fill(cal *activity.Calendar, users int) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range users {
		for ago := range activity.Day(90) {
			if r.Float64() < 0.15 {
				cal.Visit([]byte("d"), user(n), activity.Client(n%5), today-ago)
			}
		}
		cal.Seen([]byte("d"), user(n), activity.Client(n%5), noon.AddDate(0, 0, -n%50))
		cal.Seen([]byte("d"), user(n), activity.Client((n+1)%5), noon.AddDate(0, 0, -n%7))
	}
	cal.Compact(today)
}

func TestWhatIsSavedIsLoaded(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "deep", "down")
	s := open(t, folder)
	cal := newCalendar(s)
	fill(cal, 20_000) // several parts
	cal.Seen([]byte("other"), []byte("u"), 0, noon)
	cal.RecordVisits("other", noon.AddDate(0, 0, -35))
	cal.RecordVisits("other", noon)
	save(t, s, cal, "d", "other")
	must.Succeed(t, s.Close())

	again := open(t, folder)
	got, loaded := load(t, again)
	for _, domain := range []string{"d", "other"} {
		want := figures(cal, domain)
		if domain == "other" { // read again from the server
			for _, w := range activity.DefaultWindows() {
				want[w.String()] = activity.Active{Clients: make([]int, 5)}
			}
		}
		if diff := cmp.Diff(want, figures(got, domain)); diff != "" {
			t.Errorf("%s (-saved +loaded):\n%s", domain, diff)
		}
	}
	if !loaded.At.Equal(saved.At) || !loaded.FullRead.Equal(saved.FullRead) || loaded.Damage != nil {
		t.Errorf("loaded %+v, want %+v", loaded, saved)
	}
	for name, mode := range map[string]os.FileMode{"key": 0o600, "history.db": 0o600} {
		info, err := os.Stat(filepath.Join(folder, name))
		must.Succeed(t, err)
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	// Nobody's name is in the files.
	for _, name := range []string{"history.db", "key"} {
		content, err := os.ReadFile(filepath.Join(folder, name))
		must.Succeed(t, err)
		if strings.Contains(string(content), "user1") {
			t.Errorf("%s holds a user's name", name)
		}
	}
}

// Whatever is recorded between saves and restarts, what is loaded is what was
// known.
func TestSavesAndRestartsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		folder, err := os.MkdirTemp(t.TempDir(), "")
		must.Succeed(t, err)
		s := history.New(storage.Folder(folder), "")
		cal := newCalendar(s)
		for range rapid.IntRange(1, 12).Draw(rt, "refreshes") {
			cal = cal.Clone()
			for range rapid.IntRange(0, 20).Draw(rt, "visits") {
				cal.Visit([]byte("d"), user(rapid.IntRange(0, 200).Draw(rt, "user")), activity.Client(rapid.IntRange(0, 4).Draw(rt, "client")),
					today-activity.Day(rapid.IntRange(0, 100).Draw(rt, "ago")))
			}
			cal.Seen([]byte("d"), user(rapid.IntRange(0, 200).Draw(rt, "user")), 1, noon.Add(-time.Duration(rapid.IntRange(0, 100).Draw(rt, "hours"))*time.Hour))
			switch rapid.IntRange(0, 4).Draw(rt, "then") {
			case 0:
				cal.Forget([]byte("d"), today-activity.Day(rapid.IntRange(0, 100).Draw(rt, "ago")))
			case 1:
				gone := cal.Gone("d", today+1)
				cal.ForgetUsers("d", gone)
			case 2:
				cal.Purge(today - 80)
			}
			cal.Compact(today)
			save(t, s, cal, "d")
			if rapid.Bool().Draw(rt, "restart") {
				must.Succeed(t, s.Close())
				s = history.New(storage.Folder(folder), "")
				var loaded history.Loaded
				before := figures(cal, "d")
				cal, loaded = load(t, s)
				cal.Compact(today)
				if diff := cmp.Diff(before, figures(cal, "d")); diff != "" || loaded.Damage != nil {
					rt.Fatalf("damage %v, figures (-before +after the restart):\n%s", loaded.Damage, diff)
				}
			}
		}
		must.Succeed(t, s.Close())
	})
}

// Every flipped bit of every stored blob is noticed: a server that keeps its
// visits is read again, of others the day is lost, and said to be.
func TestFlippedBitsAreNoticed(t *testing.T) {
	for _, recorded := range []bool{false, true} {
		folder := t.TempDir()
		s := open(t, folder)
		cal := newCalendar(s)
		for n := range 40 {
			cal.Seen([]byte("d"), user(n), 1, noon.AddDate(0, 0, -n))
			if !recorded {
				cal.Visit([]byte("d"), user(n), 1, today-activity.Day(n%10))
			}
		}
		if recorded {
			cal.RecordVisits("d", noon)
		}
		save(t, s, cal, "d")
		want := figures(cal, "d")
		must.Succeed(t, s.Close())
		flips := flipBits(t, folder, 13, map[string]string{"history_users": "users", "history_last_seen": "moments", "history_visits": "users"},
			func(table string, bit int, got *activity.Calendar, loaded history.Loaded) {
				if len(loaded.Damage) == 0 {
					t.Fatalf("bit %d of %s is flipped, and nothing said", bit, table)
				}
				switch {
				case !recorded && table != "history_visits" && (!loaded.At.IsZero() || isKnown(got, "d")):
					t.Fatalf("%s is damaged, and the rest is used: %v", table, loaded)
				case !recorded && table == "history_visits" && cmp.Equal(want, figures(got, "d")):
					t.Fatal("a damaged day counts")
				case recorded && !strings.Contains(loaded.Damage[0], "lost"):
					t.Fatalf("%q does not say that something is lost", loaded.Damage)
				}
			})
		if flips < 200 {
			t.Errorf("only %d flips", flips)
		}
		store := open(t, folder)
		got, loaded := load(t, store)
		if loaded.Damage != nil || !cmp.Equal(want["growth"], figures(got, "d")["growth"]) {
			t.Errorf("after all is well again: %+v", loaded)
		}
	}
}

// flipBits flips every so many bits of columns by table, one at a time, calls check with
// what is then loaded, and returns how many there were. At the end all are as before.
func flipBits(t *testing.T, folder string, stride int, columns map[string]string, check func(table string, bit int, got *activity.Calendar, loaded history.Loaded)) (flips int) {
	t.Helper()
	db := must.Get(sqldb.CreateSQLite(filepath.Join(folder, "history.db")))(t)
	defer func() { must.Succeed(t, db.Close()) }()
	for table, column := range columns {
		for _, blob := range blobs(t, db, table, column) {
			for bit := 0; bit < 8*len(blob.content); bit += stride {
				flips++
				flipped := append([]byte{}, blob.content...)
				flipped[bit/8] ^= 1 << (bit % 8)
				put(t, db, table, column, blob.rowid, flipped)
				store := history.New(storage.Folder(folder), "")
				got, loaded := load(t, store)
				must.Succeed(t, store.Close())
				check(table, bit, got, loaded)
			}
			put(t, db, table, column, blob.rowid, blob.content)
		}
	}
	return flips
}

type blob struct {
	rowid   int64
	content []byte
}

func blobs(t *testing.T, db *sqlx.DB, table, column string) (all []blob) {
	t.Helper()
	rows, err := db.QueryxContext(t.Context(), `SELECT rowid, `+column+` FROM `+table)
	must.Succeed(t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var b blob
		must.Succeed(t, rows.Scan(&b.rowid, &b.content))
		all = append(all, b)
	}
	must.Succeed(t, rows.Err())
	return all
}

func put(t *testing.T, db *sqlx.DB, table, column string, rowid int64, content []byte) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), `UPDATE `+table+` SET `+column+` = ? WHERE rowid = ?`, content, rowid)
	must.Succeed(t, err)
}

// A damaged day of a server that keeps visits is not known afterwards, so that
// its reader reads it again.
func TestADamagedDayIsUnknown(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	cal := newCalendar(s)
	cal.Visit([]byte("d"), user(1), 1, today)
	cal.Visit([]byte("d"), user(1), 1, today-1)
	save(t, s, cal, "d")
	must.Succeed(t, s.Close())
	db, err := sqldb.CreateSQLite(filepath.Join(folder, "history.db"))
	must.Succeed(t, err)
	_, err = db.ExecContext(t.Context(), `UPDATE history_visits SET visits = 7 WHERE day = ?`, int64(today))
	must.Succeed(t, err)
	must.Succeed(t, db.Close())
	got, loaded := load(t, open(t, folder))
	if _, known := got.Rows([]byte("d"), today); known || len(loaded.Damage) != 1 {
		t.Errorf("the day is known; damage %q", loaded.Damage)
	}
	if n, known := got.Rows([]byte("d"), today-1); n != 1 || !known {
		t.Error("the other day is not known")
	}
}

func TestChangedRulesOfClients(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	rules, err := activity.NewClasses([]activity.Rule{{Name: "nheko", Any: []string{"nheko"}}})
	must.Succeed(t, err)
	cal := activity.NewCalendar(s.Key(), rules)
	for _, domain := range []string{"keeps", "recorded"} {
		for _, agent := range []string{"nheko", "Element Android"} {
			cal.Seen([]byte(domain), []byte("u"+agent), rules.Of([]byte(agent)), noon)
			cal.Visit([]byte(domain), []byte("u"+agent), rules.Of([]byte(agent)), today)
			cal.Visit([]byte(domain), []byte("u"+agent), rules.Of([]byte(agent)), today-31)
		}
	}
	cal.RecordVisits("recorded", noon)
	must.Succeed(t, s.Save(t.Context(), "server", []string{"keeps", "recorded"}, cal, rules, saved))

	got, loaded := load(t, s) // with the rules as they were before
	if isKnown(got, "keeps") || !isKnown(got, "recorded") {
		t.Error("what the server keeps itself is sorted otherwise now, and must not be used; what is recorded here must")
	}
	if !loaded.At.IsZero() {
		t.Error("not everything is read again")
	}
	if r := got.Retention("recorded", noon); r.Users != 2 || r.Clients[0] != 1 || r.Clients[2] != 1 {
		t.Errorf("%+v, want one unknown and one android", r)
	}
}

func TestANewerHistoryIsNotTouched(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	save(t, s, newCalendar(s))
	must.Succeed(t, s.Close())
	db, err := sqldb.CreateSQLite(filepath.Join(folder, "history.db"))
	must.Succeed(t, err)
	_, err = db.ExecContext(t.Context(), `UPDATE history_schema SET version = 99`)
	must.Succeed(t, err)
	must.Succeed(t, db.Close())
	newer := open(t, folder)
	_, err = newer.Load(t.Context(), "server", newCalendar(newer), activity.SynapseClasses())
	if err == nil || !strings.Contains(err.Error(), "version 99, written by a newer exporter") {
		t.Errorf("error %v, want one that says that it is newer", err)
	}
}

func TestPlacesThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must.Succeed(t, os.WriteFile(file, nil, 0o600))
	garbage := t.TempDir()
	must.Succeed(t, os.WriteFile(filepath.Join(garbage, "history.db"), []byte(strings.Repeat("garbage", 999)), 0o600))
	shortKey := t.TempDir()
	must.Succeed(t, os.WriteFile(filepath.Join(shortKey, "key"), []byte("short"), 0o600))
	for folder, says := range map[string]string{
		file:     "not a directory",
		garbage:  "not a database",
		shortKey: "5 bytes and not 16",

		"postgres://exporter:secret@127.0.0.1:1/chat": "write storage.key_file",
	} {
		s := open(t, folder)
		if _, err := s.Load(t.Context(), "server", newCalendar(s), activity.SynapseClasses()); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("error %v, want one that says %q", err, says)
		}
	}
}

// A place that comes later is used then, with the key that was in use.
func TestAPlaceThatComesLater(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "mount")
	must.Succeed(t, os.WriteFile(folder, nil, 0o600))
	s := open(t, folder)
	key := s.Key()
	cal := newCalendar(s)
	fill(cal, 10)
	if err := s.Save(t.Context(), "server", []string{"d"}, cal, activity.SynapseClasses(), saved); err == nil {
		t.Fatal("saved to a file that is no folder")
	}
	must.Succeed(t, os.Remove(folder))
	save(t, s, cal, "d")
	must.Succeed(t, s.Close())
	again := open(t, folder)
	if again.Key() != key {
		t.Error("the key is another")
	}
	got, _ := load(t, again)
	if diff := cmp.Diff(figures(cal, "d"), figures(got, "d")); diff != "" {
		t.Errorf("-saved +loaded:\n%s", diff)
	}
}

// beside opens the file of a store on the side.
func beside(t *testing.T, folder string) *sqlx.DB {
	t.Helper()
	db, err := sqldb.CreateSQLite(filepath.Join(folder, "history.db"))
	must.Succeed(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestOnlyWhatChangedIsWritten(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	cal := newCalendar(s)
	fill(cal, 20_000)
	save(t, s, cal, "d")
	db := beside(t, folder)
	_, err := db.ExecContext(t.Context(), `
		CREATE TABLE writes (what TEXT);
		CREATE TRIGGER a AFTER INSERT ON history_visits BEGIN INSERT INTO writes VALUES ('day ' || NEW.day); END;
		CREATE TRIGGER b AFTER UPDATE ON history_users BEGIN INSERT INTO writes VALUES ('users ' || NEW.part); END;
		CREATE TRIGGER c AFTER INSERT ON history_users BEGIN INSERT INTO writes VALUES ('users ' || NEW.part); END;
		CREATE TRIGGER d AFTER UPDATE ON history_last_seen BEGIN INSERT INTO writes VALUES ('seen ' || NEW.part); END`)
	must.Succeed(t, err)
	next := cal.Clone()
	next.Seen([]byte("d"), user(3), 3, noon.Add(time.Minute))
	next.Visit([]byte("d"), user(3), 3, today)
	next.Compact(today)
	save(t, s, next, "d")
	save(t, s, next, "d")
	var writes []string
	must.Succeed(t, db.SelectContext(t.Context(), &writes, `SELECT DISTINCT what FROM writes ORDER BY what`))
	if diff := cmp.Diff([]string{fmt.Sprintf("day %d", today), "seen 0"}, writes); diff != "" {
		t.Errorf("-want +written:\n%s", diff)
	}
	var count sql.NullInt64
	must.Succeed(t, db.GetContext(t.Context(), &count, `SELECT COUNT(*) FROM history_visits WHERE day = ?`, int64(today)))
	if count.Int64 != 5 {
		t.Errorf("%d rows for the day, want one for each class", count.Int64)
	}
}

// TestOldDaysTakeLess lets time pass: a day that r30v2 no longer looks at is
// written once more, in less space, and says the same.
func TestOldDaysTakeLess(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	cal := newCalendar(s)
	fill(cal, 20_000)
	save(t, s, cal, "d")
	db := beside(t, folder)
	sizes := func() (recent, old int64) {
		must.Succeed(t, db.QueryRowContext(t.Context(), `SELECT SUM(LENGTH(users)) FILTER (WHERE day > ?), SUM(LENGTH(users)) FILTER (WHERE day <= ?) FROM history_visits`,
			int64(today)-30, int64(today)-30).Scan(&recent, &old))
		return recent, old
	}
	recent, before := sizes()
	later := history.Moment{At: noon.AddDate(0, 0, 37), FullRead: noon}
	must.Succeed(t, s.Save(t.Context(), "server", []string{"d"}, cal, activity.SynapseClasses(), later))
	stillRecent, after := sizes()
	if recent != stillRecent || float64(after) > 0.95*float64(before) {
		t.Errorf("30 days take %d, then %d bytes; those before %d, then %d", recent, stillRecent, before, after)
	}

	must.Succeed(t, s.Close())
	again := open(t, folder)
	loaded, _ := load(t, again)
	if diff := cmp.Diff(figures(cal, "d"), figures(loaded, "d")); diff != "" {
		t.Errorf("-saved +loaded:\n%s", diff)
	}
	_, err := db.ExecContext(t.Context(), `CREATE TABLE writes (n); CREATE TRIGGER a AFTER INSERT ON history_visits BEGIN INSERT INTO writes VALUES (1); END`)
	must.Succeed(t, err)
	must.Succeed(t, again.Save(t.Context(), "server", []string{"d"}, loaded, activity.SynapseClasses(), later))
	var writes int
	must.Succeed(t, db.GetContext(t.Context(), &writes, `SELECT COUNT(*) FROM writes`))
	if writes != 0 {
		t.Errorf("%d days were written though nothing has changed", writes)
	}
}
