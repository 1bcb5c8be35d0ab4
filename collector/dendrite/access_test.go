package dendrite_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/dendrite"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// read reads everything there is.
func read(t *testing.T, o dendrite.Options) (collector.Facts, error) {
	t.Helper()
	classes := activity.SynapseClasses()
	return dendrite.New(o, classes).Read(t.Context(), time.Time{}, noon, activity.NewCalendar(activity.Key{}, classes))
}

// aRow is an account with a device and a visit, whose names no error may tell.
const aRow = `
INSERT INTO userapi_accounts (localpart, server_name, created_ts, account_type) VALUES ('secretname', 'w.example', 1, 1);
INSERT INTO userapi_devices (access_token, device_id, localpart, server_name, created_ts, last_seen_ts, ip, user_agent)
	VALUES ('secrettoken', 'D', 'secretname', 'w.example', 1, 2, '192.0.2.7', 'secretagent');
INSERT INTO userapi_daily_visits VALUES ('secretname', 'D', 0, 'secretagent')`

func TestErrorsNameWhatLacksAndNobody(t *testing.T) {
	onPostgres := onPostgreSQL(t)
	for name, c := range map[string]struct {
		change string
		says   string
	}{
		"not Dendrite's": {
			`DROP TABLE userapi_accounts; DROP TABLE userapi_devices; DROP TABLE userapi_daily_visits; DROP TABLE userapi_daily_stats; DROP TABLE roomserver_rooms`,
			"is this the database of Dendrite's user API",
		},
		"the room server's": {
			`DROP TABLE userapi_accounts; DROP TABLE userapi_devices; DROP TABLE userapi_daily_visits`,
			"the database of Dendrite's room server: the one of its user API is needed",
		},
		"before 0.10.4": {
			`ALTER TABLE userapi_accounts RENAME TO account_accounts; ALTER TABLE userapi_devices RENAME TO device_devices; DROP TABLE userapi_daily_visits`,
			"account_accounts and no userapi_accounts: Dendrite 0.10.8 is the oldest",
		},
		"before 0.10.8": {
			`DROP INDEX userapi_accounts_idx; ALTER TABLE userapi_accounts DROP COLUMN server_name`,
			"the table userapi_accounts has no column server_name: Dendrite 0.10.8 is the oldest",
		},
		"without visits": {`DROP TABLE userapi_daily_visits`, "there is no table userapi_daily_visits: Dendrite 0.10.8 is the oldest"},
	} {
		for engine, db := range map[string]database{"SQLite": onSQLite(t), "PostgreSQL": onPostgres} {
			t.Run(name+", "+engine, func(t *testing.T) {
				if engine == "PostgreSQL" {
					db.run(`DROP SCHEMA public CASCADE`, `CREATE SCHEMA public`, tables)
				}
				db.run(aRow)
				db.run(c.change)
				_, err := read(t, dendrite.Options{Database: source(t, db.location)})
				if err == nil || !strings.Contains(err.Error(), c.says) || failure.Of(err) != failure.Unexpected {
					t.Errorf("error %v, want an unexpected one that says %q", err, c.says)
				}
				if err != nil && strings.Contains(err.Error(), "secret") {
					t.Errorf("error %v tells a name", err)
				}
			})
		}
	}
}

func TestDamagedFiles(t *testing.T) {
	whole, err := os.ReadFile(unpacked(t, "dendrite-sqlite.db"))
	must.Succeed(t, err)
	for name, content := range map[string][]byte{
		"empty":           {},
		"cut":             whole[:len(whole)/2],
		"zeros in it":     append(append(slices.Clone(whole[:4096]), make([]byte, len(whole)-8192)...), whole[len(whole)-4096:]...),
		"something else":  []byte(strings.Repeat("amaranth ", 1000)),
		"without a title": append([]byte("0123456789abcdef"), whole[16:]...),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dendrite_userapi.db")
			must.Succeed(t, os.WriteFile(path, content, 0o600))
			_, err := read(t, dendrite.Options{Database: source(t, "sqlite:"+path)})
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Fatalf("error %v, want one that names %s", err, path)
			}
			for _, user := range []string{"amaranth", "juniper", "garden.example", "127.0.0.1"} {
				if strings.Contains(err.Error(), user) {
					t.Errorf("error %v tells %s", err, user)
				}
			}
		})
	}
}

