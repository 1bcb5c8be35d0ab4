package reports

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/storage/disktest"
	"active_users_exporter/test/must"
)

// step is one call of a receiver's store.
type step struct {
	name string
	do   func(context.Context, database) error
}

// steps are all that writes, one after the other.
func steps(now time.Time) []step {
	report := func(at time.Time, users int, name string) *pending {
		return &pending{homeserver: name, received: at, body: fmt.Appendf(nil, `{"homeserver":%q,"total_users":%d}`, name, users)}
	}
	write := func(batch ...*pending) step {
		return step{fmt.Sprintf("write %d", len(batch)), func(ctx context.Context, db database) error { return db.write(ctx, batch) }}
	}
	return []step{
		write(report(now.Add(-500*day), 1, "a.example")),
		write(report(now, 2, "a.example"), report(now, 3, "b.example"), report(now, 4, "c.example")),
		{"purge", func(ctx context.Context, db database) error { return db.purge(ctx, now, 400*day) }},
		write(report(now.Add(time.Hour), 5, "b.example")),
		{"import", func(ctx context.Context, db database) error {
			_, err := db.merge(ctx, []*pending{report(now.Add(-time.Hour), 6, "d.example"), report(now.Add(-2*time.Hour), 7, "a.example")})
			return err
		}},
	}
}

// holds is what a folder holds: the reports, and what is shown of each homeserver. It
// opens the store as a receiver does, except that no log is reserved.
func holds(t *testing.T, folder string, now time.Time) []string {
	t.Helper()
	location := storage.Folder(folder)
	db := &sqliteDatabase{db: must.Get(location.Open(FileName))(t)}
	defer func() { must.Succeed(t, db.db.Close()) }()
	must.Succeed(t, sqliteSchema().Migrate(t.Context(), db.db))
	must.Succeed(t, db.countUp(t.Context()))
	var integrity string
	must.Succeed(t, db.db.GetContext(t.Context(), &integrity, `PRAGMA integrity_check`))
	all := []string{integrity}
	must.Succeed(t, Each(t.Context(), location, time.Unix(0, 0), now.Add(day), func(a Archived) error {
		all = append(all, fmt.Sprint(a.Received.Sub(now), " ", string(a.Report)))
		return nil
	}))
	none := func(string, uint64) bool { return false }
	shown := make(map[string]string)
	must.Succeed(t, db.latest(t.Context(), now, 1000*day, none, func(s stored) {
		shown[s.Homeserver] = fmt.Sprint(s.Homeserver, " ", s.Reports, " ", string(s.Body))
	}))
	for _, name := range slices.Sorted(maps.Keys(shown)) {
		all = append(all, shown[name])
	}
	return all
}

// The power fails at any moment while reports are written, counted, deleted and
// imported. The store opens, and holds what it held before the call that was cut off,
// or after it: each report that was acknowledged, and none twice.
func TestPowerCutsOfTheStore(t *testing.T) {
	d := disktest.New(t)
	now := time.Now().Truncate(time.Second)
	for name, log := range map[string]string{
		"with the log that is reserved": `SELECT 1`,
		"with an empty log":             `PRAGMA wal_checkpoint(TRUNCATE)`,
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			db := must.Get(openSQLite(t.Context(), storage.Folder(folder)))(t)
			_ = must.Get(db.db.ExecContext(t.Context(), log))(t)
			files := disktest.Read(t, folder)
			calls := steps(now)
			if len(files[FileName+"-wal"]) > 0 {
				calls = calls[:2] // there is much to copy for each power cut
			}
			d.Begin()
			states := [][]string{holds(t, files.Write(t), now)} // before and after each call
			ends := []int{0}                                    // operations at the end of each call
			var operations []disktest.Operation
			for _, call := range calls {
				d.Begin()
				must.Succeed(t, call.do(t.Context(), db))
				operations = append(operations, d.Operations()...)
				ends = append(ends, len(operations))
				states = append(states, holds(t, disktest.Read(t, folder).Write(t), now))
			}
			must.Succeed(t, db.close())
			if len(operations) < 3*len(calls) {
				t.Fatalf("only %d operations", len(operations))
			}
			cuts := 0
			disktest.PowerCuts(files, operations, 2, func(done int, what string, left disktest.Files) {
				cuts++
				finished, _ := slices.BinarySearch(ends, done+1)
				possible := states[finished-1 : min(finished+1, len(states))]
				got := holds(t, left.Write(t), now)
				if !slices.ContainsFunc(possible, func(state []string) bool { return slices.Equal(state, got) }) {
					t.Fatalf("power cut after %d of %d operations, %d calls had returned, %s: the store is neither as before nor as after (-before +is):\n%s",
						done, len(operations), finished-1, what, cmp.Diff(possible[0], got))
				}
			})
			t.Logf("%d operations, %d power cuts", len(operations), cuts)
		})
	}
}

// Each operation of the disk fails once, or that and all after it. A report that was
// acknowledged is found; a call that failed is made again with success.
func TestEachOperationOfTheStoreFails(t *testing.T) {
	d := disktest.New(t)
	now := time.Now().Truncate(time.Second)
	for which, call := range steps(now) {
		for _, all := range []bool{false, true} {
			failed := 0
			for n := 1; ; n++ {
				folder := t.TempDir()
				db := must.Get(openSQLite(t.Context(), storage.Folder(folder)))(t)
				_ = must.Get(db.db.ExecContext(t.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`))(t)
				for _, earlier := range steps(now)[:which] {
					must.Succeed(t, earlier.do(t.Context(), db))
				}
				before := holds(t, folder, now)
				what := fmt.Sprintf("%s, operation %d fails, all after it as well: %v", call.name, n, all)
				d.Fail(n, all, n%2 == 0)
				err := call.do(t.Context(), db)
				reached := len(d.Operations()) >= n
				d.Begin()
				left := holds(t, folder, now)
				if err != nil {
					failed++
					again := call.do(t.Context(), db)
					must.Succeed(t, again)
				} else if reached && slices.Equal(left, before) && call.name != "purge" {
					t.Errorf("%s: it returned no error and did nothing", what)
				}
				after := holds(t, folder, now)
				if err != nil && !slices.Equal(left, before) && !slices.Equal(left, after) {
					t.Errorf("%s: the store is neither as before nor as after:\n%s", what, cmp.Diff(after, left))
				}
				if after[0] != "ok" {
					t.Errorf("%s: %s", what, after[0])
				}
				must.Succeed(t, db.close())
				if !reached {
					break
				}
			}
			if failed == 0 {
				t.Errorf("%s: no failure of the disk made it fail", call.name)
			}
		}
	}
}
