package history_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/storage"
	"active_users_exporter/test/must"
)

// list reports some accounts, of all kinds.
func list(cal *activity.Calendar, accounts int) {
	cal.ForgetAccounts([]byte("d"))
	for n := range accounts {
		cal.Account([]byte("d"), user(n), activity.ActiveKinds()[n%6], activity.Never)
	}
	cal.Accounts([]byte("d")) // takes them in
}

// accountsOf are the accounts that are known, as counts by kind and as they are stored.
func accountsOf(t *testing.T, cal *activity.Calendar) ([]uint64, activity.KindCounts) {
	t.Helper()
	counts, known := cal.Accounts([]byte("d"))
	if !known {
		return nil, counts
	}
	return cal.State("d").Accounts, counts
}

// Accounts, with their kinds and ages, are after a restart what they were before, whatever
// their number; and of those that stay the same only a part is written.
func TestAccountsOutliveARestart(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	cal := newCalendar(s)
	fill(cal, 10)
	save(t, s, cal, "d") // which knows of no accounts
	db := beside(t, folder)
	_ = must.Get(db.ExecContext(t.Context(), `
		CREATE TABLE writes (part INTEGER);
		CREATE TRIGGER a AFTER INSERT ON history_accounts BEGIN INSERT INTO writes VALUES (NEW.part); END;
		CREATE TRIGGER b AFTER UPDATE ON history_accounts BEGIN INSERT INTO writes VALUES (NEW.part); END`))(t)
	parts := func(n int) int { // of so many accounts
		p := 1
		for ; n >= 4096; n /= 2 {
			p *= 2
		}
		return p
	}
	total := 0
	for _, step := range []struct{ more, written int }{{1, 1}, {0, 0}, {2, 1}, {4000, 1}, {36_000, parts(40_000)}, {0, 0}, {1, 1}, {-1, parts(100)}} {
		if step.more < 0 {
			list(cal, 100)
		} else {
			list(cal, total+step.more)
			total += step.more
		}
		want, counts := accountsOf(t, cal)
		must.Succeed(t, s.Close())
		s = open(t, folder)
		load(t, s)
		_ = must.Get(db.ExecContext(t.Context(), `DELETE FROM writes`))(t)
		save(t, s, cal, "d")
		save(t, s, cal, "d")
		var writes int
		must.Succeed(t, db.GetContext(t.Context(), &writes, `SELECT COUNT(*) FROM writes`))
		if writes != step.written {
			t.Errorf("%+v, %d in all: %d parts were written", step, total, writes)
		}
		must.Succeed(t, s.Close())
		s = open(t, folder)
		loaded, l := load(t, s)
		got, gotCounts := accountsOf(t, loaded)
		if !slices.Equal(got, want) || gotCounts != counts || l.Damage != nil {
			t.Errorf("%+v: %d accounts were loaded, want %d; %v, want %v; damage %q", step, len(got), len(want), gotCounts, counts, l.Damage)
		}
	}
	must.Succeed(t, s.Close())
}

// Accounts that are damaged are not known: they are read again. Nothing else is lost.
func TestDamagedAccountsAreNotUsed(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	cal := newCalendar(s)
	fill(cal, 10)
	list(cal, 5)
	save(t, s, cal, "d")
	must.Succeed(t, s.Close())
	flips := flipBits(t, folder, 1, map[string]string{"history_accounts": "accounts"}, func(_ string, bit int, got *activity.Calendar, loaded history.Loaded) {
		if accounts, _ := accountsOf(t, got); accounts != nil || len(loaded.Damage) != 1 {
			t.Fatalf("bit %d: accounts %v, damage %q", bit, accounts, loaded.Damage)
		}
		list(got, 5) // as the reader does then
		if diff := cmp.Diff(figures(cal, "d"), figures(got, "d")); diff != "" {
			t.Fatalf("bit %d (-saved +loaded):\n%s", bit, diff)
		}
	})
	if flips == 0 {
		t.Error("nothing was flipped")
	}
}

// A person who is forgotten is no account any more, also one who never came.
func TestForgottenAccount(t *testing.T) {
	location := must.Get(storage.Parse(t.TempDir()))(t)
	s := history.New(location, "")
	cal := newCalendar(s)
	fill(cal, 10)
	list(cal, 20)
	save(t, s, cal, "d")
	must.Succeed(t, s.Close())
	before, _ := accountsOf(t, cal)
	for _, n := range []int{3, 15} { // came, never came
		exclusive := history.NewExclusive(location, "")
		if on := must.Get(exclusive.Forget(t.Context(), "", "d", string(user(n))))(t); on != 1 {
			t.Errorf("user %d was forgotten on %d servers, want 1", n, on)
		}
		must.Succeed(t, exclusive.Close())
		before = slices.DeleteFunc(slices.Clone(before), func(account uint64) bool {
			return activity.AccountHash(account) == activity.AccountHash(s.Key().Hash(user(n)))
		})
		again := history.New(location, "")
		got, _ := load(t, again)
		if after, _ := accountsOf(t, got); !slices.Equal(after, before) {
			t.Errorf("user %d: %d accounts are left, want %d", n, len(after), len(before))
		}
		must.Succeed(t, again.Close())
	}
}