// A value that is no time costs the device that has it and no other; where there are
// none but such, nobody knows who is active.
func TestDamagedTimes(t *testing.T) {
	db := onSQLite(t)
	db.run(newWorld(1, noon, 40, 20).statements()...)
	now := noon
	whole := refresh(t, newRefresher(dendrite.Options{Database: source(t, db.location)}, &now))
	db.run(`UPDATE userapi_devices SET last_seen_ts = 'yesterday' WHERE device_id = 'shared_secret_registration'`)
	damaged := refresh(t, newRefresher(dendrite.Options{Database: source(t, db.location)}, &now))
	if damaged.Damaged == 0 || damaged.Active[0].Users != whole.Active[0].Users || whole.Damaged != 0 {
		t.Errorf("%d damaged, %d active a day; want some, and %d", damaged.Damaged, damaged.Active[0].Users, whole.Active[0].Users)
	}
	db.run(`UPDATE userapi_devices SET last_seen_ts = 'yesterday'`)
	if _, err := read(t, dendrite.Options{Database: source(t, db.location)}); err == nil || !strings.Contains(err.Error(), "all last-seen times in userapi_devices are damaged") {
		t.Errorf("error %v, want that nothing is known", err)
	}
}

// leastPrivileged returns the database as seen by a role that has been given what
// docs/dendrite.md says and nothing else.
func leastPrivileged(t *testing.T, location string) string {
	t.Helper()
	_, grants, _ := strings.Cut(must.ReadFile(t, "../../docs/dendrite.md"), "```sql\n")
	grants, _, _ = strings.Cut(grants, "```")
	if strings.Count(grants, "GRANT SELECT (") < 3 {
		t.Fatal("no GRANT statements in docs/dendrite.md")
	}
	return as(t, location, func(role string) string { return strings.ReplaceAll(grants, "exporter", role) })
}

// as returns the database as seen by a new role.
func as(t *testing.T, location string, grants func(role string) string) string {
	t.Helper()
	role := fmt.Sprintf("exporter_%d_%d", os.Getpid(), time.Now().UnixNano()) // the server may not be ours alone
	t.Cleanup(func() { dbtest.Exec(t, location, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	dbtest.Exec(t, location, grants(role))
	u, err := url.Parse(location)
	must.Succeed(t, err)
	u.User = url.User(role)
	return u.String()
}

// What the role of docs/dendrite.md may not read are secrets and addresses.
func TestLeastPrivilegeKeepsSecrets(t *testing.T) {
	db := onPostgreSQL(t)
	location := leastPrivileged(t, db.location)
	err := source(t, location).Read(t.Context(), sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
		var refused []string
		return view.SelectContext(ctx, &refused, `SELECT access_token FROM userapi_devices`)
	})
	if failure.Of(err) != failure.Denied {
		t.Errorf("error %v, want that tokens are denied", err)
	}
}

func TestARoleThatMayReadLess(t *testing.T) {
	db := onPostgreSQL(t)
	db.run(newWorld(1, noon, 40, 20).statements()...)
	now := noon
	whole := refresh(t, newRefresher(dendrite.Options{Database: source(t, db.location)}, &now))
	required := func(role string) string {
		return "CREATE ROLE " + role + " LOGIN; GRANT SELECT (localpart, server_name, created_ts, appservice_id, is_deactivated, account_type) ON userapi_accounts TO " + role +
			"; GRANT SELECT (localpart, device_id, timestamp, user_agent) ON userapi_daily_visits TO " + role
	}
	t.Run("without what is optional", func(t *testing.T) {
		r := newRefresher(dendrite.Options{Database: source(t, as(t, db.location, func(role string) string {
			return required(role) + "; GRANT SELECT (localpart, server_name, device_id, created_ts, last_seen_ts, user_agent) ON userapi_devices TO " + role
		}))}, &now)
		less := refresh(t, r)
		if less.Active[0].Users != whole.Active[0].Users || less.Retention.Users != whole.Retention.Users {
			t.Errorf("%+v, want the figures of %+v", less, whole)
		}
		if _, known := usageOf(t, r).Statistics["total_room_count"]; known {
			t.Error("the number of rooms cannot be known")
		}
		if warnings := strings.Join(r.Status().Snapshot.Warnings, "\n"); !strings.Contains(warnings, "userapi_daily_stats") || !strings.Contains(warnings, "roomserver_rooms") {
			t.Errorf("warnings %q, want that two tables may not be read", warnings)
		}
	})
	t.Run("without what all need", func(t *testing.T) {
		_, err := read(t, dendrite.Options{Database: source(t, as(t, db.location, func(role string) string {
			return required(role) + "; GRANT SELECT (localpart, server_name, device_id) ON userapi_devices TO " + role
		}))})
		if failure.Of(err) != failure.Denied || !strings.Contains(err.Error(), "no permission to read the columns created_ts, last_seen_ts, user_agent of the table userapi_devices") {
			t.Errorf("error %v, want which columns are denied", err)
		}
	})
}
