package dendrite

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// many fills the tables with 500 users, who have two devices each and came on all of
// 60 days, so that a scan is not the cheapest way to a day.
const many = `
CREATE TABLE userapi_devices (localpart TEXT, device_id TEXT, server_name TEXT NOT NULL, created_ts BIGINT, last_seen_ts BIGINT, user_agent TEXT);
CREATE UNIQUE INDEX userapi_device_localpart_id_idx ON userapi_devices (localpart, device_id);
CREATE TABLE userapi_daily_visits (localpart TEXT NOT NULL, device_id TEXT NOT NULL, timestamp BIGINT NOT NULL, user_agent TEXT);
CREATE UNIQUE INDEX userapi_daily_visits_localpart_device_timestamp_idx ON userapi_daily_visits (localpart, device_id, timestamp);
CREATE INDEX userapi_daily_visits_timestamp_idx ON userapi_daily_visits (timestamp);
CREATE INDEX userapi_daily_visits_localpart_timestamp_idx ON userapi_daily_visits (localpart, timestamp);
CREATE TABLE numbers (n BIGINT);
WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 499) INSERT INTO numbers SELECT n FROM i;
INSERT INTO userapi_devices SELECT 'user' || u.n, 'D' || d.n, 'w.example', 0, 1794182400000, 'x' FROM numbers AS u, (SELECT 0 AS n UNION SELECT 1) AS d;
INSERT INTO userapi_daily_visits SELECT 'user' || u.n, 'D' || d.n, 1794182400000 - ago.n * 86400000, 'x'
	FROM numbers AS u, (SELECT 0 AS n UNION SELECT 1) AS d, numbers AS ago WHERE ago.n < 60;`

// A refresh finds the visits of a day by Dendrite's indexes, and counts those of old
// days without a look at their rows.
func TestRefreshesUseIndexes(t *testing.T) {
	now := time.UnixMilli(1794182400000).UTC()
	today := activity.DayOf(now)
	onSQLite := func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "dendrite.db")
		db := must.Get(sqldb.CreateSQLite(path))(t)
		defer func() { _ = db.Close() }()
		_, err := db.ExecContext(t.Context(), many+"ANALYZE")
		must.Succeed(t, err)
		return "sqlite:" + path
	}
	onPostgreSQL := func(t *testing.T) string {
		location := dbtest.PostgreSQL(t)
		dbtest.Exec(t, location, many, "VACUUM ANALYZE")
		return location
	}
	for engine, location := range map[sqldb.Engine]func(*testing.T) string{sqldb.SQLite: onSQLite, sqldb.PostgreSQL: onPostgreSQL} {
		t.Run(string(engine), func(t *testing.T) {
			source := must.Get(sqldb.ParseSource(location(t)))(t)
			must.Succeed(t, source.Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
				r := &reading{View: view, now: now, server: []byte("w.example")}
				for what, query := range map[string]string{
					"visits of idle devices": r.idleRows(today, today+1),
					"other visits":           r.presentRows(today, today+1),
					"the number of visits":   r.visitCounts(today-40, today-39),
				} {
					plan := explain(ctx, t, view, query)
					if !strings.Contains(plan, "userapi_daily_visits_timestamp_idx") || strings.Contains(plan, "Seq Scan on userapi_daily_visits") || strings.Contains(plan, "SCAN v") {
						t.Errorf("%s: no index of the day in the plan:\n%s", what, plan)
					}
				}
				return nil
			}))
		})
	}
}

func explain(ctx context.Context, t *testing.T, view sqldb.View, query string) string {
	t.Helper()
	if view.Engine == sqldb.SQLite {
		var steps []struct {
			ID, Parent, Notused int
			Detail              string
		}
		must.Succeed(t, view.SelectContext(ctx, &steps, "EXPLAIN QUERY PLAN "+query))
		var lines []string
		for _, s := range steps {
			lines = append(lines, s.Detail)
		}
		return strings.Join(lines, "\n")
	}
	var lines []string
	must.Succeed(t, view.SelectContext(ctx, &lines, "EXPLAIN "+query))
	return strings.Join(lines, "\n")
}
