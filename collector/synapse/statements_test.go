package synapse

import (
	"context"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse/synapsetest"
)

var noon = time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC)

// eachEngine opens the same invented database on each engine.
func eachEngine(t *testing.T, test func(t *testing.T, ctx context.Context, r *reading)) {
	p := synapsetest.Population{Users: 5000, Days: 70, Now: noon}
	for name, fill := range map[string]func(t *testing.T) string{
		"SQLite": func(t *testing.T) string {
			t.Helper()
			path := filepath.Join(t.TempDir(), "homeserver.db")
			if err := p.FillSQLite(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			return "sqlite:" + path
		},
		"PostgreSQL": func(t *testing.T) string {
			t.Helper()
			location := dbtest.PostgreSQL(t)
			if err := p.FillPostgreSQL(t.Context(), location); err != nil {
				t.Fatal(err)
			}
			return location
		},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := sqldb.ParseSource(fill(t))
			if err != nil {
				t.Fatal(err)
			}
			err = source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
				test(t, ctx, &reading{View: view, now: noon, server: []byte(synapsetest.Server), limits: defaultLimits(view.Engine), extras: extras{agents: extra{readable: true}}})
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A refresh finds what has changed by Synapse's indexes, and counts old days
// without looking at their rows.
func TestRefreshesUseIndexes(t *testing.T) {
	today := activity.DayOf(noon)
	eachEngine(t, func(t *testing.T, ctx context.Context, r *reading) {
		for what, c := range map[string]struct{ query, sqlite, postgresql string }{
			"the visits of today": {
				dayRows(today),
				"USING INDEX user_daily_visits_ts_idx (timestamp>? AND timestamp<?)", "Index Scan using user_daily_visits_ts_idx",
			},
			"the rows of an old day": {
				visitCounts(today-40, today-39),
				"USING COVERING INDEX user_daily_visits_ts_idx (timestamp>? AND timestamp<?)", "Index Only Scan using user_daily_visits_ts_idx",
			},
			"new messages": {
				r.messageRows(5400, math.MaxInt64),
				"USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", "events_pkey",
			},
			"last-seen rows of an hour": {
				r.lastSeenRows(noon.Add(-time.Hour - overlap)),
				"USING INDEX user_ips_last_seen_only (last_seen>?)", "user_ips_last_seen_only",
			},
			"the newest row of each user": {
				r.newestRows(""),
				"USING INDEX user_ips_last_seen (user_id=?)", "Index Scan Backward using user_ips_last_seen on",
			},
			"the newest rows of users before one": {
				r.newestRows(`@user-00000100' \:big.example`),
				"USING INDEX user_ips_last_seen (user_id=?)", "Index Scan Backward using user_ips_last_seen on",
			},
		} {
			checkPlan(t, ctx, r, what, c.query, c.sqlite, c.postgresql)
		}
		if r.Engine == sqldb.PostgreSQL {
			checkPlan(t, ctx, r, "the last pages of visits", visitsFrom("ctid", 1000), "", "Tid Range Scan on user_daily_visits")
			checkPlan(t, ctx, r, "some pages of last-seen rows", r.pageRows(10, 20, 0), "", "Tid Range Scan on user_ips")
		}
		if err := r.preferBitmaps(ctx); err != nil {
			t.Fatal(err)
		}
		checkPlan(t, ctx, r, "a slice of last-seen rows", r.sliceRows(noon.Add(-30*time.Hour).UnixMilli(), noon.Add(-6*time.Hour).UnixMilli()),
			"USING INDEX user_ips_last_seen_only (last_seen>? AND last_seen<?)", "Bitmap Index Scan on user_ips_last_seen_only")
	})
}

// checkPlan looks for an index in the plan of a query, which must not scan a table.
func checkPlan(t *testing.T, ctx context.Context, r *reading, what, query, sqlite, postgresql string) {
	t.Helper()
	plan, want := explain(t, ctx, r.View, query), sqlite
	if r.Engine == sqldb.PostgreSQL {
		want = postgresql
	}
	if !strings.Contains(plan, want) {
		t.Errorf("%s: want %q in the plan of %s:\n%s", what, want, query, plan)
	}
	recursion := strings.NewReplacer("SCAN users\n", "", "CTE Scan", "", "WorkTable Scan", "")
	if plan := recursion.Replace(plan); strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "SCAN ") || strings.Contains(plan, "Sort") {
		t.Errorf("%s: a scan of the table:\n%s", what, plan)
	}
}

// Skipping from user to user in parts finds what one statement finds, in whatever
// parts, and whatever names hold.
func TestTheNewestRowOfEachUser(t *testing.T) {
	eachEngine(t, func(t *testing.T, ctx context.Context, r *reading) {
		want := make(map[string]int64)
		err := r.Stream(ctx, `SELECT user_id, MAX(last_seen) FROM user_ips GROUP BY user_id`, 2, func(row *sqldb.Row) {
			want[string(row.Text(0))] = row.Integer(1)
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, r.limits.users = range []int{997, 10_000} {
			got, statements := make(map[string]int64), 0
			for last, found := "", r.limits.users; found == r.limits.users; statements++ {
				found = 0
				err := r.Stream(ctx, r.newestRows(last), 3, func(row *sqldb.Row) {
					found, last = found+1, string(row.Text(0))
					got[last] = row.Integer(2)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if !maps.Equal(got, want) || statements != len(want)/r.limits.users+1 {
				t.Errorf("%d users at a time: %d statements found %d users, want %d, each with the newest moment", r.limits.users, statements, len(got), len(want))
			}
		}
	})
}

func TestLiteralsHoldAnything(t *testing.T) {
	eachEngine(t, func(t *testing.T, ctx context.Context, r *reading) {
		for _, text := range []string{"", "@a:b", `'; DROP TABLE users; --\' \\ "$$`, "é\u2028\U0001f600\x01"} {
			var got string
			if err := r.GetContext(ctx, &got, `SELECT `+r.literal(text)); err != nil || got != text {
				t.Errorf("%q became %q (error %v)", text, got, err)
			}
		}
	})
}

// The size of a table is known without reading it.
func TestEstimates(t *testing.T) {
	eachEngine(t, func(t *testing.T, ctx context.Context, r *reading) {
		for _, table := range []string{"user_ips", "devices"} {
			var rows int64
			if err := r.GetContext(ctx, &rows, `SELECT COUNT(*) FROM `+table); err != nil {
				t.Fatal(err)
			}
			if got, err := r.estimate(ctx, table); err != nil || got < rows*9/10 || got > rows*11/10 {
				t.Errorf("%s: about %d rows (error %v), want about %d", table, got, err, rows)
			}
		}
	})
}

func explain(t *testing.T, ctx context.Context, view sqldb.View, query string) string {
	t.Helper()
	command := "EXPLAIN "
	if view.Engine == sqldb.SQLite {
		command = "EXPLAIN QUERY PLAN "
	}
	rows, err := view.QueryxContext(ctx, command+query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var plan strings.Builder
	for rows.Next() {
		columns, err := rows.SliceScan()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, columns[len(columns)-1])
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

// The cases of Synapse's own test (tests/storage/test_event_push_actions.py).
func TestPositionOfAMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "homeserver.db")
	db, err := sqldb.CreateSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, step := range []struct {
		statement string
		positions map[int64]int64 // by moment
	}{
		{`CREATE TABLE events (stream_ordering INTEGER PRIMARY KEY, received_ts BIGINT)`, map[int64]int64{11: 0}},
		{`INSERT INTO events VALUES (2, 10)`, map[int64]int64{9: 2, 10: 2, 11: 3}},
		{`INSERT INTO events VALUES (3, 110), (4, 120), (5, 120), (10, 130), (20, 140)`, map[int64]int64{110: 3, 120: 4, 129: 10, 140: 20, 160: 21}},
		{`INSERT INTO events VALUES (0, 5)`, map[int64]int64{1: 0}},
		{`DELETE FROM events`, map[int64]int64{1: 0}},
		{`INSERT INTO events VALUES (-7, 500)`, map[int64]int64{1: 0, 999: 0}}, // backfilled
	} {
		if _, err := db.ExecContext(t.Context(), step.statement); err != nil {
			t.Fatal(err)
		}
		source, err := sqldb.ParseSource("sqlite:" + path)
		if err != nil {
			t.Fatal(err)
		}
		err = source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
			r := &reading{View: view}
			for at, want := range step.positions {
				if got, err := r.positionAt(ctx, time.UnixMilli(at)); err != nil || got != want {
					t.Errorf("after %s: position at %d is %d (error %v), want %d", step.statement, at, got, err, want)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
